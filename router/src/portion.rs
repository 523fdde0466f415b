//! Portions: the items of one request that go through one strand. Pure.
//!
//! A *strand* is a queue towards a chain; each chain has as many as the limits
//! say. All items of one payer on one chain are in the same strand, a strand has
//! one batch under way at a time, and a portion is never cut: so what a front-end
//! sends in order for one payer executes in order, and if an item gets no
//! outcome, no later one of that payer in the request gets one either.

use std::num::NonZero;

use tributary_chain::Operation;
use tributary_chain::batch::OwnerSignature;
use tributary_types::{AccountId, ChainId, PaymentRecord};

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StrandId {
    /// Towards which chain.
    pub chain: ChainId,
    /// Below the number of strands.
    pub number: u8,
}

/// The items of one request that go through one strand, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portion {
    /// Operations.
    pub operations: Vec<Operation>,
    /// Payments, after the operations.
    pub payments: Vec<PaymentRecord>,
    /// Of the payments, by their index in this portion.
    pub owner_signatures: Vec<OwnerSignature>,
}

impl Portion {
    /// Operations and payments together.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.operations.len() + self.payments.len()
    }
}

/// A portion and where its items stood in the request.
#[derive(Debug, Default)]
pub struct Cut {
    /// What to execute.
    pub portion: Portion,
    /// Index in the request of each item of the portion.
    pub items: Vec<usize>,
}

impl StrandId {
    /// The strand of everything that `account` pays, or that is done to it, if a
    /// chain has so many.
    #[must_use]
    pub fn of(chain: ChainId, account: AccountId, strands: NonZero<u8>) -> Self {
        // The low bits of a serial are spread evenly, whether it is a hash or counted.
        let number = account.get().to_le_bytes()[0] % strands;
        Self { chain, number }
    }
}

/// An index of an owner signature.
pub(crate) fn item_number(index: usize) -> u32 {
    u32::try_from(index).expect("requests and batches are limited far below 2^32 items")
}
