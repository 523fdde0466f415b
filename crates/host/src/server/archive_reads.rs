//! Reads of the archive: on threads of their own, as many as are permitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tributary_types::BlockHeight;
use tributary_wire::node::NodeError;

use crate::archive::history::ReadError;
use crate::chain::{ChainHandle, OVERLOADED_RETRY_MS};
use crate::measure;

/// How long a read waits for blocks that are missing here.
pub const MISSING_WAIT_MS_MAX: u64 = 2_000;
/// Suggested wait when that was too short.
pub const MISSING_RETRY_MS: u64 = 1_000;

/// Bounds how many read the archive, or wait for it, at once. How many threads
/// read is bounded by the runtime.
#[derive(Debug)]
pub struct ArchiveReads {
    permits: Arc<Semaphore>,
}

/// Tells a read whether its caller is still there.
#[derive(Debug, Clone, Default)]
pub struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// Whether the caller is still there.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

impl ArchiveReads {
    /// At most `reads_max` wait or run.
    #[must_use]
    pub fn new(reads_max: usize) -> Self {
        Self { permits: Arc::new(Semaphore::new(reads_max)) }
    }

    /// Runs one read. What it finds missing is fetched from other replicas;
    /// the read is repeated then, for [`MISSING_WAIT_MS_MAX`] at most.
    ///
    /// # Errors
    /// [`NodeError::Overloaded`] if too many are under way;
    /// [`NodeError::Unavailable`] while a block is being fetched, with when to
    /// ask again; else what the read itself gives.
    pub async fn run<T: Send + 'static>(
        &self,
        chain: &ChainHandle,
        read: impl Fn(&Wanted) -> Result<T, ReadError> + Send + Sync + 'static,
    ) -> Result<T, NodeError> {
        let read = Arc::new(read);
        let deadline = Instant::now() + Duration::from_millis(MISSING_WAIT_MS_MAX);
        let mut fetched = chain.missing.fetched();
        loop {
            // Marked before the look, so that what comes in between is not missed.
            fetched.mark_unchanged();
            let error = match self.once(chain, Arc::clone(&read)).await? {
                Ok(found) => return Ok(found),
                Err(error) => error,
            };
            let ReadError::Missing { height, .. } = error else {
                return Err(refused(chain, &error));
            };
            chain.missing.demand(height);
            if !is_fetched(height, &mut fetched, deadline).await {
                let sentence =
                    format!("{error} yet, ask again in {MISSING_RETRY_MS} ms: it is being fetched");
                return Err(NodeError::Unavailable(sentence));
            }
        }
    }

    /// Runs a read on a thread of its own.
    async fn once<T: Send + 'static>(
        &self,
        chain: &ChainHandle,
        read: Arc<impl Fn(&Wanted) -> Result<T, ReadError> + Send + Sync + 'static>,
    ) -> Result<Result<T, ReadError>, NodeError> {
        let permit = self.permits.clone().try_acquire_owned().map_err(|_| {
            measure::overloaded(chain.chain);
            NodeError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS }
        })?;
        let leaving = Leaving(Wanted::default());
        let wanted = leaving.0.clone();
        let result = tokio::task::spawn_blocking(move || {
            let result = read(&wanted);
            drop(permit);
            result
        });
        result.await.map_err(|error| NodeError::Unavailable(error.to_string()))
    }
}

/// Waits until the block at a height may have come; false if it takes too long.
async fn is_fetched(
    height: BlockHeight,
    fetched: &mut watch::Receiver<BlockHeight>,
    deadline: Instant,
) -> bool {
    while let Ok(Ok(())) = timeout_at(deadline, fetched.changed()).await {
        if *fetched.borrow_and_update() <= height {
            return true;
        }
    }
    false
}

fn refused(chain: &ChainHandle, error: &ReadError) -> NodeError {
    match error {
        ReadError::NotAnEntry { .. } | ReadError::Uncertified { .. } => {
            NodeError::Refused(error.to_string())
        }
        ReadError::Storage(_) | ReadError::Missing { .. } | ReadError::Abandoned => {
            tracing::warn!(chain = %chain.chain, "archive: {error}");
            NodeError::Unavailable(error.to_string())
        }
    }
}

/// Dropped with the request's future: nobody waits any more.
struct Leaving(Wanted);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
