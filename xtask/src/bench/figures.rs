//! What has been measured so far: yardsticks, rows, and the runs behind them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::goals::GOALS;
use super::stages::Stage;

/// Everything that reports are made of.
#[derive(Debug, Default)]
pub struct Figures {
    /// By name; the name ends in the unit.
    pub yardsticks: BTreeMap<String, f64>,
    /// Why a yardstick is missing.
    pub remarks: Vec<String>,
    /// By key of the goal.
    pub rows: BTreeMap<&'static str, Row>,
    /// Loads, in the order in which they ran.
    pub runs: Vec<Run>,
    is_unbalanced: bool,
}

/// What became of one row.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// The value, and what belongs to it.
    Measured {
        /// In the unit of its goal.
        value: f64,
        /// Set-up and further figures.
        note: String,
    },
    /// Why it does not apply to this machine or run.
    Skipped(String),
    /// What went wrong.
    Failed(String),
}

/// One load on a cluster.
#[derive(Debug)]
pub struct Run {
    /// What was driven.
    pub title: String,
    /// What `loadtest --json` said.
    pub result: Value,
    /// Latencies inside of the processes.
    pub stages: Vec<Stage>,
}

impl Figures {
    /// Sets a row that was measured.
    pub fn set(&mut self, key: &'static str, value: f64, note: impl Into<String>) {
        self.rows.insert(key, Row::Measured { value, note: note.into() });
    }

    /// The value of a row, if it was measured.
    pub fn value(&self, key: &str) -> Option<f64> {
        match self.rows.get(key)? {
            Row::Measured { value, .. } => Some(*value),
            Row::Skipped(_) | Row::Failed(_) => None,
        }
    }

    /// A yardstick, if it was measured.
    pub fn yardstick(&self, name: &str) -> Option<f64> {
        self.yardsticks.get(name).copied()
    }

    /// Rows that do not apply.
    pub fn skip(&mut self, keys: &[&'static str], reason: &str) {
        for key in keys {
            self.rows.insert(key, Row::Skipped(reason.to_owned()));
        }
    }

    /// Rows that were to be measured and are not.
    pub fn fail(&mut self, keys: &[&'static str], reason: &str) {
        for key in keys.iter().filter(|key| self.value(key).is_none()).collect::<Vec<_>>() {
            self.rows.insert(key, Row::Failed(reason.to_owned()));
        }
    }

    /// Keys of the rows that failed.
    pub fn failed(&self) -> Vec<&'static str> {
        let is_failed = |key: &&str| matches!(self.rows.get(key), Some(Row::Failed(_)));
        GOALS.iter().map(|goal| goal.key).filter(|key| is_failed(key)).collect()
    }

    /// The books of a cluster did not balance.
    pub fn unbalanced(&mut self) {
        self.is_unbalanced = true;
    }

    /// Whether all books that were looked at balance.
    pub fn are_books_balanced(&self) -> bool {
        !self.is_unbalanced
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_failure_leaves_what_was_measured() {
        let mut figures = Figures::default();
        figures.set("1", 5.0, "");
        figures.fail(&["1", "3"], "no");
        assert_eq!(figures.value("1"), Some(5.0));
        assert_eq!(figures.failed(), ["3"]);
    }
}
