//! Two kinds of picture as inline SVG: a line over time, and bars.

use super::report::short;

const WIDTH: f64 = 640.0;
const LINE_HEIGHT: f64 = 200.0;
/// Room for the labels of the axes.
const LEFT: f64 = 70.0;
const BOTTOM: f64 = 24.0;
const TOP: f64 = 26.0;
const BAR_HEIGHT: f64 = 20.0;
/// Room for the names of bars, and for their values.
const NAMES: f64 = 230.0;
const VALUES: f64 = 130.0;
/// Lines across a picture.
const GRID: u32 = 4;

/// How lengths stand for values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Twice the length is twice the value.
    Linear,
    /// Equal steps are equal factors.
    Logarithmic,
}

/// A value per period, over time in seconds.
pub fn line(title: &str, unit: &str, period_seconds: f64, values: &[f64]) -> String {
    let most = values.iter().copied().fold(0.0, f64::max);
    if values.len() < 2 || most <= 0.0 {
        return String::new();
    }
    let (wide, high) = (WIDTH - LEFT - 10.0, LINE_HEIGHT - TOP - BOTTOM);
    let step = wide / count(values.len() - 1);
    let y = |value: f64| TOP + high * (1.0 - value / most);
    let mut svg = open(LINE_HEIGHT, title);
    for part in 0..=GRID {
        let value = most * f64::from(part) / f64::from(GRID);
        let (y, right) = (y(value), WIDTH - 10.0);
        svg.push_str(&format!(
            "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\" class=\"grid\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" class=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            short(value)
        ));
    }
    let points = values
        .iter()
        .enumerate()
        .map(|(index, value)| format!("{:.1},{:.1}", LEFT + step * count(index), y(*value)));
    let points = points.collect::<Vec<_>>().join(" ");
    let last = period_seconds * count(values.len());
    svg.push_str(&format!(
        "<polyline points=\"{points}\" class=\"line\"/>\
         <text x=\"{LEFT}\" y=\"{LINE_HEIGHT}\">0 s</text>\
         <text x=\"{:.0}\" y=\"{LINE_HEIGHT}\" class=\"end\">{last:.0} s, {}</text></svg>",
        WIDTH - 10.0,
        escape(unit)
    ));
    svg
}

/// Named values side by side; nothing without a value above zero.
pub fn bars(title: &str, unit: &str, scale: Scale, bars: &[(String, f64)]) -> String {
    let positive = bars.iter().map(|(_, value)| *value).filter(|value| *value > 0.0);
    let most = positive.clone().fold(0.0, f64::max);
    let least = positive.fold(f64::INFINITY, f64::min);
    if most <= 0.0 {
        return String::new();
    }
    let wide = WIDTH - NAMES - VALUES;
    let length = |value: f64| match scale {
        _ if value <= 0.0 => 0.0,
        Scale::Linear => wide * value / most,
        // The shortest still shows.
        Scale::Logarithmic => wide * (1.0 + (value / least).ln()) / (1.0 + (most / least).ln()),
    };
    let height = TOP + BAR_HEIGHT * count(bars.len()) + 6.0;
    let mut svg = open(height, title);
    for (index, (name, value)) in bars.iter().enumerate() {
        let (y, length) = (TOP + BAR_HEIGHT * count(index), length(*value));
        svg.push_str(&format!(
            "<text x=\"{:.0}\" y=\"{:.0}\" class=\"end\">{}</text>\
             <rect x=\"{NAMES}\" y=\"{:.0}\" width=\"{length:.1}\" height=\"{:.0}\"/>\
             <text x=\"{:.1}\" y=\"{:.0}\">{} {}</text>",
            NAMES - 6.0,
            y + 14.0,
            escape(name),
            y + 3.0,
            BAR_HEIGHT - 6.0,
            NAMES + length + 5.0,
            y + 14.0,
            short(*value),
            escape(unit)
        ));
    }
    svg + "</svg>"
}

/// Text as it stands in HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn open(height: f64, title: &str) -> String {
    let title = escape(title);
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" role=\"img\">\
         <title>{title}</title><text x=\"0\" y=\"14\" class=\"title\">{title}</text>"
    )
}

#[expect(clippy::cast_precision_loss, reason = "pictures have few points")]
fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_is_that_of_the_largest_value() {
        let values = [("a".to_owned(), 1.0), ("b<c".to_owned(), 4.0)];
        let svg = bars("t", "ms", Scale::Linear, &values);
        let wide = WIDTH - NAMES - VALUES;
        assert!(svg.contains(&format!("width=\"{:.1}\"", wide / 4.0)), "{svg}");
        assert!(svg.contains(&format!("width=\"{wide:.1}\"")), "{svg}");
        assert!(svg.contains("b&lt;c") && !svg.contains("b<c"), "{svg}");
    }

    #[test]
    fn a_picture_of_nothing_is_nothing() {
        assert_eq!(line("t", "/s", 0.1, &[0.0, 0.0]), "");
        assert_eq!(bars("t", "ms", Scale::Logarithmic, &[]), "");
    }

    #[test]
    fn a_line_has_a_point_for_each_period() {
        let svg = line("t", "/s", 0.1, &[1.0, 2.0, 0.0]);
        let points = svg.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(points.split(' ').count(), 3);
    }
}
