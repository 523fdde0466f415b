//! Admission of batches: signatures are verified here, off the chain's thread;
//! what the ledger itself can say of a batch is said there.
//!
//! A wrong batch signature is refused. A wrong owner signature concerns one
//! payment of many: it is data, and its receipt says so.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};
use tributary_chain::Batch;
use tributary_types::{AccountId, Encode as _, Hash, PublicKey};
use tributary_wire::node::{NodeError, Submitted};

use crate::chain::{ChainHandle, OVERLOADED_RETRY_MS};
use crate::measure;
use crate::server::archive_reads::ArchiveReads;
use crate::server::replays;
use crate::signatures::SignaturePool;

/// Batches of at most so many bytes are verified by whoever brings them, if no
/// owner has signed: waking another thread and being woken takes longer.
const VERIFIED_IN_PLACE_BYTES_MAX: usize = 64 << 10;

/// Verifies the signatures of batches, and what chains call replays.
#[derive(Debug)]
pub struct Admission {
    cluster: Hash,
    signatures: Arc<SignaturePool>,
    /// Batches that are verified or executed; each is held in memory.
    permits: Arc<Semaphore>,
    /// For replays: one at a time for each batch, so it is never full.
    reads: ArchiveReads,
}

impl Admission {
    /// At most `batches_max` at once, for all chains.
    #[must_use]
    pub fn new(cluster: Hash, signatures: Arc<SignaturePool>, batches_max: usize) -> Self {
        let permits = Arc::new(Semaphore::new(batches_max));
        Self { cluster, signatures, permits, reads: ArchiveReads::new(batches_max) }
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
        let debited = debited_accounts(&batch);
        let owners = if debited.is_empty() { Vec::new() } else { chain.owners(debited).await? };
        let batch = self.verify(batch, owners).await?;
        let submitted = chain.submit(batch, received).await?;
        replays::compare(&self.reads, chain, submitted).await
    }

    /// Gives the batch back if it is its institution's.
    async fn verify(
        &self,
        batch: Batch,
        owners: Vec<Option<PublicKey>>,
    ) -> Result<Batch, NodeError> {
        let is_small = batch.bytes_estimate() <= VERIFIED_IN_PLACE_BYTES_MAX;
        let (batch, is_signed) = if is_small && batch.owner_signatures.is_empty() {
            let is_signed = self.signatures.admit(&self.cluster, &batch, &owners);
            (batch, is_signed)
        } else {
            self.verify_in_pool(batch, owners).await?
        };
        if is_signed {
            return Ok(batch);
        }
        Err(NodeError::Refused(format!("the signature of key {} is wrong", batch.key)))
    }

    async fn verify_in_pool(
        &self,
        batch: Batch,
        owners: Vec<Option<PublicKey>>,
    ) -> Result<(Batch, bool), NodeError> {
        let (reply, verified) = oneshot::channel();
        let (signatures, cluster) = (Arc::clone(&self.signatures), self.cluster);
        self.signatures.spawn(move || {
            let is_signed = signatures.admit(&cluster, &batch, &owners);
            // A caller that has gone wants no answer.
            drop(reply.send((batch, is_signed)));
        });
        verified.await.map_err(|_| NodeError::Unavailable("the node is stopping".to_owned()))
    }
}

/// The account that pays, for each owner signature of a batch; none if the
/// payment is malformed.
fn debited_accounts(batch: &Batch) -> Vec<Option<AccountId>> {
    let debited = |payment: u32| {
        let record = batch.payments.get(payment as usize)?;
        record.parse().ok().map(|payment| payment.debit)
    };
    batch.owner_signatures.iter().map(|entry| debited(entry.payment)).collect()
}
