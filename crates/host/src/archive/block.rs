//! One decoded block: which payment or operation stands at which index, and
//! what became of it.
//!
//! Outcomes are numbered in the order of [`BlockOutcomes`]: the body's items,
//! per batch its operations and then its payments, then the late outcomes.

use tributary_chain::{Body, Header};
use tributary_ledger::outcome::{BlockOutcomes, Subject};
use tributary_replica::store::{StorageFault, StoredBlock};
use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{AccountId, PaymentId, Position, Receipt};

/// A block as readers use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The header.
    pub header: Header,
    /// What consensus ordered.
    pub body: Body,
    /// What it resulted in.
    pub outcomes: BlockOutcomes,
    /// Index of each batch's first outcome.
    batch_starts: Vec<usize>,
}

impl Block {
    /// Decodes canonical bytes.
    ///
    /// # Errors
    /// [`StorageFault::Corrupt`] if they are none, or if body and outcomes do
    /// not belong together.
    pub fn decode(stored: &StoredBlock) -> Result<Self, StorageFault> {
        let corrupt = |reason: String| StorageFault::Corrupt {
            what: format!("block {} of chain {}", stored.header.height, stored.header.chain),
            reason,
        };
        let body = decode_exact(&stored.body).map_err(|error| corrupt(error.to_string()))?;
        let outcomes =
            decode_exact(&stored.outcomes).map_err(|error| corrupt(error.to_string()))?;
        Self::new(stored.header.clone(), body, outcomes).map_err(corrupt)
    }

    /// Joins a body with its outcomes.
    ///
    /// # Errors
    /// If their numbers differ.
    pub fn new(header: Header, body: Body, outcomes: BlockOutcomes) -> Result<Self, String> {
        let mut batch_starts = Vec::with_capacity(body.batches.len());
        let mut count = 0;
        for batch in &body.batches {
            batch_starts.push(count);
            count += batch.outcome_count();
        }
        if count != outcomes.receipts.len() {
            return Err(format!("{count} items, {} receipts", outcomes.receipts.len()));
        }
        Ok(Self { header, body, outcomes, batch_starts })
    }

    /// How many outcomes the block has.
    #[must_use]
    pub fn outcome_count(&self) -> usize {
        self.outcomes.receipts.len() + self.outcomes.late.len()
    }

    /// The outcome at an index.
    #[must_use]
    pub fn outcome(&self, index: u32) -> Option<(Subject<'_>, &Receipt)> {
        let index = usize::try_from(index).ok()?;
        let in_body = self.outcomes.receipts.len();
        if let Some(late) = index.checked_sub(in_body) {
            let (record, receipt) = self.outcomes.late.get(late)?;
            return Some((Subject::Payment(record), receipt));
        }
        let number = self.batch_starts.partition_point(|start| *start <= index).checked_sub(1)?;
        let batch = &self.body.batches[number];
        let offset = index - self.batch_starts[number];
        let subject = match offset.checked_sub(batch.operations.len()) {
            Some(payment) => Subject::Payment(batch.payments.get(payment)?),
            None => Subject::Operation(&batch.operations[offset]),
        };
        Some((subject, &self.outcomes.receipts[index]))
    }

    /// Whether the outcome at an index is a late one, about an earlier item.
    #[must_use]
    pub fn is_late(&self, index: u32) -> bool {
        usize::try_from(index).is_ok_and(|index| index >= self.outcomes.receipts.len())
    }

    /// Where outcome `index` stands in the chain.
    #[must_use]
    pub fn position(&self, index: usize) -> Option<Position> {
        Position::new(self.header.height, u32::try_from(index).ok()?)
    }

    /// Every outcome about `id` that is no repetition, in order, with its index.
    pub fn outcomes_of(&self, id: &PaymentId) -> impl Iterator<Item = (usize, &Receipt)> {
        let all = self.outcomes.iter(&self.body).enumerate();
        let about = all.filter(|(_, (subject, receipt))| !receipt.replay && is_about(subject, id));
        about.map(|(index, (_, receipt))| (index, receipt))
    }
}

fn is_about(subject: &Subject<'_>, id: &PaymentId) -> bool {
    match subject {
        Subject::Payment(record) => *record.id_bytes() == id.to_be_bytes(),
        Subject::Operation(operation) => operation.id == *id,
    }
}

/// The entry before this one in the history of `account`;
/// `None` if the payment is not about that account.
#[must_use]
pub fn previous_entry(
    payment: &Payment,
    receipt: &Receipt,
    account: &AccountId,
) -> Option<Position> {
    if payment.debit == *account {
        Some(receipt.previous_debit)
    } else if payment.credit == *account {
        Some(receipt.previous_credit)
    } else {
        None
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Blocks made by hand, for tests of readers.

    use std::sync::Arc;

    use super::*;
    use crate::archive::blocks::BlockReader;
    use tributary_chain::Batch;
    use tributary_replica::store::BlockStore as _;
    use tributary_storage::memory::MemoryDisk;
    use tributary_types::{
        AccountClass, Amount, AssetId, BlockHeight, ChainId, Encode as _, Hash, InstitutionId,
        OutcomeCode, PaymentKind, Reference, SigningKey, Slot, TimeMs,
    };

    const CHAIN: ChainId = ChainId::new(1);

    pub fn account(class: AccountClass, name: &str) -> AccountId {
        let slot = Slot::new(1).unwrap();
        AccountId::named(class, InstitutionId::new(1), &name.parse().unwrap(), slot)
    }

    pub fn payment(id: PaymentId) -> Payment {
        Payment {
            id,
            kind: PaymentKind::Payment,
            debit: account(AccountClass::User, "payer"),
            credit: account(AccountClass::Hf, "shop"),
            amount: Amount::new(5),
            asset: AssetId::new(1),
            reference: Reference::default(),
        }
    }

    pub fn committed(id: PaymentId) -> (PaymentId, OutcomeCode) {
        (id, OutcomeCode::Committed)
    }

    pub fn pending(id: PaymentId) -> (PaymentId, OutcomeCode) {
        (id, OutcomeCode::AwaitingFunds)
    }

    fn header(height: u64, time: u64) -> Header {
        Header {
            chain: CHAIN,
            height: BlockHeight::new(height),
            parent: Hash::ZERO,
            time: TimeMs::new(time),
            validator_set: Hash::ZERO,
            body_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            state_root: Hash::ZERO,
            channels_root: Hash::ZERO,
        }
    }

    /// A block with one batch; each payment with its outcome.
    pub fn stored_block(
        height: u64,
        time: u64,
        payments: Vec<(PaymentId, OutcomeCode)>,
        late: Vec<(PaymentId, OutcomeCode)>,
    ) -> StoredBlock {
        let plain = |(id, code)| (payment(id), Receipt::refused(code, Amount::ZERO));
        let payments = payments.into_iter().map(plain).collect();
        stored_block_of(height, time, payments, late.into_iter().map(plain).collect())
    }

    /// A block with one batch; each payment with its receipt.
    pub fn stored_block_of(
        height: u64,
        time: u64,
        payments: Vec<(Payment, Receipt)>,
        late: Vec<(Payment, Receipt)>,
    ) -> StoredBlock {
        let outcomes = BlockOutcomes {
            receipts: payments.iter().map(|(_, receipt)| *receipt).collect(),
            late: late.iter().map(|(payment, receipt)| (payment.into(), *receipt)).collect(),
        };
        let records = payments.iter().map(|(payment, _)| payment.into()).collect();
        let key = SigningKey::from_seed([1; 32]);
        let institution = InstitutionId::new(1);
        let batch = Batch::sign(&Hash::ZERO, CHAIN, institution, &key, vec![], records, vec![]);
        let body = Body { clocks: vec![], deliveries: vec![], batches: vec![batch] };
        let (body, outcomes) = (body.to_bytes().into(), outcomes.to_bytes().into());
        StoredBlock { header: header(height, time), body, outcomes }
    }

    pub fn replica_with(blocks: &[StoredBlock]) -> BlockReader {
        let store = MemoryDisk::new().blocks();
        store.put_blocks(blocks).unwrap();
        BlockReader::new(CHAIN, Arc::new(store), 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::samples::*;
    use super::*;
    use tributary_chain::operation::{AccountStatus, SetStatus};
    use tributary_chain::{Action, Batch, Operation};
    use tributary_types::{
        AccountClass, Amount, ChainId, Encode as _, Hash, InstitutionId, OutcomeCode,
        PaymentRecord, SigningKey, TimeMs,
    };

    fn id(number: u8) -> PaymentId {
        PaymentId::new(TimeMs::new(1_000), [number; 10])
    }

    /// Two batches with operations and payments, and a late outcome; the
    /// receipt's detail is the outcome's index.
    fn sample() -> Block {
        let batch = |operations: &[u8], payments: &[u8]| {
            let account = account(AccountClass::User, "payer");
            let status = SetStatus { account, status: AccountStatus::Frozen };
            let operation = |number: &u8| Operation {
                id: id(*number),
                action: Action::SetAccountStatus(status),
            };
            Batch::sign(
                &Hash::ZERO,
                ChainId::new(1),
                InstitutionId::new(1),
                &SigningKey::from_seed([1; 32]),
                operations.iter().map(operation).collect(),
                payments.iter().map(|n| PaymentRecord::from(&payment(id(*n)))).collect(),
                vec![],
            )
        };
        let batches = vec![batch(&[0, 1], &[2]), batch(&[], &[]), batch(&[3], &[4, 5])];
        let receipt =
            |index: u8| Receipt::refused(OutcomeCode::Committed, Amount::new(index.into()));
        let outcomes = BlockOutcomes {
            receipts: (0..6).map(receipt).collect(),
            late: vec![(PaymentRecord::from(&payment(id(6))), receipt(6))],
        };
        let header = stored_block(9, 1_000, vec![], vec![]).header;
        Block::new(header, Body { clocks: vec![], deliveries: vec![], batches }, outcomes).unwrap()
    }

    #[test]
    fn every_index_leads_to_its_subject_and_receipt() {
        let block = sample();
        for number in 0..7_u8 {
            let (subject, receipt) = block.outcome(number.into()).unwrap();
            assert!(is_about(&subject, &id(number)), "{number}");
            assert_eq!(receipt.detail, Amount::new(number.into()));
            let found: Vec<_> = block.outcomes_of(&id(number)).map(|(index, _)| index).collect();
            assert_eq!(found, [usize::from(number)]);
        }
        assert!(block.outcome(7).is_none());
    }

    #[test]
    fn a_body_without_its_outcomes_is_corrupt() {
        let mut stored = stored_block(9, 1_000, vec![committed(id(1))], vec![]);
        stored.outcomes = BlockOutcomes::default().to_bytes().into();
        let error = Block::decode(&stored).unwrap_err().to_string();
        assert_eq!(error, "block 9 of chain 1 is corrupt: 1 items, 0 receipts");
        stored.outcomes = [&stored.outcomes[..], &[0]].concat().into();
        assert!(Block::decode(&stored).is_err());
    }
}
