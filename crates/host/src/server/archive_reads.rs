//! Reads of the archive: on threads of their own, as many as are permitted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Semaphore;
use tributary_wire::node::NodeError;

use crate::archive::history::ReadError;
use crate::chain::{ChainHandle, OVERLOADED_RETRY_MS};
use crate::measure;

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

    /// Runs one read.
    ///
    /// # Errors
    /// [`NodeError::Overloaded`] if too many are under way; else what the read
    /// itself gives.
    pub async fn run<T: Send + 'static>(
        &self,
        chain: &ChainHandle,
        read: impl FnOnce(&Wanted) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, NodeError> {
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
        let result = result.await.map_err(|error| NodeError::Unavailable(error.to_string()))?;
        result.map_err(|error| match error {
            ReadError::NotAnEntry { .. } => NodeError::Refused(error.to_string()),
            ReadError::Storage(_) | ReadError::Missing { .. } | ReadError::Abandoned => {
                tracing::warn!(chain = %chain.chain, "archive: {error}");
                NodeError::Unavailable(error.to_string())
            }
        })
    }
}

/// Dropped with the request's future: nobody waits any more.
struct Leaving(Wanted);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}
