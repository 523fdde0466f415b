//! Admission of batches: the signature is verified here, off the chain's
//! thread; what the ledger itself can say of a batch is said there.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::Semaphore;
use tributary_chain::Batch;
use tributary_types::Hash;
use tributary_wire::node::{NodeError, Submitted};

use crate::chain::{ChainHandle, OVERLOADED_RETRY_MS};
use crate::measure;

/// Verifies the signatures of batches.
#[derive(Debug)]
pub struct Admission {
    cluster: Hash,
    /// Batches that are verified or executed; each is held in memory.
    permits: Arc<Semaphore>,
}

impl Admission {
    /// At most `batches_max` at once, for all chains.
    #[must_use]
    pub fn new(cluster: Hash, batches_max: usize) -> Self {
        Self { cluster, permits: Arc::new(Semaphore::new(batches_max)) }
    }

    /// Verifies and executes a batch.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn submit(&self, chain: &ChainHandle, batch: Batch) -> Result<Submitted, NodeError> {
        let received = Instant::now();
        chain.check_leads()?;
        let _permit = self.permits.try_acquire().map_err(|_| {
            measure::overloaded(chain.chain);
            NodeError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS }
        })?;
        if !batch.is_signed(&self.cluster) {
            let sentence = format!("the signature of key {} is wrong", batch.key);
            return Err(NodeError::Refused(sentence));
        }
        chain.submit(batch, received).await
    }
}
