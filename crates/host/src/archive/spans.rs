//! Which blocks can hold an id, told by time: the span of the times in the ids
//! of a block's outcomes, late ones included.
//!
//! Ids are made shortly before they execute, so all but a few blocks of a window
//! are ruled out without being read. Spans are noted when a block is put and
//! when a search has read one, are kept in memory only, and bounded: a block
//! whose span is not known has to be read.

use std::collections::{BTreeMap, VecDeque};

use tributary_ledger::outcome::Subject;
use tributary_types::{BlockHeight, PaymentId, TimeMs};

use crate::archive::block::Block;

/// Spans kept of one chain, about 3 MiB: the 11 minutes of the default window
/// at 90 blocks a second.
pub const SPANS_MAX: usize = 65_536;

/// From the oldest to the newest id of a block; the other way round if there
/// are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IdSpan {
    oldest: TimeMs,
    newest: TimeMs,
}

impl IdSpan {
    fn of(block: &Block) -> Self {
        let nothing = Self { oldest: TimeMs::new(u64::MAX), newest: TimeMs::new(0) };
        block.outcomes.iter(&block.body).fold(nothing, |span, (subject, _)| {
            let time = time_of(&subject);
            Self { oldest: span.oldest.min(time), newest: span.newest.max(time) }
        })
    }

    fn holds(self, time: TimeMs) -> bool {
        (self.oldest..=self.newest).contains(&time)
    }
}

/// The spans of some blocks of one chain. What was noted first leaves first.
#[derive(Debug, Default)]
pub struct IdSpans {
    spans: BTreeMap<BlockHeight, IdSpan>,
    order: VecDeque<BlockHeight>,
}

impl IdSpans {
    /// Notes the ids of a block.
    pub fn note(&mut self, block: &Block) {
        let height = block.header.height;
        if self.spans.insert(height, IdSpan::of(block)).is_some() {
            return;
        }
        self.order.push_back(height);
        while self.order.len() > SPANS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.spans.remove(&oldest);
            }
        }
    }

    /// Whether the block at a height can hold an outcome of `id`, as far as is
    /// known.
    #[must_use]
    pub fn may_hold(&self, height: BlockHeight, id: &PaymentId) -> bool {
        self.spans.get(&height).is_none_or(|span| span.holds(id.time()))
    }
}

/// The time in the id, also of a record that is malformed.
fn time_of(subject: &Subject<'_>) -> TimeMs {
    let bytes = match subject {
        Subject::Payment(record) => record.id_bytes(),
        Subject::Operation(operation) => operation.id.as_bytes(),
    };
    let [a, b, c, d, e, f, ..] = *bytes;
    TimeMs::new(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::block::samples::{committed, pending, stored_block};

    fn id(time: u64) -> PaymentId {
        PaymentId::new(TimeMs::new(time), [7; 10])
    }

    fn block(height: u64, body: &[u64], late: &[u64]) -> Block {
        let body = body.iter().map(|time| pending(id(*time))).collect();
        let late = late.iter().map(|time| committed(id(*time))).collect();
        Block::decode(&stored_block(height, 5_000, body, late)).unwrap()
    }

    #[test]
    fn a_block_holds_ids_from_its_oldest_to_its_newest_and_none_if_it_has_none() {
        let mut spans = IdSpans::default();
        let check = |spans: &IdSpans, height, times: &[u64], expected| {
            for time in times {
                let found = spans.may_hold(BlockHeight::new(height), &id(*time));
                assert_eq!(found, expected, "block {height}, id of {time}");
            }
        };
        check(&spans, 1, &[0, 1_000], true);
        spans.note(&block(1, &[1_000, 1_003], &[]));
        spans.note(&block(2, &[1_000], &[400]));
        spans.note(&block(3, &[], &[]));
        check(&spans, 1, &[1_000, 1_001, 1_003], true);
        check(&spans, 1, &[0, 999, 1_004], false);
        check(&spans, 2, &[400, 700, 1_000], true);
        check(&spans, 2, &[399, 1_001], false);
        check(&spans, 3, &[0, 1_000], false);
    }

    #[test]
    fn what_was_noted_first_leaves_first() {
        let mut spans = IdSpans::default();
        let mut block = block(1, &[1_000], &[]);
        let last = SPANS_MAX as u64 + 2;
        for height in 1..=last {
            block.header.height = BlockHeight::new(height);
            spans.note(&block);
            spans.note(&block);
        }
        assert_eq!((spans.spans.len(), spans.order.len()), (SPANS_MAX, SPANS_MAX));
        let may_hold = |height| spans.may_hold(BlockHeight::new(height), &id(5));
        assert_eq!([1, 2, 3, last].map(may_hold), [true, true, false, false]);
    }
}
