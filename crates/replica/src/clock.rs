//! What the validators' wall clocks say, as far as a leader knows.
//!
//! A report is kept as its distance from this replica's monotonic clock, so it
//! stays true while it is kept and this replica's wall clock has no part in
//! it. Block time itself is decided by the ledger, from the reports in a body;
//! the median here only says when a body is worth proposing.

use std::collections::BTreeMap;

use tributary_chain::ClockReport;
use tributary_types::TimeMs;

use crate::effect::Now;

/// Reports older than this are left out of bodies.
pub(crate) const CLOCK_REPORT_AGE_MS_MAX: u64 = 5_000;

#[derive(Debug, Clone, Copy)]
struct Heard {
    wall: TimeMs,
    monotonic_ms: u64,
}

/// The clocks of all validators of one chain.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    heard: BTreeMap<u16, Heard>,
}

impl Clocks {
    /// A validator's wall clock, heard when the monotonic clock said
    /// `now.monotonic_ms`.
    pub fn hear(&mut self, validator: u16, wall: TimeMs, now: Now) {
        self.heard.insert(validator, Heard { wall, monotonic_ms: now.monotonic_ms });
    }

    /// All recent reports brought forward to now, ascending by validator.
    pub fn reports(&self, now: Now) -> Vec<ClockReport> {
        let age = |heard: &Heard| now.monotonic_ms.saturating_sub(heard.monotonic_ms);
        let recent = self.heard.iter().filter(|(_, heard)| age(heard) <= CLOCK_REPORT_AGE_MS_MAX);
        recent
            .map(|(validator, heard)| ClockReport {
                validator: *validator,
                time: heard.wall.plus_ms(age(heard)),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(monotonic_ms: u64) -> Now {
        Now { wall: TimeMs::new(0), monotonic_ms }
    }

    #[test]
    fn reports_move_with_the_monotonic_clock_and_grow_old() {
        let mut clocks = Clocks::default();
        clocks.hear(1, TimeMs::new(50_000), now(100));
        clocks.hear(0, TimeMs::new(70_000), now(3_000));
        let times = |at| {
            let reports = clocks.reports(now(at));
            reports.iter().map(|report| (report.validator, report.time.get())).collect::<Vec<_>>()
        };
        assert_eq!(times(3_000), [(0, 70_000), (1, 52_900)]);
        assert_eq!(times(5_100), [(0, 72_100), (1, 55_000)]);
        assert_eq!(times(5_101), [(0, 72_101)]);
    }
}
