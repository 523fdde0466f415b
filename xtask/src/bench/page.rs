//! One page with the table and pictures of every load. It needs nothing but
//! itself: no script, no font, no other file.

use serde_json::Value;

use super::chart::{Scale, bars, escape, line};
use super::figures::{Figures, Row, Run};
use super::goals::GOALS;
use super::machine::Machine;
use super::report::{row, short};

/// Periods of a load's rate, as `loadtest` counts them.
const PERIOD_SECONDS: f64 = 0.1;
/// Threads that are shown of a load.
const THREADS_MAX: usize = 14;

const STYLE: &str = "body{font:15px sans-serif;max-width:1340px;margin:2em auto;color:#222}\
    table{border-collapse:collapse}td,th{padding:3px 9px;border-bottom:1px solid #ddd;\
    text-align:left;vertical-align:top}td.n{text-align:right;white-space:nowrap}\
    .met{color:#176b2c}.missed{color:#a3261b}section{margin-top:2em}svg{margin:6px 14px 6px 0}\
    svg text{font:12px sans-serif}svg .title{font-weight:bold}svg .end{text-anchor:end}\
    svg .grid{stroke:#ddd}svg .line{fill:none;stroke:#2b6cb0;stroke-width:1.5}\
    svg rect{fill:#2b6cb0}";

/// Values with their names.
type Named = Vec<(String, f64)>;

/// The page.
pub fn render(figures: &Figures, commit: &str, machine: &Machine, is_quick: bool) -> String {
    let kind = if is_quick { " A quick run: small and short." } else { "" };
    let books = if figures.are_books_balanced() { "balanced" } else { "DO NOT BALANCE" };
    let title = format!("Tributary bench, {commit}");
    let mut page = format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <style>{STYLE}</style><h1>{title}</h1><p>{}.{kind} Books: {books}.</p>",
        escape(&machine.to_string())
    );
    page.push_str(&goals(figures));
    page.push_str(&yardsticks(figures));
    figures.runs.iter().for_each(|run| page.push_str(&section(run)));
    page + "</html>\n"
}

fn goals(figures: &Figures) -> String {
    let mut html = String::from(
        "<table><tr><th>row<th>measure<th>value<th>at least<th>aim<th>reached<th>of \
         yardstick<th>note</tr>",
    );
    for goal in &GOALS {
        let Some(cells) = row(goal, figures) else { continue };
        let class = match (figures.rows.get(goal.key), (goal.at_least)(figures)) {
            (Some(Row::Measured { value, .. }), Some(wanted)) => {
                if goal.reached(*value, wanted) >= 1.0 { "met" } else { "missed" }
            }
            (Some(Row::Failed(_)), _) => "missed",
            _ => "",
        };
        html.push_str(&format!("<tr class=\"{class}\">"));
        for (column, cell) in cells.iter().enumerate() {
            let kind = if matches!(column, 2..=6) { " class=\"n\"" } else { "" };
            html.push_str(&format!("<td{kind}>{}", escape(cell)));
        }
        html.push_str("</tr>");
    }
    html + "</table>"
}

fn yardsticks(figures: &Figures) -> String {
    let mut html = String::from("<section><h2>Yardsticks</h2><table>");
    for (name, value) in &figures.yardsticks {
        html.push_str(&format!("<tr><td>{}<td class=\"n\">{}</tr>", escape(name), short(*value)));
    }
    html.push_str("</table>");
    figures.remarks.iter().for_each(|text| html.push_str(&format!("<p>{}</p>", escape(text))));
    html + "</section>"
}

fn section(run: &Run) -> String {
    let result = &run.result;
    let list = result["committed_per_100_ms"].as_array();
    let rates: Vec<f64> = list.into_iter().flatten().filter_map(Value::as_f64).collect();
    let rates: Vec<f64> = rates.iter().map(|count| count / PERIOD_SECONDS).collect();
    let mut latencies = percentiles("payment", &result["latency_ms"]);
    for stage in &run.stages {
        latencies.push((format!("{} p50", stage.name), stage.p50));
        latencies.push((format!("{} p99", stage.name), stage.p99));
    }
    let lags = percentiles("lag", &result["settlement_ms"]);
    let (processes, threads) = cpu(result);
    format!(
        "<section><h2>{}</h2>{}{}{}{}{}</section>",
        escape(&run.title),
        line("Committed payments", "payments/s", PERIOD_SECONDS, &rates),
        bars("Latency by stage (logarithmic)", "ms", Scale::Logarithmic, &latencies),
        bars("Settlement lag", "ms", Scale::Linear, &lags),
        bars("CPU by process", "µs a payment", Scale::Linear, &processes),
        bars("CPU by thread", "µs a payment", Scale::Linear, &threads),
    )
}

fn percentiles(name: &str, of: &Value) -> Named {
    if of["samples"].as_u64().unwrap_or(0) == 0 {
        return Vec::new();
    }
    let names = [("p50", "p50"), ("p90", "p90"), ("p99", "p99"), ("p999", "p99.9")];
    let one = |(field, shown): (&str, &str)| {
        (format!("{name} {shown}"), of[field].as_f64().unwrap_or(0.0))
    };
    names.map(one).into()
}

/// Microseconds per payment of each process, and of the busiest threads of all
/// processes of one kind together.
fn cpu(result: &Value) -> (Named, Named) {
    let committed = result.pointer("/outcomes/committed").and_then(Value::as_f64);
    let each = |seconds: &Value| {
        seconds.as_f64().unwrap_or(0.0) * 1e6 / committed.unwrap_or(f64::INFINITY)
    };
    let mut threads = std::collections::BTreeMap::<String, f64>::new();
    let mut processes = Vec::new();
    for (name, process) in result["processes"].as_object().into_iter().flatten() {
        processes.push((name.clone(), each(&process["cpu_seconds"])));
        let kind = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '-');
        for (thread, seconds) in process["threads_cpu_seconds"].as_object().into_iter().flatten() {
            *threads.entry(format!("{kind}: {thread}")).or_default() += each(seconds);
        }
    }
    let mut threads: Vec<_> = threads.into_iter().collect();
    threads.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    threads.truncate(THREADS_MAX);
    (processes, threads)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::machine;
    use super::*;

    #[test]
    fn a_page_shows_every_load_and_needs_nothing_else() {
        let result = json!({
            "committed_per_100_ms": [10, 20, 30],
            "outcomes": {"committed": 60},
            "latency_ms": {"samples": 60, "p50": 1.0, "p90": 2.0, "p99": 3.0, "p999": 4.0},
            "settlement_ms": {"samples": 0},
            "processes": {
                "shard-1": {"cpu_seconds": 0.1, "threads_cpu_seconds": {"log": 0.04}},
                "shard-2": {"cpu_seconds": 0.1, "threads_cpu_seconds": {"log": 0.02}}},
        });
        let mut figures = Figures::default();
        figures.set("1", 1.0, "n < m");
        figures.runs.push(Run { title: "row 1".to_owned(), result, stages: Vec::new() });
        let page = render(&figures, "abc", &machine::describe(), true);
        assert!(page.contains("n &lt; m") && page.contains("class=\"missed\""), "{page}");
        assert!(page.contains("shard: log") && page.contains("1,000 µs a payment"), "{page}");
        assert!(!page.contains("Settlement lag"), "{page}");
        assert!(!page.contains("<script") && !page.contains("http"), "{page}");
    }
}
