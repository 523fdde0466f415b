//! One log line per peer and minute for what keeps being refused.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about the same thing.
const INTERVAL: Duration = Duration::from_secs(60);
/// Things that are remembered; when there are more the table starts afresh, so
/// that a flood of names costs log lines, not memory.
const ENTRIES_MAX: usize = 4_096;

/// Decides whether a refusal is worth a line.
#[derive(Debug, Default)]
pub struct RefusalLog {
    last: Mutex<HashMap<String, Instant>>,
}

impl RefusalLog {
    /// Logs `reason` for `peer` unless that happened within the last minute.
    pub fn warn(&self, peer: &str, reason: &str) {
        if self.is_due(peer, reason, Instant::now()) {
            tracing::warn!(peer, "refused: {reason}");
        }
    }

    fn is_due(&self, peer: &str, reason: &str, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{peer} {reason}");
        if last.get(&key).is_some_and(|at| now.duration_since(*at) < INTERVAL) {
            return false;
        }
        if last.len() >= ENTRIES_MAX {
            last.clear();
        }
        last.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_peer_and_reason_and_minute() {
        let log = RefusalLog::default();
        let now = Instant::now();
        assert!(log.is_due("a", "x", now));
        assert!(!log.is_due("a", "x", now + INTERVAL / 2));
        assert!(log.is_due("a", "y", now));
        assert!(log.is_due("b", "x", now));
        assert!(log.is_due("a", "x", now + INTERVAL));
    }
}
