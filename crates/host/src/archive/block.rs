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
        Subject::Payment(record) => record.id_bytes() == id.as_bytes(),
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
