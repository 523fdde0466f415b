//! What a replica needs of storage: traits that floor 4 implements twice, on
//! disk and in memory, and the records that cross them.
//!
//! Durability differs on purpose. The log is durable when
//! [`LogStore::write`] returns: acknowledgements rest on it. A checkpoint is
//! durable when [`CheckpointStore::save`] returns: the log is cut behind it.
//! Blocks are written without sync: whatever a crash takes is executed again
//! from checkpoint and log.

use std::ops::RangeInclusive;

use bytes::Bytes;
use thiserror::Error;
use tributary_chain::{Certificate, Header};
use tributary_ledger::Page;
use tributary_types::{BlockHeight, ChainId, TimeMs};

/// Storage failed or holds what it should not. Never retried blindly: the
/// process ends with this sentence.
#[derive(Debug, Error)]
pub enum StorageFault {
    /// The operating system or the storage engine reports an error.
    #[error("{action}: {reason}")]
    Io {
        /// What was being done, with the path.
        action: String,
        /// What the engine says.
        reason: String,
    },
    /// Bytes are there and wrong: checksum, order or encoding.
    #[error("{what} is corrupt: {reason}")]
    Corrupt {
        /// Which record.
        what: String,
        /// How it shows.
        reason: String,
    },
    /// Another process holds the directory.
    #[error("{0} is in use by another process")]
    InUse(String),
    /// Another version wrote the directory.
    #[error("{directory} is of format {found:?}, this version reads format {expected}")]
    OtherFormat {
        /// Which one.
        directory: String,
        /// What it says of itself.
        found: String,
        /// What this version writes and reads.
        expected: u32,
    },
}

/// One entry of a chain's raft log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Raft index; consecutive.
    pub index: u64,
    /// Raft term.
    pub term: u64,
    /// Raft entry type: 0 normal, 1 and 2 configuration changes.
    pub kind: u8,
    /// Canonical bytes of a body; empty for the entry that opens a term.
    pub data: Bytes,
}

/// What raft must never forget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HardState {
    /// Current term.
    pub term: u64,
    /// Raft id voted for in it; 0 for none.
    pub vote: u64,
    /// Highest index known to be committed.
    pub commit: u64,
}

/// A change of one chain's log. Entries replace everything from the first
/// one's index on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogWrite {
    /// Whose log.
    pub chain: ChainId,
    /// Consecutive entries.
    pub entries: Vec<LogEntry>,
    /// The new hard state, if it changed.
    pub hard_state: Option<HardState>,
    /// Drop entries up to and including this index; a checkpoint has them.
    pub compact_to: Option<u64>,
}

/// A chain's log as found at start. Entries may begin above 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadedLog {
    /// The last hard state written.
    pub hard_state: HardState,
    /// Consecutive entries.
    pub entries: Vec<LogEntry>,
}

/// The log of all chains of one process.
pub trait LogStore: Send + Sync {
    /// Applies all writes, in order, with one sync; durable on return.
    ///
    /// # Errors
    /// [`StorageFault`]; then none or some of the writes may be durable and the
    /// process must end.
    fn write(&mut self, writes: Vec<LogWrite>) -> Result<(), StorageFault>;

    /// Reads one chain's log; empty for a new chain.
    ///
    /// # Errors
    /// [`StorageFault`], also for gaps between entries.
    fn load(&self, chain: ChainId) -> Result<LoadedLog, StorageFault>;

    /// Bytes that the log takes on disk.
    fn bytes_on_disk(&self) -> u64;
}

/// A state that execution can go on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Raft index of the last entry executed.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// The header it resulted in.
    pub header: Header,
    /// Pages of the state; see [`CheckpointStore::save`].
    pub pages: Vec<Page>,
}

/// Checkpoints of all chains of one process.
pub trait CheckpointStore: Send + Sync {
    /// Replaces the chain's checkpoint in one durable step. With `complete`
    /// the pages are the whole state and all others are deleted; else they are
    /// those that changed (an empty page deletes its key).
    ///
    /// # Errors
    /// [`StorageFault`]; then the previous checkpoint still stands, or this one
    /// does already.
    fn save(
        &mut self,
        chain: ChainId,
        checkpoint: &Checkpoint,
        complete: bool,
    ) -> Result<(), StorageFault>;

    /// The last saved checkpoint with all its pages in ascending order.
    ///
    /// # Errors
    /// [`StorageFault`], also for a page whose checksum is wrong.
    fn load(&self, chain: ChainId) -> Result<Option<Checkpoint>, StorageFault>;
}

/// A block as kept for readers: canonical bytes, decoded by whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlock {
    /// The header.
    pub header: Header,
    /// Canonical bytes of the body.
    pub body: Bytes,
    /// Canonical bytes of the block's outcomes.
    pub outcomes: Bytes,
}

/// The archive: blocks and certificates of all chains of one process.
pub trait BlockStore: Send + Sync {
    /// Keeps blocks; the same block may be put again.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn put_blocks(&self, blocks: &[StoredBlock]) -> Result<(), StorageFault>;

    /// Keeps a certificate with the header it certifies.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn put_certificate(
        &self,
        header: &Header,
        certificate: &Certificate,
    ) -> Result<(), StorageFault>;

    /// The block at a height, if it is here.
    ///
    /// # Errors
    /// [`StorageFault`], also for wrong checksums.
    fn block(
        &self,
        chain: ChainId,
        height: BlockHeight,
    ) -> Result<Option<StoredBlock>, StorageFault>;

    /// The header at a height, if it is here.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn header(&self, chain: ChainId, height: BlockHeight) -> Result<Option<Header>, StorageFault>;

    /// The lowest certified header at `height` or above that is here.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn certificate_from(
        &self,
        chain: ChainId,
        height: BlockHeight,
    ) -> Result<Option<(Header, Certificate)>, StorageFault>;

    /// The highest certified header that is here.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn last_certificate(
        &self,
        chain: ChainId,
    ) -> Result<Option<(Header, Certificate)>, StorageFault>;

    /// The lowest height whose block time is at least `time`, by binary search
    /// over headers up to `last`.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn first_height_from(
        &self,
        chain: ChainId,
        time: TimeMs,
        last: BlockHeight,
    ) -> Result<Option<BlockHeight>, StorageFault>;

    /// The lowest run of heights within `within` that have no block, at most to
    /// its end. Looks at one key for each block before it.
    ///
    /// # Errors
    /// [`StorageFault`].
    fn first_gap(
        &self,
        chain: ChainId,
        within: RangeInclusive<BlockHeight>,
    ) -> Result<Option<RangeInclusive<BlockHeight>>, StorageFault>;
}
