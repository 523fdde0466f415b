//! The block in execution: its height and time, and the outcomes so far.

use tributary_chain::ClockReport;
use tributary_types::{BlockHeight, PaymentRecord, Position, Receipt, TimeMs};

use crate::outcome::BlockOutcomes;

/// What execution of one block carries along.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) height: BlockHeight,
    pub(crate) time: TimeMs,
    /// Items of the body, and so the index of the first late outcome.
    body_outcomes: usize,
    outcomes: BlockOutcomes,
}

impl Block {
    /// A block that has decided nothing yet.
    pub(crate) fn new(height: BlockHeight, time: TimeMs, body_outcomes: usize) -> Self {
        let outcomes =
            BlockOutcomes { receipts: Vec::with_capacity(body_outcomes), late: Vec::new() };
        Self { height, time, body_outcomes, outcomes }
    }

    /// Where the outcome of the item in execution will stand.
    pub(crate) fn position(&self) -> Position {
        self.position_at(self.outcomes.receipts.len())
    }

    /// Where the next late outcome will stand.
    pub(crate) fn late_position(&self) -> Position {
        self.position_at(self.body_outcomes + self.outcomes.late.len())
    }

    /// Ends the item in execution.
    pub(crate) fn decide(&mut self, receipt: Receipt) {
        self.outcomes.receipts.push(receipt);
    }

    /// Records the outcome of a payment that is not in the body.
    pub(crate) fn decide_late(&mut self, record: PaymentRecord, receipt: Receipt) {
        self.outcomes.late.push((record, receipt));
    }

    /// All outcomes.
    pub(crate) fn into_outcomes(self) -> BlockOutcomes {
        self.outcomes
    }

    /// A body that consensus accepts is far smaller than the index space; what
    /// lay beyond it would only miss its link in the history.
    fn position_at(&self, index: usize) -> Position {
        let index = u32::try_from(index).ok();
        index.and_then(|index| Position::new(self.height, index)).unwrap_or(Position::NONE)
    }
}

/// Block time: the median of what the registered validators' clocks said (of an
/// even number the lower middle), never before `previous` and at most
/// `step_ms_max` after it. Without reports time stands still.
pub(crate) fn block_time(
    previous: TimeMs,
    clocks: &[ClockReport],
    validators: usize,
    step_ms_max: u64,
) -> TimeMs {
    let registered = clocks.iter().filter(|report| usize::from(report.validator) < validators);
    let mut times: Vec<TimeMs> = registered.map(|report| report.time).collect();
    times.sort_unstable();
    let middle = times.len().saturating_sub(1) / 2;
    let median = times.get(middle).copied().unwrap_or(previous);
    median.clamp(previous, previous.plus_ms(step_ms_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_the_median_and_moves_in_bounded_steps() {
        let time = |clocks: &[u64]| {
            let report = |(validator, time): (usize, &u64)| ClockReport {
                validator: u16::try_from(validator).unwrap(),
                time: TimeMs::new(*time),
            };
            let reports: Vec<_> = clocks.iter().enumerate().map(report).collect();
            block_time(TimeMs::new(1_000), &reports, 3, 100).get()
        };
        assert_eq!(time(&[]), 1_000);
        assert_eq!(time(&[1_050]), 1_050);
        assert_eq!(time(&[1_050, 1_070]), 1_050);
        assert_eq!(time(&[u64::MAX, 1_020, 0]), 1_020);
        assert_eq!(time(&[900, 950, 990]), 1_000, "never back");
        assert_eq!(time(&[9_000, 9_000, 9_000]), 1_100, "bounded step");
        assert_eq!(time(&[1_001, 1_002, 1_003, 1_090, 1_090]), 1_002, "strangers do not count");
    }
}
