//! What a chain made of a batch, and the share of it that each portion has. Pure.
//!
//! Receipts stay where the chain's answer was decoded; who shares in a batch says
//! which of them are its own.

use std::ops::Range;
use std::sync::Arc;

use tributary_types::{BlockHeight, ChainId, Position, Receipt};
use tributary_wire::node::Submitted;
use tributary_wire::router::Outcome;

/// The outcomes of one batch: of all operations, then of all payments.
#[derive(Debug)]
pub struct Executed {
    chain: ChainId,
    height: BlockHeight,
    first_index: u32,
    receipts: Vec<Receipt>,
}

/// The outcomes of one portion among those of its batch.
#[derive(Debug)]
pub struct Share {
    /// Of the whole batch.
    pub executed: Arc<Executed>,
    /// Which of them are of the portion's operations.
    pub operations: Range<usize>,
    /// Which of them are of the portion's payments.
    pub payments: Range<usize>,
}

impl Executed {
    /// What a chain answered; nothing if an outcome would stand beyond what a chain
    /// can hold.
    #[must_use]
    pub fn new(submitted: Submitted) -> Option<Self> {
        let Submitted { chain, height, first_index, receipts } = submitted;
        let behind = first_index.checked_add(u32::try_from(receipts.len()).ok()?)?;
        Position::new(height, behind.saturating_sub(1))?;
        Some(Self { chain, height, first_index, receipts })
    }

    /// The outcomes of some operations and payments, in order.
    pub fn outcomes(&self, range: Range<usize>) -> impl Iterator<Item = Outcome> {
        let indices = (self.first_index..).skip(range.start);
        indices.zip(&self.receipts[range]).map(|(index, receipt)| {
            let position = Position::new(self.height, index).expect("the last one has a position");
            Outcome { chain: self.chain, position, receipt: *receipt }
        })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Outcome> {
        self.outcomes(0..self.receipts.len()).collect()
    }
}

impl Share {
    /// The outcomes, in the order of the portion.
    pub fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        let operations = self.executed.outcomes(self.operations.clone());
        operations.chain(self.executed.outcomes(self.payments.clone()))
    }
}

#[cfg(test)]
mod tests {
    use tributary_types::{Amount, OutcomeCode};

    use super::*;

    fn submitted(first_index: u32, count: u32) -> Submitted {
        let receipt = |n| Receipt::refused(OutcomeCode::AmountZero, Amount::new(u128::from(n)));
        let receipts = (0..count).map(receipt).collect();
        Submitted { chain: ChainId::new(5), height: BlockHeight::new(7), first_index, receipts }
    }

    #[test]
    fn a_share_is_its_operations_and_then_its_payments() {
        let executed = Arc::new(Executed::new(submitted(100, 6)).unwrap());
        let share = Share { executed: Arc::clone(&executed), operations: 1..2, payments: 3..5 };
        let told = |outcome: Outcome| (outcome.position.index(), outcome.receipt.detail.get());
        assert_eq!(share.outcomes().map(told).collect::<Vec<_>>(), [(101, 1), (103, 3), (104, 4)]);
        assert_eq!(executed.all().len(), 6);
        let outcome = executed.all()[5];
        assert_eq!(
            (outcome.chain, outcome.position.height()),
            (ChainId::new(5), BlockHeight::new(7))
        );
    }

    #[test]
    fn an_outcome_beyond_what_a_block_holds_is_nonsense() {
        let limit = Position::INDEX_LIMIT;
        assert!(Executed::new(submitted(limit - 2, 2)).is_some());
        assert!(Executed::new(submitted(limit - 1, 2)).is_none());
        assert!(Executed::new(submitted(u32::MAX, 2)).is_none());
        assert!(Executed::new(submitted(0, 0)).is_some());
    }
}
