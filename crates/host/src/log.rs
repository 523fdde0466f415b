//! The log's thread: one owner, one sync for everything that has arrived.
//!
//! While a sync runs, writes of all chains gather in the queue; the next sync
//! takes them all. A write that fails ends the process: what was acknowledged
//! rests on this log.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use tributary_replica::store::{LogStore, LogWrite, StorageFault};

use crate::chain::Completion;
use crate::measure;

/// Most writes that share one sync.
pub const WRITES_PER_SYNC_MAX: usize = 256;
/// How often the log's size is measured.
const SIZE_INTERVAL_MS: u64 = 1_000;

/// One write and who waits for it.
#[derive(Debug)]
pub struct LogJob {
    /// The replica's number of the write.
    pub number: u64,
    /// What to write.
    pub write: LogWrite,
    /// The chain's thread.
    pub done: Sender<Completion>,
}

/// Writes until every chain's thread has ended.
///
/// # Errors
/// The first [`StorageFault`]; nothing of that sync is answered.
pub fn run(mut store: Box<dyn LogStore>, jobs: &Receiver<LogJob>) -> Result<(), StorageFault> {
    let metrics = measure::LogMetrics::new();
    let mut next_size = Instant::now();
    while let Ok(first) = jobs.recv() {
        let mut writes = vec![first.write];
        let mut waiting = vec![(first.number, first.done)];
        for job in jobs.try_iter().take(WRITES_PER_SYNC_MAX - 1) {
            writes.push(job.write);
            waiting.push((job.number, job.done));
        }
        let started = Instant::now();
        let count = writes.len();
        store.write(writes)?;
        metrics.synced(started.elapsed(), count, jobs.len());
        if started >= next_size {
            next_size = started + Duration::from_millis(SIZE_INTERVAL_MS);
            metrics.size(store.bytes_on_disk());
        }
        for (number, done) in waiting {
            if done.send(Completion::Persisted(number)).is_err() {
                tracing::debug!("a chain's thread ended before its log write");
            }
        }
    }
    Ok(())
}
