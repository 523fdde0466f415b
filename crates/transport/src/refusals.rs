//! One log line per peer and minute for what keeps being refused.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Between two lines about the same thing.
const INTERVAL: Duration = Duration::from_secs(60);
/// Things that are remembered, and so the most lines within an interval: what
/// comes beyond is counted and told when the interval is over.
const ENTRIES_MAX: usize = 1_024;
/// Bytes of peer and reason that tell one thing from another.
const KEY_BYTES_MAX: usize = 256;

/// Decides whether a refusal is worth a line.
#[derive(Debug, Default)]
pub struct RefusalLog {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    /// When each thing was logged.
    last: HashMap<Vec<u8>, Instant>,
    /// Refusals that found the table full.
    unlogged: u64,
}

/// What is to be logged about a refusal.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    Nothing,
    /// The refusal, and how many before it had no line.
    Refusal {
        unlogged: u64,
    },
}

impl RefusalLog {
    /// Logs `reason` for `peer` unless that happened within the last minute.
    pub fn warn(&self, peer: &str, reason: &str) {
        let Line::Refusal { unlogged } = self.note(peer, reason, Instant::now()) else { return };
        if unlogged > 0 {
            tracing::warn!(unlogged, "more was refused than is logged");
        }
        tracing::warn!(peer, "refused: {reason}");
    }

    fn note(&self, peer: &str, reason: &str, now: Instant) -> Line {
        let mut table = self.lock();
        let key: Vec<u8> =
            peer.bytes().chain([b' ']).chain(reason.bytes()).take(KEY_BYTES_MAX).collect();
        let is_recent = |at: &Instant| now.duration_since(*at) < INTERVAL;
        if table.last.get(&key).is_some_and(is_recent) {
            return Line::Nothing;
        }
        if table.last.len() >= ENTRIES_MAX {
            table.last.retain(|_, at| is_recent(at));
        }
        if table.last.len() >= ENTRIES_MAX {
            table.unlogged += 1;
            return Line::Nothing;
        }
        table.last.insert(key, now);
        Line::Refusal { unlogged: std::mem::take(&mut table.unlogged) }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGGED: Line = Line::Refusal { unlogged: 0 };

    #[test]
    fn one_line_per_peer_and_reason_and_minute() {
        let log = RefusalLog::default();
        let now = Instant::now();
        assert_eq!(log.note("a", "x", now), LOGGED);
        assert_eq!(log.note("a", "x", now + INTERVAL / 2), Line::Nothing);
        assert_eq!(log.note("a", "y", now), LOGGED);
        assert_eq!(log.note("b", "x", now), LOGGED);
        assert_eq!(log.note("a", "x", now + INTERVAL), LOGGED);
    }

    #[test]
    fn a_flood_of_names_costs_neither_memory_nor_endless_lines() {
        let log = RefusalLog::default();
        let now = Instant::now();
        let flood =
            (0..10 * ENTRIES_MAX).map(|number| log.note(&format!("peer {number}"), "x", now));
        assert_eq!(flood.filter(|line| *line == LOGGED).count(), ENTRIES_MAX);
        assert_eq!(log.lock().last.len(), ENTRIES_MAX);
        let later = log.note("late", "x", now + INTERVAL);
        let unlogged = u64::try_from(9 * ENTRIES_MAX).unwrap();
        assert_eq!(later, Line::Refusal { unlogged });
        assert_eq!(log.lock().last.len(), 1);
    }

    #[test]
    fn a_long_reason_is_remembered_by_its_beginning() {
        let log = RefusalLog::default();
        log.note("a", &"x".repeat(1 << 20), Instant::now());
        assert!(log.lock().last.keys().all(|key| key.len() == KEY_BYTES_MAX));
    }
}
