//! The table for people and the JSON for programs.

use anyhow::Result;
use serde_json::{Map, Value, json};

use super::figures::{Figures, Row};
use super::goals::{GOALS, Goal};
use super::machine::Machine;

/// The table: value, goals, how far the value reaches, and its yardstick.
pub fn table(figures: &Figures) -> String {
    let mut lines = Vec::new();
    let rows: Vec<[String; 8]> = GOALS.iter().filter_map(|goal| row(goal, figures)).collect();
    let head = ["row", "measure", "value", "at least", "aim", "reached", "yardstick", "note"];
    let head = head.map(str::to_owned);
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let cells = rows.iter().chain([&head]).map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        })
        .collect();
    for row in [&head].into_iter().chain(&rows) {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let pad = " ".repeat(width - cell.chars().count());
            // Text begins at the left, numbers end at the right.
            if matches!(column, 0 | 1 | 7) {
                format!("{cell}{pad}")
            } else {
                format!("{pad}{cell}")
            }
        });
        lines.push(cells.collect::<Vec<_>>().join("  ").trim_end().to_owned());
    }
    lines.push(String::new());
    lines
        .extend(figures.yardsticks.iter().map(|(name, value)| format!("{name} {}", short(*value))));
    lines.extend(figures.remarks.iter().cloned());
    let balanced = figures.are_books_balanced();
    lines.push(format!("books {}\n", if balanced { "balanced" } else { "DO NOT BALANCE" }));
    lines.join("\n")
}

/// The cells of one row; nothing if the row was not asked for.
pub fn row(goal: &Goal, figures: &Figures) -> Option<[String; 8]> {
    let wanted = [(goal.at_least)(figures), (goal.aim)(figures)];
    let told = wanted.map(|wanted| wanted.map_or_else(|| "-".to_owned(), short));
    let [at_least, aim] = told;
    let (value, reached, beside, note) = match figures.rows.get(goal.key)? {
        Row::Measured { value, note } => {
            let reached = wanted[0].map(|wanted| goal.reached(*value, wanted));
            let beside = goal.beside_yardstick(*value, figures);
            let times = |ratio: Option<f64>| {
                ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{} ×", short(ratio)))
            };
            let value = format!("{} {}", short(*value), goal.unit);
            (value, times(reached), times(beside), note.clone())
        }
        Row::Skipped(reason) => nothing(&format!("not measured: {reason}")),
        Row::Failed(reason) => nothing(&format!("FAILED: {reason}")),
    };
    let (key, title) = (goal.key.to_owned(), goal.title.to_owned());
    Some([key, title, value, at_least, aim, reached, beside, note])
}

fn nothing(note: &str) -> (String, String, String, String) {
    ("-".to_owned(), "-".to_owned(), "-".to_owned(), note.to_owned())
}

/// All figures that were measured.
///
/// # Errors
///
/// When JSON cannot hold one.
pub fn json(figures: &Figures, commit: &str, machine: &Machine) -> Result<String> {
    let mut rows = Map::new();
    for goal in &GOALS {
        if let Some(value) = figures.value(goal.key).filter(|value| value.is_finite()) {
            rows.insert(goal.key.to_owned(), json!({ "value": value, "unit": goal.unit }));
        }
    }
    let books = if figures.are_books_balanced() { "balanced" } else { "do not balance" };
    let all: Value = json!({
        "commit": commit,
        "machine": machine.to_string(),
        "yardsticks": figures.yardsticks,
        "rows": rows,
        "books": books,
    });
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

/// Three digits are enough for people; thousands stand apart.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return if value > 0.0 { "∞".to_owned() } else { "-".to_owned() };
    }
    match value.abs() {
        size if size >= 1_000.0 => apart(&format!("{value:.0}")),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 || size == 0.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

fn apart(digits: &str) -> String {
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        let left = digits.len() - index;
        if index > 0 && left.is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::machine;
    use super::*;

    fn figures() -> Figures {
        let mut figures = Figures::default();
        figures.yardsticks.insert("fdatasync_p50_ms".to_owned(), 0.2);
        figures.set("1", 500_000.0, "a note");
        figures.set("7", 0.7, "");
        figures.skip(&["18"], "few cores");
        figures
    }

    #[test]
    fn the_table_shows_goals_and_ratios_of_what_was_asked_for() {
        let table = table(&figures());
        let line = |start: &str| {
            let line = table.lines().find(|line| line.starts_with(start)).unwrap_or_default();
            line.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(line("1 ").contains("500,000 /s 400,000 650,000 1.25 ×"), "{table}");
        assert!(line("7 ").contains("0.70 ms 1.40 0.90 2.00 × 3.50 ×"), "{table}");
        assert!(line("18").contains("not measured: few cores"), "{table}");
        assert!(!table.contains("\n2 "), "{table}");
    }

    #[test]
    fn the_json_has_the_shape_that_programs_expect() {
        let text = json(&figures(), "abc", &machine::describe()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, ["books", "commit", "machine", "rows", "yardsticks"]);
        assert_eq!(value["rows"]["1"], json!({ "value": 500_000.0, "unit": "/s" }));
        assert_eq!(value["rows"].as_object().unwrap().len(), 2);
        assert_eq!(value["books"], "balanced");
    }

    #[test]
    fn thousands_stand_apart() {
        let shown = [1_234_567.0, -1_234.0, 999.4, 12.34, 0.5, 0.01234].map(short);
        assert_eq!(shown, ["1,234,567", "-1,234", "999", "12.3", "0.50", "0.0123"]);
    }
}
