//! The raft log of all chains of a process, on raft-engine.
//!
//! One engine, one queue of files, one sync per [`LogStore::write`], however
//! many chains it carries. A chain's raft group in the engine is its id.
//!
//! - Recovery drops only what a crash can have torn: the unsynced end of the
//!   newest file. A wrong checksum anywhere else is [`StorageFault::Corrupt`];
//!   a mark of what was synced is what tells the two apart (`mark.rs`).
//! - Files are purged by [`LogMaintainer::maintain`], which someone must call;
//!   [`LogLimits`] bounds what it leaves.
//! - Entries are protobuf records inside of raft-engine's checksummed batches.
//!   protobuf reads nothing but what this process wrote: no bytes of the
//!   network, and none whose checksum is wrong.

mod files;
mod mark;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use raft::eraftpb::{Entry, EntryType};
use raft_engine::{Command, Config, Engine, LogBatch, MessageExt, ReadableSize, RecoveryMode};
use tributary_replica::store::{LoadedLog, LogEntry, LogStore, LogWrite, StorageFault};
use tributary_types::ChainId;
use tributary_types::codec::{Encode, decode_exact};

use self::files::{Watch, WatchedFiles, bytes_on_disk};
use crate::directory::{HeldDirectory, sync_directory};
use crate::fault::{corrupt, io_fault, raft_engine_fault, undecodable};

pub(crate) use self::record::LogRecord;

const ENGINE_DIRECTORY: &str = "engine";
const MARK_FILE: &str = "synced";
/// The layout of records and entries that this code reads and writes.
const FORMAT: u32 = 1;
/// Key of a chain's [`LogRecord`] in its raft group.
const RECORD_KEY: &[u8] = b"record";

/// How large the log may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Size at which a new file begins, in bytes.
    pub file_bytes: u64,
    /// Size above which [`LogMaintainer::maintain`] drops or rewrites old
    /// files, in bytes; at least `file_bytes`. Half as much again may be kept
    /// as files for reuse.
    pub purge_bytes: u64,
    /// What [`RaftEngineLog::open`] keeps ready as written files, in bytes;
    /// none if less than `file_bytes`. A sync into blocks that were written
    /// before takes about half the time of one into new ones.
    pub prefill_bytes: u64,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_bytes: 32 << 20, purge_bytes: 384 << 20, prefill_bytes: 32 << 20 }
    }
}

/// The log on disk.
pub struct RaftEngineLog {
    engine: Arc<OpenEngine>,
    records: BTreeMap<ChainId, LogRecord>,
    /// Empty between writes; its memory serves one after the other. The engine
    /// keeps no more than 8 MiB of it.
    batch: LogBatch,
}

impl RaftEngineLog {
    /// Opens the log in a directory of its own, created if it is missing.
    ///
    /// # Errors
    /// [`StorageFault::InUse`] if another process has it open;
    /// [`StorageFault::Corrupt`] if what was synced is not all there;
    /// [`StorageFault::OtherFormat`] if another version wrote it;
    /// [`StorageFault::Io`] if the system refuses.
    pub fn open(directory: &Path, limits: LogLimits) -> Result<Self, StorageFault> {
        let engine = Arc::new(OpenEngine::open(directory, limits)?);
        let records = engine.recover_records()?;
        Ok(Self { engine, records, batch: LogBatch::default() })
    }

    /// A handle that keeps the log small; it may be used on another thread.
    #[must_use]
    pub fn maintainer(&self) -> LogMaintainer {
        LogMaintainer { engine: Arc::clone(&self.engine) }
    }
}

impl LogStore for RaftEngineLog {
    fn write(&mut self, writes: Vec<LogWrite>) -> Result<(), StorageFault> {
        // Nothing of a write that fails is left for the next one.
        let mut batch = std::mem::take(&mut self.batch);
        let mut changed: BTreeMap<ChainId, LogRecord> = BTreeMap::new();
        for write in writes {
            let chain = write.chain;
            let known = changed.get(&chain).or_else(|| self.records.get(&chain));
            let known = known.copied().unwrap_or_default();
            let step = known.step(write)?;
            if let Some(index) = step.drop_below {
                batch.add_command(group(chain), Command::Compact { index });
            }
            if !step.entries.is_empty() {
                let entries: Vec<Entry> = step.entries.into_iter().map(to_protobuf).collect();
                batch
                    .add_entries::<LogEntries>(group(chain), &entries)
                    .map_err(|error| raft_engine_fault("write the log", &error))?;
            }
            if step.record != known {
                put_record(&mut batch, chain, &step.record)?;
            }
            changed.insert(chain, step.record);
        }
        self.engine.write(&mut batch)?;
        self.batch = batch;
        self.records.append(&mut changed);
        Ok(())
    }

    fn load(&self, chain: ChainId) -> Result<LoadedLog, StorageFault> {
        match self.records.get(&chain) {
            None => Ok(LoadedLog::default()),
            Some(record) => Ok(LoadedLog {
                hard_state: record.hard_state,
                entries: self.engine.read_entries(chain, record)?,
            }),
        }
    }

    fn bytes_on_disk(&self) -> u64 {
        // Where the directory cannot be listed, the engine's own estimate: its
        // files at their full size.
        bytes_on_disk(&self.engine.path).unwrap_or(self.engine.engine.get_used_size() as u64)
    }
}

/// Keeps the log within its [`LogLimits`].
#[derive(Clone)]
pub struct LogMaintainer {
    engine: Arc<OpenEngine>,
}

impl LogMaintainer {
    /// Drops files that no chain needs, and moves the few live entries of old
    /// files so that those can go. Cheap when there is nothing to do; otherwise
    /// it reads and writes at most what the limits allow, beside writes of the
    /// log. Call it every few seconds and after compactions.
    ///
    /// Returns the chains whose uncompacted entries keep old files in place: a
    /// checkpoint of these, and a compaction, is what frees space.
    ///
    /// # Errors
    /// [`StorageFault`]; the process must end.
    pub fn maintain(&self) -> Result<Vec<ChainId>, StorageFault> {
        let engine = &self.engine;
        let groups = apart("purge the log", &engine.path, || {
            engine.engine.purge_expired_files().map_err(|error| engine.explain("purge", &error))
        })?;
        if let Some(fault) = engine.watch.lasting_fault() {
            return Err(fault);
        }
        engine.watch.forgive();
        let mut chains = groups.into_iter().map(chain_of).collect::<Result<Vec<_>, _>>()?;
        chains.sort_unstable();
        Ok(chains)
    }
}

/// The engine with what watches its files. Dropping it closes the log.
struct OpenEngine {
    engine: Engine<WatchedFiles>,
    watch: Arc<Watch>,
    path: PathBuf,
    _directory: HeldDirectory,
}

impl OpenEngine {
    fn open(directory: &Path, limits: LogLimits) -> Result<Self, StorageFault> {
        let held = HeldDirectory::hold(directory, FORMAT..=FORMAT)?;
        let path = held.path().join(ENGINE_DIRECTORY);
        let watch = Arc::new(Watch::new(&held.path().join(MARK_FILE), &path)?);
        let config = configuration(&path, limits)?;
        let files = Arc::new(WatchedFiles::new(Arc::clone(&watch)));
        let engine = apart("open the log", &path, || {
            Engine::open_with_file_system(config, files).map_err(|error| {
                let what = format!("log in {}", path.display());
                watch.take_fault().unwrap_or_else(|| raft_engine_fault(what, &error))
            })
        })?;
        if let Some(fault) = watch.lasting_fault() {
            return Err(fault);
        }
        // raft-engine creates its first files without making their names durable.
        sync_directory(&path)
            .and_then(|()| sync_directory(held.path()))
            .map_err(|error| io_fault(format!("sync directory {}", path.display()), &error))?;
        Ok(Self { engine, watch, path, _directory: held })
    }

    /// Reads every chain's record, compares it with the entries that were
    /// found, and drops again what was compacted before.
    fn recover_records(&self) -> Result<BTreeMap<ChainId, LogRecord>, StorageFault> {
        let mut records = BTreeMap::new();
        let mut batch = LogBatch::default();
        let mut groups = self.engine.raft_groups();
        groups.sort_unstable();
        for chain in groups.into_iter().map(chain_of) {
            let chain = chain?;
            let what = || log_of(chain, &self.path);
            let bytes = self.engine.get(group(chain), RECORD_KEY);
            let bytes = bytes.ok_or_else(|| corrupt(what(), "its record is missing"))?;
            let record: LogRecord =
                decode_exact(&bytes).map_err(|error| undecodable(what(), &error))?;
            let last = self.engine.last_index(group(chain)).unwrap_or(0);
            if last.max(record.compacted_to) != record.last_index {
                let reason = format!("entries end at {last}, {} were written", record.last_index);
                return Err(corrupt(what(), reason));
            }
            if self.engine.first_index(group(chain)).is_some_and(|i| i <= record.compacted_to) {
                let index = record.compacted_to + 1;
                batch.add_command(group(chain), Command::Compact { index });
            }
            records.insert(chain, record);
        }
        self.write(&mut batch)?;
        Ok(records)
    }

    fn write(&self, batch: &mut LogBatch) -> Result<(), StorageFault> {
        self.engine.write(batch, true).map_err(|error| self.explain("write", &error))?;
        if let Some(fault) = self.watch.lasting_fault() {
            return Err(fault);
        }
        self.watch.forgive();
        Ok(())
    }

    fn read_entries(
        &self,
        chain: ChainId,
        record: &LogRecord,
    ) -> Result<Vec<LogEntry>, StorageFault> {
        let (begin, end) = (record.compacted_to + 1, record.last_index + 1);
        let found = apart("read the log", &self.path, || {
            let mut found = Vec::new();
            self.engine
                .fetch_entries_to::<LogEntries>(group(chain), begin, end, None, &mut found)
                .map_err(|error| raft_engine_fault(log_of(chain, &self.path), &error))?;
            Ok(found)
        })?;
        let mut entries = Vec::with_capacity(found.len());
        for (index, entry) in (begin..end).zip(found) {
            if entry.index != index {
                let reason = format!("entry {} stands in place of {index}", entry.index);
                return Err(corrupt(log_of(chain, &self.path), reason));
            }
            entries.push(from_protobuf(entry));
        }
        if entries.len() as u64 == end - begin {
            Ok(entries)
        } else {
            let reason = format!("{} entries of {} are left", entries.len(), end - begin);
            Err(corrupt(log_of(chain, &self.path), reason))
        }
    }

    /// The sentence for a failed call: what the files saw, if it was they.
    fn explain(&self, verb: &str, error: &raft_engine::Error) -> StorageFault {
        let action = format!("{verb} the log in {}", self.path.display());
        self.watch.take_fault().unwrap_or_else(|| raft_engine_fault(action, error))
    }
}

fn configuration(path: &Path, limits: LogLimits) -> Result<Config, StorageFault> {
    let dir = path.to_str().ok_or_else(|| StorageFault::Io {
        action: format!("open the log in {}", path.display()),
        reason: "the path is not UTF-8".to_owned(),
    })?;
    Ok(Config {
        dir: dir.to_owned(),
        // The watched files refuse to cut anything that was synced.
        recovery_mode: RecoveryMode::TolerateTailCorruption,
        // The log is small; replaying it in order leaves nothing to merge.
        recovery_threads: 1,
        // Signatures and hashes do not compress, and the log is short-lived.
        batch_compression_threshold: ReadableSize(0),
        target_file_size: ReadableSize(limits.file_bytes),
        purge_threshold: ReadableSize(limits.purge_bytes),
        // Files that were written before take writes without new extents.
        enable_log_recycle: true,
        prefill_for_recycle: limits.prefill_bytes >= limits.file_bytes,
        prefill_limit: Some(ReadableSize(limits.prefill_bytes)),
        ..Config::default()
    })
}

/// Runs a call of the engine that reads entries on a thread of its own. The
/// engine keeps the block it read last per thread, under a name that another
/// engine in this process may use as well; and it panics on some of the states
/// that only damaged files have, which is a fault and no bug of ours.
fn apart<T: Send>(
    doing: &str,
    path: &Path,
    call: impl FnOnce() -> Result<T, StorageFault> + Send,
) -> Result<T, StorageFault> {
    std::thread::scope(|scope| scope.spawn(call).join()).unwrap_or_else(|panic| {
        let reason = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied())
            .unwrap_or("raft-engine panicked");
        Err(corrupt(format!("log in {} ({doing})", path.display()), reason))
    })
}

fn put_record(
    batch: &mut LogBatch,
    chain: ChainId,
    record: &LogRecord,
) -> Result<(), StorageFault> {
    batch
        .put(group(chain), RECORD_KEY.to_vec(), record.to_bytes())
        .map_err(|error| raft_engine_fault("write the log", &error))
}

fn log_of(chain: ChainId, path: &Path) -> String {
    format!("log of chain {chain} in {}", path.display())
}

fn group(chain: ChainId) -> u64 {
    u64::from(chain.get())
}

fn chain_of(group: u64) -> Result<ChainId, StorageFault> {
    u16::try_from(group)
        .map(ChainId::new)
        .map_err(|_| corrupt("log", format!("raft group {group} is no chain")))
}

/// Tells raft-engine where an entry's index is.
struct LogEntries;

impl MessageExt for LogEntries {
    type Entry = Entry;

    fn index(entry: &Entry) -> u64 {
        entry.index
    }
}

fn to_protobuf(entry: LogEntry) -> Entry {
    let entry_type = match entry.kind {
        0 => EntryType::EntryNormal,
        1 => EntryType::EntryConfChange,
        _ => EntryType::EntryConfChangeV2,
    };
    Entry { entry_type, index: entry.index, term: entry.term, data: entry.data, ..Entry::default() }
}

fn from_protobuf(entry: Entry) -> LogEntry {
    let kind = match entry.entry_type {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    };
    LogEntry { index: entry.index, term: entry.term, kind, data: entry.data }
}
