//! The threads that serve a process's network.

use std::env;
use std::num::NonZero;
use std::thread::available_parallelism;

use tokio::runtime::Builder;

/// Cores that have one such thread. Chains, the log and the archive have threads
/// of their own, and a machine often has several processes: more of these only
/// wake each other.
const CORES_PER_THREAD: usize = 4;
/// Where tokio itself looks for another number.
const THREADS_VARIABLE: &str = "TOKIO_WORKER_THREADS";

/// Builds a runtime with a thread for every four cores, at least one; the
/// environment's `TOKIO_WORKER_THREADS` goes before that.
#[must_use]
pub fn builder() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.enable_all();
    if env::var_os(THREADS_VARIABLE).is_none() {
        let cores = available_parallelism().map_or(1, NonZero::get);
        builder.worker_threads((cores / CORES_PER_THREAD).max(1));
    }
    builder
}
