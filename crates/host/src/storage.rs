//! Everything durable of a node, under its data directory.
//!
//! ```text
//! data_dir/log/      the raft log of all chains (raft-engine)
//! data_dir/database/ checkpoints and archive of all chains (RocksDB, files of
//!                    pages and bodies)
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};
use tributary_replica::Restored;
use tributary_replica::store::{BlockStore, CheckpointStore, StorageFault};
use tributary_storage::{Database, DatabaseLimits, LogLimits, LogMaintainer, RaftEngineLog};
use tributary_types::ChainId;

use crate::log::SharedLog;
use crate::measure;

/// How often the log's files are purged.
const MAINTENANCE_INTERVAL_MS: u64 = 2_000;

/// The open stores. Each directory is locked until its store is dropped.
pub struct Storage {
    /// To the log's thread and those of all chains.
    pub log: Arc<SharedLog>,
    /// To the maintenance thread.
    pub maintainer: LogMaintainer,
    /// To the thread of checkpoints.
    pub checkpoints: Box<dyn CheckpointStore>,
    /// To the archive's thread and all readers.
    pub blocks: Arc<dyn BlockStore>,
}

impl Storage {
    /// Opens everything; creates what is missing. The log is purged when it takes
    /// more than so many bytes, and more than it does by default.
    ///
    /// # Errors
    /// [`StorageFault`], also if another process has it open.
    pub fn open(data_dir: &Path, log_bytes: u64) -> Result<Self, StorageFault> {
        let limits = LogLimits::default();
        let limits = LogLimits { purge_bytes: limits.purge_bytes.max(log_bytes), ..limits };
        let log = RaftEngineLog::open(&data_dir.join("log"), limits)?;
        let database = Database::open(&data_dir.join("database"), DatabaseLimits::default())?;
        Ok(Self {
            maintainer: log.maintainer(),
            log: Arc::new(SharedLog::new(Box::new(log))),
            checkpoints: Box::new(database.checkpoints()),
            blocks: Arc::new(database.blocks()),
        })
    }

    /// What is there of one chain.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn restored(&self, chain: ChainId) -> Result<Restored, StorageFault> {
        Ok(Restored {
            checkpoint: self.checkpoints.load(chain)?,
            log: self.log.load(chain)?,
            certified: self.blocks.last_certificate(chain)?,
        })
    }
}

/// Keeps the log small until `ended` is disconnected. The chains whose entries
/// keep old files in place are told by `space_wanted`: only a checkpoint of
/// theirs lets go of them.
///
/// # Errors
/// [`StorageFault`]: the process must end.
pub fn maintain(
    maintainer: &LogMaintainer,
    space_wanted: &BTreeMap<ChainId, Sender<()>>,
    ended: &Receiver<()>,
) -> Result<(), StorageFault> {
    let interval = Duration::from_millis(MAINTENANCE_INTERVAL_MS);
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(interval) {
        let kept_by = maintainer.maintain()?;
        measure::log_kept_by(kept_by.len());
        tell(&kept_by, space_wanted);
    }
    Ok(())
}

/// Tells each of these chains that space is wanted.
fn tell(chains: &[ChainId], space_wanted: &BTreeMap<ChainId, Sender<()>>) {
    for (chain, sender) in chains.iter().filter_map(|chain| space_wanted.get_key_value(chain)) {
        match sender.try_send(()) {
            Ok(()) => tracing::debug!(%chain, "asked to make space in the log"),
            // It knows already, or it stops.
            Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn chains_that_keep_old_files_are_told_once_each() {
        let [one, two] = [1, 2].map(ChainId::new);
        let (to_one, from_one) = bounded(1);
        let (to_two, from_two) = bounded(1);
        let senders = BTreeMap::from([(one, to_one), (two, to_two)]);
        let unknown = ChainId::new(3);
        for _ in 0..3 {
            tell(&[two, unknown], &senders);
        }
        assert_eq!((from_one.len(), from_two.len()), (0, 1));
        drop(from_two);
        tell(&[one, two], &senders);
        assert_eq!(from_one.len(), 1);
    }
}
