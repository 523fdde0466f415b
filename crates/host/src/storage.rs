//! Everything durable of a node, under its data directory.
//!
//! ```text
//! data_dir/log/      the raft log of all chains (raft-engine)
//! data_dir/database/ checkpoints and archive of all chains (RocksDB)
//! ```

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tributary_replica::Restored;
use tributary_replica::store::{BlockStore, CheckpointStore, LogStore, StorageFault};
use tributary_storage::{Database, DatabaseLimits, LogLimits, LogMaintainer, RaftEngineLog};
use tributary_types::ChainId;

use crate::measure;

/// How often the log's files are purged.
const MAINTENANCE_INTERVAL_MS: u64 = 2_000;

/// The open stores. Each directory is locked until its store is dropped.
pub struct Storage {
    /// To the log's thread.
    pub log: Box<dyn LogStore>,
    /// To the maintenance thread.
    pub maintainer: LogMaintainer,
    /// To the archive's thread.
    pub checkpoints: Box<dyn CheckpointStore>,
    /// To the archive's thread and all readers.
    pub blocks: Arc<dyn BlockStore>,
}

impl Storage {
    /// Opens everything; creates what is missing.
    ///
    /// # Errors
    /// [`StorageFault`], also if another process has it open.
    pub fn open(data_dir: &Path) -> Result<Self, StorageFault> {
        let log = RaftEngineLog::open(&data_dir.join("log"), LogLimits::default())?;
        let database = Database::open(&data_dir.join("database"), DatabaseLimits::default())?;
        Ok(Self {
            maintainer: log.maintainer(),
            log: Box::new(log),
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

/// Keeps the log small until `ended` is disconnected.
///
/// # Errors
/// [`StorageFault`]: the process must end.
pub fn maintain(maintainer: &LogMaintainer, ended: &Receiver<()>) -> Result<(), StorageFault> {
    let interval = Duration::from_millis(MAINTENANCE_INTERVAL_MS);
    while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(interval) {
        let kept_by = maintainer.maintain()?;
        measure::log_kept_by(kept_by.len());
    }
    Ok(())
}
