//! Which blocks can hold an id, told by the times in the ids of a block's
//! outcomes, late ones included.
//!
//! Ids are made shortly before they execute, so all but a few blocks of a window
//! are ruled out without being read; the few that are submitted again much later
//! do not spoil that, since a block's times are kept as several spans. They are
//! noted when a block is put and when a search has read one, are kept in memory
//! only, and bounded: a block whose times are not known has to be read.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use tributary_chain::batch::{BATCH_OPERATIONS_MAX, BATCH_PAYMENTS_MAX, OwnerSignature};
use tributary_chain::body::{BODY_BATCHES_MAX, BODY_DELIVERIES_MAX, ClockReport};
use tributary_chain::certificate::VALIDATORS_MAX;
use tributary_chain::{Batch, Delivery, Operation};
use tributary_ledger::outcome::Subject;
use tributary_replica::ExecutedBlock;
use tributary_types::codec::{Decode, DecodeError, Reader, decode_list};
use tributary_types::{
    BlockHeight, ChainId, InstitutionId, PaymentId, PaymentRecord, PublicKey, Signature, TimeMs,
};

use crate::archive::block::Block;

/// Blocks of one chain whose times are kept, about 6 MiB: the 11 minutes of the
/// default window at 90 blocks a second.
pub const BLOCKS_MAX: usize = 65_536;
/// Spans kept of one block; times that are further apart than that allows share
/// one.
const SPANS_MAX: usize = 4;
/// Times this close to a span belong to it.
const NEAR_MS_MAX: u64 = 1_000;

/// The times in the ids of one block: within some spans, and nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdTimes {
    spans: [IdSpan; SPANS_MAX],
}

/// From the oldest to the newest; the other way round if there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IdSpan {
    oldest: TimeMs,
    newest: TimeMs,
}

impl IdSpan {
    const EMPTY: Self = Self { oldest: TimeMs::new(u64::MAX), newest: TimeMs::new(0) };

    const fn is_empty(self) -> bool {
        self.oldest.get() > self.newest.get()
    }

    fn holds(self, time: TimeMs) -> bool {
        (self.oldest..=self.newest).contains(&time)
    }

    /// How far a time lies outside; nothing is near an empty span, which is
    /// taken before one that is far.
    const fn distance_ms(self, time: TimeMs) -> u64 {
        if self.is_empty() {
            return NEAR_MS_MAX + 1;
        }
        self.oldest.since_ms(time) + time.since_ms(self.newest)
    }

    fn widen(&mut self, time: TimeMs) {
        self.oldest = self.oldest.min(time);
        self.newest = self.newest.max(time);
    }
}

impl IdTimes {
    const NONE: Self = Self { spans: [IdSpan::EMPTY; SPANS_MAX] };

    /// Of a decoded block.
    #[must_use]
    pub fn of(block: &Block) -> Self {
        let mut times = Self::NONE;
        for (subject, _) in block.outcomes.iter(&block.body) {
            match subject {
                Subject::Payment(record) => times.add(record.id_bytes()),
                Subject::Operation(operation) => times.add(&operation.id.to_be_bytes()),
            }
        }
        times
    }

    /// Of a block that was just executed: a walk over the bytes of its body
    /// that keeps nothing of them. Every payment passes here.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no body.
    pub fn of_executed(block: &ExecutedBlock) -> Result<Self, DecodeError> {
        let mut times = Self::NONE;
        let mut reader = Reader::new(&block.body);
        decode_list::<ClockReport>(&mut reader, "clock reports", VALIDATORS_MAX)?;
        decode_list::<Delivery>(&mut reader, "deliveries", BODY_DELIVERIES_MAX)?;
        for _ in 0..reader.count("batches", BODY_BATCHES_MAX, Batch::BYTES_MIN)? {
            times.add_batch(&mut reader)?;
        }
        reader.finish()?;
        block.outcomes.late.iter().for_each(|(record, _)| times.add(record.id_bytes()));
        Ok(times)
    }

    /// Passes over the canonical bytes of a [`Batch`].
    fn add_batch(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let head = ChainId::BYTES_MIN + InstitutionId::BYTES_MIN + PublicKey::BYTES_MIN;
        reader.take(head, "batch")?;
        for _ in 0..reader.count("operations", BATCH_OPERATIONS_MAX, Operation::BYTES_MIN)? {
            self.add(&Operation::decode(reader)?.id.to_be_bytes());
        }
        let count = reader.count("payments", BATCH_PAYMENTS_MAX, PaymentRecord::BYTES)?;
        for record in PaymentRecord::view_each(reader, count)? {
            self.add(record.id_bytes());
        }
        let signature_bytes = OwnerSignature::BYTES_MIN;
        let count = reader.count("owner signatures", BATCH_PAYMENTS_MAX, signature_bytes)?;
        reader.take(count * signature_bytes + Signature::BYTES_MIN, "signatures")?;
        Ok(())
    }

    /// Adds the time in an id, also of a record that is malformed.
    fn add(&mut self, id: &[u8; 16]) {
        let [a, b, c, d, e, f, ..] = *id;
        let time = TimeMs::new(u64::from_be_bytes([0, 0, a, b, c, d, e, f]));
        if let Some(near) = self.spans.iter_mut().find(|span| span.distance_ms(time) <= NEAR_MS_MAX)
        {
            near.widen(time);
        } else if let Some(nearest) =
            self.spans.iter_mut().min_by_key(|span| span.distance_ms(time))
        {
            nearest.widen(time);
        }
    }

    fn may_hold(&self, time: TimeMs) -> bool {
        self.spans.iter().any(|span| span.holds(time))
    }
}

/// The times of some blocks of one chain. What was noted first leaves first.
#[derive(Debug, Default)]
pub struct KnownTimes {
    by_height: BTreeMap<BlockHeight, IdTimes>,
    order: VecDeque<BlockHeight>,
}

impl KnownTimes {
    /// Notes the ids of the block at a height.
    pub fn note(&mut self, height: BlockHeight, times: IdTimes) {
        if self.by_height.insert(height, times).is_some() {
            return;
        }
        self.order.push_back(height);
        while self.order.len() > BLOCKS_MAX {
            if let Some(oldest) = self.order.pop_front() {
                self.by_height.remove(&oldest);
            }
        }
    }

    /// The heights among these whose blocks can hold an outcome of `id`, as far
    /// as is known, ascending; none of a range that ends before it begins.
    #[must_use]
    pub fn candidates(&self, within: Range<BlockHeight>, id: &PaymentId) -> Vec<BlockHeight> {
        if within.is_empty() {
            return Vec::new();
        }
        let time = id.time();
        let mut known = self.by_height.range(within.clone()).peekable();
        let heights = (within.start.get()..within.end.get()).map(BlockHeight::new);
        let may_hold = |height: &BlockHeight| {
            let known = known.next_if(|(noted, _)| *noted == height);
            known.is_none_or(|(_, times)| times.may_hold(time))
        };
        heights.filter(may_hold).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::block::samples::{account, committed, payment, pending, stored_block};
    use tributary_chain::operation::{AccountStatus, SetStatus};
    use tributary_chain::{Action, Body};
    use tributary_ledger::outcome::BlockOutcomes;
    use tributary_types::{
        AccountClass, Amount, Encode as _, Hash, OutcomeCode, Receipt, SigningKey,
    };

    fn id(time: u64) -> PaymentId {
        PaymentId::new(TimeMs::new(time), [7; 10])
    }

    fn block(height: u64, body: &[u64], late: &[u64]) -> Block {
        let body = body.iter().map(|time| pending(id(*time))).collect();
        let late = late.iter().map(|time| committed(id(*time))).collect();
        Block::decode(&stored_block(height, 5_000, body, late)).unwrap()
    }

    #[test]
    fn a_block_holds_ids_between_near_ones_and_none_if_it_has_none() {
        let mut known = KnownTimes::default();
        let check = |known: &KnownTimes, height: u64, times: &[u64], expected| {
            for time in times {
                let height = BlockHeight::new(height);
                let found = known.candidates(height..height.next(), &id(*time));
                assert_eq!(!found.is_empty(), expected, "block {height}, id of {time}");
            }
        };
        check(&known, 1, &[0, 1_000], true);
        for block in
            [block(1, &[1_000, 1_003], &[]), block(2, &[1_000], &[400]), block(3, &[], &[])]
        {
            known.note(block.header.height, IdTimes::of(&block));
        }
        check(&known, 1, &[1_000, 1_001, 1_003], true);
        check(&known, 1, &[0, 999, 1_004], false);
        check(&known, 2, &[400, 700, 1_000], true);
        check(&known, 2, &[399, 1_001], false);
        check(&known, 3, &[0, 1_000], false);
    }

    #[test]
    fn an_id_that_came_late_does_not_claim_the_time_between() {
        let late: Vec<u64> = (1..=3).map(|minute| minute * 60_000).collect();
        let times = IdTimes::of(&block(1, &[600_000, 600_500, 599_100], &late));
        let may_hold = |time| times.may_hold(TimeMs::new(time));
        assert!([599_100, 600_250, 60_000, 120_000, 180_000].into_iter().all(may_hold));
        assert!(![59_999, 60_001, 300_000, 599_099, 600_501].into_iter().any(may_hold));
    }

    #[test]
    fn more_times_than_spans_are_all_held() {
        let all: Vec<u64> = (1..=9).map(|minute| minute * minute * 60_000).collect();
        let times = IdTimes::of(&block(1, &all, &[]));
        assert!(all.iter().all(|time| times.may_hold(TimeMs::new(*time))));
        assert!(!times.may_hold(TimeMs::new(0)));
    }

    #[test]
    fn what_was_noted_first_leaves_first() {
        let mut known = KnownTimes::default();
        let times = IdTimes::of(&block(1, &[1_000], &[]));
        let last = BLOCKS_MAX as u64 + 2;
        for height in 1..=last {
            known.note(BlockHeight::new(height), times);
            known.note(BlockHeight::new(height), times);
        }
        assert_eq!((known.by_height.len(), known.order.len()), (BLOCKS_MAX, BLOCKS_MAX));
        let backwards = BlockHeight::new(2)..BlockHeight::new(1);
        assert!(known.candidates(backwards, &id(5)).is_empty());
        let all = BlockHeight::new(0)..BlockHeight::new(last + 2);
        let candidates = known.candidates(all, &id(5));
        assert_eq!(candidates, [0, 1, 2, last + 1].map(BlockHeight::new), "those not known");
    }

    /// Two batches with operations, payments and owner signatures, and a late
    /// outcome.
    #[test]
    fn the_walk_over_the_bytes_finds_what_decoding_finds() {
        let operation = |time| Operation {
            id: id(time),
            action: Action::SetAccountStatus(SetStatus {
                account: account(AccountClass::User, "payer"),
                status: AccountStatus::Frozen,
            }),
        };
        let record = |time| PaymentRecord::from(&payment(id(time)));
        let check = |operations: &[u64], payments: &[u64], late: &[u64]| {
            let key = SigningKey::from_seed([1; 32]);
            let signature = key.sign(&Hash::ZERO);
            let signatures = (0..).zip(payments).step_by(2);
            let signatures = signatures.map(|(payment, _)| OwnerSignature { payment, signature });
            let batch = Batch::sign(
                &Hash::ZERO,
                ChainId::new(1),
                InstitutionId::new(1),
                &key,
                operations.iter().copied().map(operation).collect(),
                payments.iter().copied().map(record).collect(),
                signatures.collect(),
            );
            let clocks = vec![ClockReport { validator: 0, time: TimeMs::new(1) }];
            let body = Body { clocks, deliveries: vec![], batches: vec![batch.clone(), batch] };
            let receipt = Receipt::refused(OutcomeCode::Committed, Amount::ZERO);
            let outcomes = BlockOutcomes {
                receipts: vec![receipt; 2 * (operations.len() + payments.len())],
                late: late.iter().map(|time| (record(*time), receipt)).collect(),
            };
            let header = stored_block(9, 1_000, vec![], vec![]).header;
            let mut executed = ExecutedBlock {
                header: header.clone(),
                body: body.to_bytes().into(),
                outcomes: outcomes.clone(),
            };
            let decoded = Block::new(header, body, outcomes).unwrap();
            assert_eq!(IdTimes::of_executed(&executed), Ok(IdTimes::of(&decoded)));
            executed.body = [&executed.body[..], &[0]].concat().into();
            assert_eq!(IdTimes::of_executed(&executed), Err(DecodeError::Trailing(1)));
        };
        check(&[], &[], &[]);
        check(&[7, 1_500], &[1_000, 1_003, 999], &[]);
        check(&[1_000], &[1_001, 2_000], &[3_000, 400]);
    }
}
