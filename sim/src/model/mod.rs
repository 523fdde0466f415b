//! The reference model: the rules of Tributary once more, as simply as they
//! can be said.
//!
//! It is written apart from `ledger`, with plain maps instead of tables and
//! trees, and is fed the committed bodies of every chain in order. It predicts
//! every receipt, every late outcome, how far every delivery moves its channel,
//! and everything that readers see; [`compare`] is where the ledger's answers
//! are held against that. It knows all chains at once, so it believes no relay:
//! a message exists because the model of its sender sent it.
//!
//! What it lacks: roots and proofs, checkpoints, the bound on the number of
//! accounts, rotation of validators, and quorums that lie. A cluster whose
//! quorum lies is told from a right one by other checks.
//!
//! Read [`chain`] first, then [`payments`].

pub mod chain;
pub mod channel;
pub mod compare;
mod difference;
pub mod holder;
pub mod ids;
mod merchants;
mod operations;
mod payments;
mod refunds;
mod registry;
pub mod rules;
mod settlement;
mod transfers;

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_chain::Body;
use tributary_types::{BlockHeight, ChainId, PaymentRecord, Receipt, TimeMs};

pub use difference::Difference;
pub use rules::Rules;

use chain::Chain;
use difference::expect;

/// All chains of a cluster.
#[derive(Debug, Clone)]
pub struct Model {
    chains: BTreeMap<ChainId, Chain>,
}

/// What executing one body must lead to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Prediction {
    /// One for each item of the body: per batch its operations, then its
    /// payments.
    pub receipts: Vec<Receipt>,
    /// Outcomes of payments that are not in the body, in order.
    pub late: Vec<(PaymentRecord, Receipt)>,
    /// For each delivery the channel's cursor after it, or `None` if it is
    /// refused.
    pub deliveries: Vec<Option<u64>>,
}

impl Model {
    /// The cluster at height 0.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let rules = Arc::new(rules);
        let open = |id: &ChainId| (*id, Chain::new(*id, Arc::clone(&rules)));
        let chains = rules.chains.keys().map(open).collect();
        Self { chains }
    }

    /// One chain as it should be now.
    #[must_use]
    pub fn chain(&self, id: ChainId) -> Option<&Chain> {
        self.chains.get(&id)
    }

    /// Executes the next block of a chain. `height` and `time` are those of the
    /// header that the ledger made of the same body. A block must come after
    /// those whose messages it carries.
    ///
    /// # Errors
    /// [`Difference`] if height or time are not what the body leads to, or the
    /// model contradicts itself.
    pub fn execute(
        &mut self,
        id: ChainId,
        height: BlockHeight,
        time: TimeMs,
        body: &Body,
    ) -> Result<Prediction, Difference> {
        let Some(mut chain) = self.chains.remove(&id) else {
            return Err(Difference::new(id, height, "the chain", "one of the cluster", "none"));
        };
        let outcome = self.execute_on(&mut chain, height, time, body);
        self.chains.insert(id, chain);
        outcome
    }

    fn execute_on(
        &self,
        chain: &mut Chain,
        height: BlockHeight,
        time: TimeMs,
        body: &Body,
    ) -> Result<Prediction, Difference> {
        chain.begin(body);
        let here = (chain.id, height);
        expect(here, "the height", &chain.block.height, &height)?;
        expect(here, "the block time", &chain.block.time, &time)?;
        let mut deliveries = Vec::new();
        for delivery in &body.deliveries {
            let source = self.chains.get(&delivery.header.chain);
            deliveries.push(match source.and_then(|source| chain.accepted(source, delivery)) {
                Some(messages) => Some(chain.deliver(delivery, &messages)?),
                None => None,
            });
        }
        for batch in &body.batches {
            chain.run_batch(batch);
        }
        chain.end_block();
        let block = &chain.block;
        Ok(Prediction { receipts: block.receipts.clone(), late: block.late.clone(), deliveries })
    }
}
