//! The three stores in memory, on a disk that can crash and fail.
//!
//! They keep the same promises as those on disk and no more: a log write and a
//! checkpoint are durable on return, blocks and certificates with the next
//! checkpoint. [`MemoryDisk::crash`] takes what was not durable, or as much of
//! it as the caller decides; [`MemoryDisk::fail_next`] makes one operation fail
//! half way, after which the disk refuses everything until the crash, as the
//! traits demand of the process. Deterministic: no clock, no randomness.

use std::collections::{BTreeMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tributary_chain::{Certificate, Header};
use tributary_ledger::page::PageKey;
use tributary_replica::store::{
    BlockStore, Checkpoint, CheckpointStore, LoadedLog, LogEntry, LogStore, LogWrite, StorageFault,
    StoredBlock,
};
use tributary_types::{BlockHeight, ChainId, TimeMs};

use crate::log::LogRecord;
use crate::search::{self, GapSearch};

/// Bytes that an entry counts for beside its data.
const ENTRY_OVERHEAD_BYTES: u64 = 32;

/// What the stores of one process share, and what outlives the process.
#[derive(Clone, Default)]
pub struct MemoryDisk {
    content: Arc<Mutex<Content>>,
}

/// An operation that fails half way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// The next log write fails after so many of its writes became durable.
    Log {
        /// Writes applied before the failure.
        applied: usize,
    },
    /// The next checkpoint is not saved; the one before stands.
    Checkpoint,
    /// The next block or certificate is not kept.
    Archive,
}

#[derive(Default)]
struct Content {
    logs: BTreeMap<ChainId, ChainLog>,
    checkpoints: BTreeMap<ChainId, SavedCheckpoint>,
    /// What readers see.
    archive: Archive,
    /// What a crash leaves.
    durable: Archive,
    /// What stands between the two, oldest first.
    unsynced: VecDeque<ArchiveWrite>,
    armed: Option<DiskFault>,
    failed: bool,
}

#[derive(Default)]
struct ChainLog {
    record: LogRecord,
    entries: VecDeque<LogEntry>,
}

struct SavedCheckpoint {
    index: u64,
    term: u64,
    header: Header,
    pages: BTreeMap<PageKey, Vec<u8>>,
}

#[derive(Default, Clone)]
struct Archive {
    blocks: BTreeMap<(ChainId, BlockHeight), Arc<StoredBlock>>,
    certificates: BTreeMap<(ChainId, BlockHeight), Arc<(Header, Certificate)>>,
}

#[derive(Clone)]
enum ArchiveWrite {
    Block(Arc<StoredBlock>),
    Certificate(Arc<(Header, Certificate)>),
}

impl MemoryDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The log on it.
    #[must_use]
    pub fn log(&self) -> MemoryLog {
        MemoryLog { disk: self.clone() }
    }

    /// The checkpoints on it.
    #[must_use]
    pub fn checkpoints(&self) -> MemoryCheckpoints {
        MemoryCheckpoints { disk: self.clone() }
    }

    /// The archive on it.
    #[must_use]
    pub fn blocks(&self) -> MemoryBlocks {
        MemoryBlocks { disk: self.clone() }
    }

    /// Blocks and certificates that are not durable yet.
    #[must_use]
    pub fn unsynced_writes(&self) -> usize {
        self.lock().unsynced.len()
    }

    /// The machine loses power: of the unsynced writes the oldest `survivors`
    /// are found again. Whatever failed before works again.
    pub fn crash(&self, survivors: usize) {
        let mut content = self.lock();
        let content = &mut *content;
        content.unsynced.truncate(survivors);
        for write in content.unsynced.drain(..) {
            content.durable.apply(write);
        }
        content.archive = content.durable.clone();
        (content.armed, content.failed) = (None, false);
    }

    /// Makes one operation to come fail half way, and all after it.
    pub fn fail_next(&self, fault: DiskFault) {
        self.lock().armed = Some(fault);
    }

    fn lock(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The content, unless the disk has failed.
    fn working(&self) -> Result<MutexGuard<'_, Content>, StorageFault> {
        let content = self.lock();
        if content.failed { Err(disk_failure()) } else { Ok(content) }
    }
}

impl Content {
    /// Fails if `matching` is the fault that was armed.
    fn trip(&mut self, matching: DiskFault) -> Result<(), StorageFault> {
        if self.armed == Some(matching) {
            self.failed = true;
            return Err(disk_failure());
        }
        Ok(())
    }

    fn keep(&mut self, write: ArchiveWrite) -> Result<(), StorageFault> {
        self.trip(DiskFault::Archive)?;
        self.archive.apply(write.clone());
        self.unsynced.push_back(write);
        Ok(())
    }
}

impl Archive {
    fn apply(&mut self, write: ArchiveWrite) {
        match write {
            ArchiveWrite::Block(block) => {
                self.blocks.insert((block.header.chain, block.header.height), block);
            }
            ArchiveWrite::Certificate(certified) => {
                let key = (certified.0.chain, certified.0.height);
                self.certificates.insert(key, certified);
            }
        }
    }
}

fn disk_failure() -> StorageFault {
    StorageFault::Io {
        action: "use the disk in memory".to_owned(),
        reason: "it was told to fail".to_owned(),
    }
}

/// The log on a [`MemoryDisk`].
pub struct MemoryLog {
    disk: MemoryDisk,
}

impl LogStore for MemoryLog {
    fn write(&mut self, writes: Vec<LogWrite>) -> Result<(), StorageFault> {
        let mut content = self.disk.working()?;
        let failing = match content.armed {
            Some(DiskFault::Log { applied }) => Some(applied),
            _ => None,
        };
        for (number, write) in writes.into_iter().enumerate() {
            if failing == Some(number) {
                break;
            }
            content.logs.entry(write.chain).or_default().apply(write)?;
        }
        match failing {
            Some(applied) => content.trip(DiskFault::Log { applied }),
            None => Ok(()),
        }
    }

    fn load(&self, chain: ChainId) -> Result<LoadedLog, StorageFault> {
        let content = self.disk.working()?;
        Ok(content.logs.get(&chain).map_or_else(LoadedLog::default, |log| LoadedLog {
            hard_state: log.record.hard_state,
            entries: log.entries.iter().cloned().collect(),
        }))
    }

    fn bytes_on_disk(&self) -> u64 {
        let content = self.disk.lock();
        let entries = content.logs.values().flat_map(|log| &log.entries);
        entries.map(|entry| ENTRY_OVERHEAD_BYTES + entry.data.len() as u64).sum()
    }
}

impl ChainLog {
    fn apply(&mut self, write: LogWrite) -> Result<(), StorageFault> {
        let step = self.record.step(write)?;
        self.record = step.record;
        if let Some(below) = step.drop_below {
            self.entries.retain(|entry| entry.index >= below);
        }
        if let Some(first) = step.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
        }
        self.entries.extend(step.entries);
        Ok(())
    }
}

/// The checkpoints on a [`MemoryDisk`].
pub struct MemoryCheckpoints {
    disk: MemoryDisk,
}

impl CheckpointStore for MemoryCheckpoints {
    fn save(
        &mut self,
        chain: ChainId,
        checkpoint: &Checkpoint,
        complete: bool,
    ) -> Result<(), StorageFault> {
        let mut content = self.disk.working()?;
        let content = &mut *content;
        content.trip(DiskFault::Checkpoint)?;
        let Checkpoint { index, term, header, pages: changed } = checkpoint;
        let previous = content.checkpoints.remove(&chain).filter(|_| !complete);
        let mut pages = previous.map_or_else(BTreeMap::new, |previous| previous.pages);
        for page in changed {
            if page.bytes.is_empty() {
                pages.remove(&page.key);
            } else {
                pages.insert(page.key, page.bytes.to_bytes().into_owned());
            }
        }
        let saved = SavedCheckpoint { index: *index, term: *term, header: header.clone(), pages };
        content.checkpoints.insert(chain, saved);
        for write in content.unsynced.drain(..) {
            content.durable.apply(write);
        }
        Ok(())
    }

    fn load(&self, chain: ChainId) -> Result<Option<Checkpoint>, StorageFault> {
        let content = self.disk.working()?;
        Ok(content.checkpoints.get(&chain).map(|saved| Checkpoint {
            index: saved.index,
            term: saved.term,
            header: saved.header.clone(),
            pages: saved
                .pages
                .iter()
                .map(|(key, bytes)| tributary_ledger::Page {
                    key: *key,
                    bytes: bytes.clone().into(),
                })
                .collect(),
        }))
    }
}

/// The archive on a [`MemoryDisk`].
#[derive(Clone)]
pub struct MemoryBlocks {
    disk: MemoryDisk,
}

impl BlockStore for MemoryBlocks {
    fn put_blocks(&self, blocks: &[StoredBlock]) -> Result<(), StorageFault> {
        let mut content = self.disk.working()?;
        for block in blocks {
            content.keep(ArchiveWrite::Block(Arc::new(block.clone())))?;
        }
        Ok(())
    }

    fn put_certificate(
        &self,
        header: &Header,
        certificate: &Certificate,
    ) -> Result<(), StorageFault> {
        let certified = Arc::new((header.clone(), certificate.clone()));
        self.disk.working()?.keep(ArchiveWrite::Certificate(certified))
    }

    fn block(
        &self,
        chain: ChainId,
        height: BlockHeight,
    ) -> Result<Option<StoredBlock>, StorageFault> {
        let content = self.disk.working()?;
        Ok(content.archive.blocks.get(&(chain, height)).map(|block| block.as_ref().clone()))
    }

    fn header(&self, chain: ChainId, height: BlockHeight) -> Result<Option<Header>, StorageFault> {
        let content = self.disk.working()?;
        Ok(content.archive.blocks.get(&(chain, height)).map(|block| block.header.clone()))
    }

    fn certificate_from(
        &self,
        chain: ChainId,
        height: BlockHeight,
    ) -> Result<Option<(Header, Certificate)>, StorageFault> {
        let content = self.disk.working()?;
        let heights = (chain, height)..=(chain, BlockHeight::new(u64::MAX));
        let first = content.archive.certificates.range(heights).next();
        Ok(first.map(|(_, certified)| certified.as_ref().clone()))
    }

    fn last_certificate(
        &self,
        chain: ChainId,
    ) -> Result<Option<(Header, Certificate)>, StorageFault> {
        let content = self.disk.working()?;
        let heights = (chain, BlockHeight::new(0))..=(chain, BlockHeight::new(u64::MAX));
        let last = content.archive.certificates.range(heights).next_back();
        Ok(last.map(|(_, certified)| certified.as_ref().clone()))
    }

    fn first_height_from(
        &self,
        chain: ChainId,
        time: TimeMs,
        last: BlockHeight,
    ) -> Result<Option<BlockHeight>, StorageFault> {
        let content = self.disk.working()?;
        search::first_height_from(time, last, |height| {
            let heights = (chain, height)..=(chain, BlockHeight::new(u64::MAX));
            let found = content.archive.blocks.range(heights).next();
            Ok(found.map(|((_, height), block)| (*height, block.header.time)))
        })
    }

    fn first_gap(
        &self,
        chain: ChainId,
        within: RangeInclusive<BlockHeight>,
    ) -> Result<Option<RangeInclusive<BlockHeight>>, StorageFault> {
        let content = self.disk.working()?;
        let mut search = GapSearch::new(&within);
        let heights = (chain, *within.start())..=(chain, BlockHeight::new(u64::MAX));
        for (_, height) in content.archive.blocks.range(heights).map(|(key, _)| key) {
            if search.is_over_at(*height) {
                break;
            }
        }
        Ok(search.gap())
    }
}
