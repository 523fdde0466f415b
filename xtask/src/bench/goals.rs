//! The table of goals: what is wanted of each row, and what it is held against.

use super::figures::Figures;

/// One figure that is wanted.
pub struct Goal {
    /// As `--rows` and the JSON name it; `6.p99` is a second figure of row 6.
    pub key: &'static str,
    /// What is measured.
    pub title: &'static str,
    /// Of the value and of the goals.
    pub unit: &'static str,
    /// Whether more is better.
    pub is_more_better: bool,
    /// What must be reached; `None` while a yardstick or row is missing.
    pub at_least: fn(&Figures) -> Option<f64>,
    /// What is aimed at.
    pub aim: fn(&Figures) -> Option<f64>,
    /// The yardstick it stands beside, in the same unit.
    pub yardstick: Option<&'static str>,
}

const ROW_COUNT: usize = 22;

/// All of them, in the order of the table.
pub const GOALS: [Goal; ROW_COUNT] = [
    Goal {
        yardstick: Some("postgres_hot_row_per_second"),
        ..more("1", "payments, full batches, uniform", "/s", |_| Some(4e5), |_| Some(6.5e5))
    },
    more("2", "the same to one merchant, of row 1", "%", |_| Some(95.0), |_| Some(105.0)),
    less("3", "CPU per payment, all processes", "µs", |_| Some(4.0), |_| Some(2.5)),
    Goal {
        yardstick: Some("quic_requests_per_second"),
        ..more("4", "one payment a request, 1,000 at once", "/s", |_| Some(6e4), |_| Some(1.5e5))
    },
    more("5", "owner-signed, of Ed25519 on all cores", "%", |_| Some(60.0), |_| Some(80.0)),
    Goal {
        yardstick: Some("fdatasync_p50_ms"),
        ..less(
            "6",
            "commit at half rate, p50",
            "ms",
            |f| fsync(f, "p50", 3.0, 0.0),
            |f| fsync(f, "p50", 2.0, 0.0),
        )
    },
    Goal {
        yardstick: Some("fdatasync_p99_ms"),
        ..less(
            "6.p99",
            "commit at half rate, p99",
            "ms",
            |f| fsync(f, "p99", 6.0, 0.0),
            |f| fsync(f, "p99", 4.0, 0.0),
        )
    },
    Goal {
        yardstick: Some("fdatasync_p50_ms"),
        ..less(
            "7",
            "commit on an idle cluster, p50",
            "ms",
            |f| fsync(f, "p50", 2.0, 1.0),
            |f| fsync(f, "p50", 2.0, 0.5),
        )
    },
    less("8", "settlement lag at half rate, p99", "ms", |f| lag(f, 4.0), |f| lag(f, 3.0)),
    Goal {
        yardstick: Some("blake3_per_second"),
        ..more("9", "ledger execution, one core", "/s", |_| Some(2e6), |_| Some(4e6))
    },
    Goal {
        yardstick: Some("blake3_per_second"),
        ..more("10", "re-audit from blocks, one core", "/s", |_| Some(1.5e6), |_| Some(3e6))
    },
    less("11", "CPU per payment as work grows, worst", "% more", |_| Some(15.0), |_| Some(5.0)),
    Goal {
        yardstick: Some("blake3_per_second"),
        ..more("12", "HF chain: rows credited, one core", "/s", |_| Some(3e5), |_| Some(1e6))
    },
    less("13", "memory per account and replica", "B", |_| Some(256.0), |_| Some(200.0)),
    less("13.id", "memory per remembered id", "B", |_| Some(32.0), |_| Some(24.0)),
    less("14", "disk per payment and replica", "B", |_| Some(400.0), |_| Some(250.0)),
    less("15", "restart of a node until it serves", "s", |_| Some(10.0), |_| Some(3.0)),
    less("16", "leader killed: next commit, p99", "s", |_| Some(1.5), |_| Some(0.5)),
    less("17", "import of the retail file", "s", |_| Some(5.0), |_| Some(2.0)),
    more("18", "8 chains beside 1, on 16 cores", "×", |_| None, |_| None),
    more(
        "overload",
        "rate at twice the load, of the best beside it",
        "%",
        |_| Some(90.0),
        |_| None,
    ),
    less("overload.p99", "its latency, admitted, p99", "ms", three_times_row_6, |_| None),
];

/// How often settlement comes in every set-up, in ms.
pub const SETTLEMENT_INTERVAL_MS: f64 = 200.0;

type Wanted = fn(&Figures) -> Option<f64>;

const fn more(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    at_least: Wanted,
    aim: Wanted,
) -> Goal {
    Goal { key, title, unit, is_more_better: true, at_least, aim, yardstick: None }
}

const fn less(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    at_least: Wanted,
    aim: Wanted,
) -> Goal {
    Goal { key, title, unit, is_more_better: false, at_least, aim, yardstick: None }
}

fn fsync(figures: &Figures, percentile: &str, times: f64, more_ms: f64) -> Option<f64> {
    let sync_ms = figures.yardstick(&format!("fdatasync_{percentile}_ms"))?;
    Some(times * sync_ms + more_ms)
}

fn lag(figures: &Figures, times: f64) -> Option<f64> {
    Some(SETTLEMENT_INTERVAL_MS + times * figures.value("6.p99")?)
}

fn three_times_row_6(figures: &Figures) -> Option<f64> {
    Some(3.0 * figures.value("6.p99")?)
}

impl Goal {
    /// How far a value reaches towards a wanted one: 1 and more is there.
    pub fn reached(&self, value: f64, wanted: f64) -> f64 {
        let ratio = if self.is_more_better { value / wanted } else { wanted / value };
        // Less than nothing of what should be little is more than enough.
        if !self.is_more_better && value <= 0.0 { f64::INFINITY } else { ratio }
    }

    /// The value in units of its yardstick.
    pub fn beside_yardstick(&self, value: f64, figures: &Figures) -> Option<f64> {
        Some(value / figures.yardstick(self.yardstick?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn goal(key: &str) -> &'static Goal {
        GOALS.iter().find(|goal| goal.key == key).unwrap()
    }

    #[test]
    fn a_goal_is_reached_from_either_side() {
        assert!((goal("1").reached(8e5, 4e5) - 2.0).abs() < 1e-9);
        assert!((goal("3").reached(8.0, 4.0) - 0.5).abs() < 1e-9);
        assert!(goal("11").reached(-3.0, 15.0) > 1.0);
    }

    #[test]
    fn goals_in_multiples_of_a_sync_wait_for_the_yardstick() {
        let mut figures = Figures::default();
        assert_eq!((goal("6").at_least)(&figures), None);
        figures.yardsticks.insert("fdatasync_p50_ms".to_owned(), 0.1);
        let wanted = (goal("7").at_least)(&figures).unwrap();
        assert!((wanted - 1.2).abs() < 1e-9);
    }

    #[test]
    fn keys_are_told_apart() {
        for (index, goal) in GOALS.iter().enumerate() {
            assert!(GOALS[..index].iter().all(|other| other.key != goal.key), "{}", goal.key);
        }
    }
}
