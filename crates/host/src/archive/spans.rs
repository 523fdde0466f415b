//! Which blocks can hold an id, told by time: the span of the times in the ids
//! of a block's outcomes, late ones included.
//!
//! Ids are made shortly before they execute, so all but a few blocks of a window
//! are ruled out without being read. Spans are noted when a block is put and
//! when a search has read one, are kept in memory only, and bounded: a block
//! whose span is not known has to be read.

use std::collections::{BTreeMap, VecDeque};

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

/// Spans kept of one chain, about 3 MiB: the 11 minutes of the default window
/// at 90 blocks a second.
pub const SPANS_MAX: usize = 65_536;

/// From the oldest to the newest id of a block; the other way round if there
/// are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdSpan {
    oldest: TimeMs,
    newest: TimeMs,
}

impl IdSpan {
    const NOTHING: Self = Self { oldest: TimeMs::new(u64::MAX), newest: TimeMs::new(0) };

    /// Of a decoded block.
    #[must_use]
    pub fn of(block: &Block) -> Self {
        let mut span = Self::NOTHING;
        for (subject, _) in block.outcomes.iter(&block.body) {
            match subject {
                Subject::Payment(record) => span.add(record.id_bytes()),
                Subject::Operation(operation) => span.add(operation.id.as_bytes()),
            }
        }
        span
    }

    /// Of a block that was just executed: a walk over the bytes of its body
    /// that keeps nothing of them. Every payment passes here.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are no body.
    pub fn of_executed(block: &ExecutedBlock) -> Result<Self, DecodeError> {
        let mut span = Self::NOTHING;
        let mut reader = Reader::new(&block.body);
        decode_list::<ClockReport>(&mut reader, "clock reports", VALIDATORS_MAX)?;
        decode_list::<Delivery>(&mut reader, "deliveries", BODY_DELIVERIES_MAX)?;
        for _ in 0..reader.count("batches", BODY_BATCHES_MAX, Batch::BYTES_MIN)? {
            span.add_batch(&mut reader)?;
        }
        reader.finish()?;
        block.outcomes.late.iter().for_each(|(record, _)| span.add(record.id_bytes()));
        Ok(span)
    }

    /// Passes over the canonical bytes of a [`Batch`].
    fn add_batch(&mut self, reader: &mut Reader<'_>) -> Result<(), DecodeError> {
        let head = ChainId::BYTES_MIN + InstitutionId::BYTES_MIN + PublicKey::BYTES_MIN;
        reader.take(head, "batch")?;
        for _ in 0..reader.count("operations", BATCH_OPERATIONS_MAX, Operation::BYTES_MIN)? {
            self.add(Operation::decode(reader)?.id.as_bytes());
        }
        for _ in 0..reader.count("payments", BATCH_PAYMENTS_MAX, PaymentRecord::BYTES)? {
            self.add(PaymentRecord::decode(reader)?.id_bytes());
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
        self.oldest = self.oldest.min(time);
        self.newest = self.newest.max(time);
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
    /// Notes the ids of the block at a height.
    pub fn note(&mut self, height: BlockHeight, span: IdSpan) {
        if self.spans.insert(height, span).is_some() {
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
    fn a_block_holds_ids_from_its_oldest_to_its_newest_and_none_if_it_has_none() {
        let mut spans = IdSpans::default();
        let check = |spans: &IdSpans, height, times: &[u64], expected| {
            for time in times {
                let found = spans.may_hold(BlockHeight::new(height), &id(*time));
                assert_eq!(found, expected, "block {height}, id of {time}");
            }
        };
        check(&spans, 1, &[0, 1_000], true);
        for block in
            [block(1, &[1_000, 1_003], &[]), block(2, &[1_000], &[400]), block(3, &[], &[])]
        {
            spans.note(block.header.height, IdSpan::of(&block));
        }
        check(&spans, 1, &[1_000, 1_001, 1_003], true);
        check(&spans, 1, &[0, 999, 1_004], false);
        check(&spans, 2, &[400, 700, 1_000], true);
        check(&spans, 2, &[399, 1_001], false);
        check(&spans, 3, &[0, 1_000], false);
    }

    #[test]
    fn what_was_noted_first_leaves_first() {
        let mut spans = IdSpans::default();
        let span = IdSpan::of(&block(1, &[1_000], &[]));
        let last = SPANS_MAX as u64 + 2;
        for height in 1..=last {
            spans.note(BlockHeight::new(height), span);
            spans.note(BlockHeight::new(height), span);
        }
        assert_eq!((spans.spans.len(), spans.order.len()), (SPANS_MAX, SPANS_MAX));
        let may_hold = |height| spans.may_hold(BlockHeight::new(height), &id(5));
        assert_eq!([1, 2, 3, last].map(may_hold), [true, true, false, false]);
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
                body: body.to_bytes(),
                outcomes: outcomes.clone(),
            };
            let decoded = Block::new(header, body, outcomes).unwrap();
            assert_eq!(IdSpan::of_executed(&executed), Ok(IdSpan::of(&decoded)));
            executed.body.push(0);
            assert_eq!(IdSpan::of_executed(&executed), Err(DecodeError::Trailing(1)));
        };
        check(&[], &[], &[]);
        check(&[7, 1_500], &[1_000, 1_003, 999], &[]);
        check(&[1_000], &[1_001, 2_000], &[3_000, 400]);
    }
}
