//! The log: one sync for everything that has arrived.
//!
//! Whoever writes holds the log meanwhile. While a sync runs, writes of all chains
//! gather in the queue of the log's thread; the next sync takes them all. Whoever
//! drives a chain that has nothing else to do writes itself, if nobody else does
//! ([`SharedLog::try_write`]): that spares it the way to the log's thread and back.
//! After a sync that was slow for it, it leaves that to the log's thread until one is
//! fast again: a leader that waits for its disk sends no heartbeats, and a guest that
//! does keeps the network of all chains waiting.
//! A write that fails ends the process: what was acknowledged rests on this log.

use std::sync::{PoisonError, RwLock, TryLockError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use tributary_replica::store::{LoadedLog, LogStore, LogWrite, StorageFault};
use tributary_types::ChainId;

use crate::chain::Completion;
use crate::measure;

/// Most writes that share one sync.
pub const WRITES_PER_SYNC_MAX: usize = 256;
/// A sync that takes longer is slow for a chain's thread: less than a tenth of the
/// shortest election timeout.
pub const SLOW_SYNC: Duration = Duration::from_millis(50);
/// The same for whoever brings an input (`chain::guest`).
pub const SLOW_SYNC_OF_GUEST: Duration = Duration::from_millis(2);
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

/// The log of all chains of the process.
pub struct SharedLog(RwLock<Writer>);

struct Writer {
    store: Box<dyn LogStore>,
    metrics: measure::LogMetrics,
    next_size: Instant,
    /// How long the last sync took.
    last: Duration,
}

impl SharedLog {
    /// Nobody writes yet.
    #[must_use]
    pub fn new(store: Box<dyn LogStore>) -> Self {
        let metrics = measure::LogMetrics::new();
        let next_size = Instant::now();
        Self(RwLock::new(Writer { store, metrics, next_size, last: Duration::ZERO }))
    }

    /// Writes and syncs, if nobody else does at this moment and the last sync took no
    /// longer than `slow`; else gives the write back.
    ///
    /// # Errors
    /// The [`StorageFault`]; the process must end.
    pub fn try_write(
        &self,
        write: LogWrite,
        slow: Duration,
    ) -> Result<Option<LogWrite>, StorageFault> {
        match self.0.try_write() {
            Ok(mut writer) if writer.last <= slow => writer.write(vec![write], 0).map(|()| None),
            // Whoever panicked ends the process; it is not for us to go on.
            Ok(_) | Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => Ok(Some(write)),
        }
    }

    /// What is there of one chain.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn load(&self, chain: ChainId) -> Result<LoadedLog, StorageFault> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).store.load(chain)
    }
}

impl Writer {
    /// One sync for all; `queued` wait for the next.
    fn write(&mut self, writes: Vec<LogWrite>, queued: usize) -> Result<(), StorageFault> {
        let started = Instant::now();
        let count = writes.len();
        self.store.write(writes)?;
        let elapsed = started.elapsed();
        self.last = elapsed;
        self.metrics.synced(elapsed, count, queued);
        if started >= self.next_size {
            self.next_size = started + Duration::from_millis(SIZE_INTERVAL_MS);
            self.metrics.size(self.store.bytes_on_disk());
        }
        Ok(())
    }
}

/// Writes until every chain's thread has ended.
///
/// # Errors
/// The first [`StorageFault`]; nothing of that sync is answered.
pub fn run(log: &SharedLog, jobs: &Receiver<LogJob>) -> Result<(), StorageFault> {
    while let Ok(first) = jobs.recv() {
        let mut writer = log.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut writes = vec![first.write];
        let mut waiting = vec![(first.number, first.done)];
        for job in jobs.try_iter().take(WRITES_PER_SYNC_MAX - 1) {
            writes.push(job.write);
            waiting.push((job.number, job.done));
        }
        writer.write(writes, jobs.len())?;
        drop(writer);
        for (number, done) in waiting {
            if done.send(Completion::Persisted(number)).is_err() {
                tracing::debug!("a chain's thread ended before its log write");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tributary_storage::memory::MemoryDisk;

    use super::*;

    fn log() -> SharedLog {
        SharedLog::new(Box::new(MemoryDisk::new().log()))
    }

    fn write() -> LogWrite {
        LogWrite { chain: ChainId::new(1), ..LogWrite::default() }
    }

    #[test]
    fn after_a_slow_sync_writes_are_left_to_the_logs_thread_until_one_is_fast() {
        let log = log();
        let took = |took| log.0.write().unwrap().last = took;
        let nanosecond = Duration::from_nanos(1);
        for slow in [SLOW_SYNC, SLOW_SYNC_OF_GUEST] {
            took(slow + nanosecond);
            assert_eq!(log.try_write(write(), slow).unwrap(), Some(write()));
            assert_eq!(log.try_write(write(), slow).unwrap(), Some(write()));
            took(slow);
            assert_eq!(log.try_write(write(), slow).unwrap(), None);
        }
        took(SLOW_SYNC_OF_GUEST + nanosecond);
        assert_eq!(log.try_write(write(), SLOW_SYNC).unwrap(), None, "not slow for a thread");
    }

    #[test]
    fn who_finds_the_log_held_gets_the_write_back() {
        let log = log();
        let held = log.0.write().unwrap();
        assert_eq!(log.try_write(write(), SLOW_SYNC).unwrap(), Some(write()));
        drop(held);
        assert_eq!(log.try_write(write(), SLOW_SYNC).unwrap(), None);
    }
}
