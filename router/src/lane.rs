//! Everything of the router that leads to one chain.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tributary_chain::Batch;
use tributary_wire::router::RouterError;

use crate::chain::Chain;
use crate::executed::Executed;
use crate::settings::Limits;
use crate::strand::{OVERLOADED_RETRY_MS, Signer, Strand, StrandTask};

/// A chain, its strands, and room for batches that front-ends signed.
#[derive(Debug)]
pub struct Lane {
    chain: Arc<Chain>,
    strands: Vec<Strand>,
    forward_room: Semaphore,
}

impl Lane {
    /// The lane of a chain and the tasks that serve its strands. Each strand,
    /// and all forwarded batches together, hold at most
    /// [`Limits::queue_payments_max`].
    #[must_use]
    pub fn new(
        chain: Arc<Chain>,
        signer: &Arc<Signer>,
        limits: &Limits,
    ) -> (Self, Vec<StrandTask>) {
        let items_max = limits.queue_payments_max;
        let strand =
            |number| Strand::new(Arc::clone(&chain), number, Arc::clone(signer), items_max);
        let (strands, tasks) = (0..limits.strands_per_chain.get()).map(strand).unzip();
        let forward_room = Semaphore::new(items_max as usize);
        (Self { chain, strands, forward_room }, tasks)
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &Arc<Chain> {
        &self.chain
    }

    /// The strand of this number.
    #[must_use]
    pub fn strand(&self, number: u8) -> Option<&Strand> {
        self.strands.get(usize::from(number))
    }

    /// Payments and operations that wait or are under way.
    #[must_use]
    pub fn items(&self) -> usize {
        self.strands.iter().map(Strand::items).sum()
    }

    /// Passes on a batch that its front-end signed, unchanged.
    ///
    /// # Errors
    /// [`RouterError::Overloaded`] at once if there is no room for it; what
    /// [`Chain::submit`] gives.
    pub async fn forward(&self, batch: Batch) -> Result<Executed, RouterError> {
        let items = u32::try_from(batch.outcome_count()).unwrap_or(u32::MAX);
        let room = self.forward_room.try_acquire_many(items);
        let room =
            room.map_err(|_| RouterError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS })?;
        let executed = self.chain.submit(batch).await;
        drop(room);
        executed
    }
}
