//! The database of a process: one RocksDB for checkpoints and the archive of
//! all its chains, a column family per purpose, and files of pages beside it.
//!
//! **Durability.** Checkpoints, blocks and headers bypass RocksDB's write-ahead
//! log: they would be written twice. Instead `CheckpointStore::save` flushes
//! all column families together, and RocksDB commits that flush atomically
//! (`atomic_flush`), as it does each flush of its own accord. So at any crash
//! the disk holds one moment of the whole database, and no checkpoint without
//! the blocks that were put before it. The pages of a checkpoint stand in files
//! beside RocksDB, synced before (`checkpoints.rs`), as do bodies of blocks, synced
//! before the chain's own checkpoint only: what follows that one is forgotten when
//! the database is opened, and executed again. Certificates do use the
//! write-ahead log, unsynced: executing again does not bring them back, so the
//! end of the process alone must not lose them.
//!
//! **Values** carry a CRC-32C over key and value, checked on each read: beside
//! RocksDB's own block checksums it covers memory and misplaced values.
//!
//! **Memory** is bounded by [`DatabaseLimits`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rocksdb::{
    Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBIterator, FlushOptions, IteratorMode,
    LogLevel, Options, ReadOptions, WriteBatch, WriteOptions,
};
use tributary_replica::store::StorageFault;
use tributary_types::ChainId;

use crate::archive::RocksBlocks;
use crate::body_files::BodyFiles;
use crate::checkpoints::Checkpoints;
use crate::direct::is_offered;
use crate::directory::{FORMAT_FILE, HeldDirectory};
use crate::family::Family;
use crate::fault::{corrupt, rocksdb_fault};
use crate::keys::{chain_end, chain_start};
use crate::page_files::PageFiles;
use crate::upgrade::pages_to_files;
use crate::values;

const ENGINE_DIRECTORY: &str = "rocksdb";
const PAGES_DIRECTORY: &str = "pages";
const BODIES_DIRECTORY: &str = "bodies";
/// The layout of column families, keys, values and files that this code reads and
/// writes.
const FORMAT: u32 = 3;
/// The earliest that it makes [`FORMAT`] of (`upgrade.rs`).
const FORMAT_OLDEST: u32 = 1;
/// The last that had pages in RocksDB.
const FORMAT_OLD_PAGES: u32 = 1;

const BACKGROUND_JOBS_MAX: i32 = 2;
const OPEN_FILES_MAX: i32 = 256;
/// Bounds the write-ahead log, which only certificates use.
const WAL_BYTES_MAX: u64 = 8 << 20;
const INFO_LOG_BYTES_MAX: usize = 1 << 20;
const INFO_LOG_FILES_MAX: usize = 2;
/// Dirty bytes after which RocksDB starts their write-back, so that the log's
/// syncs do not wait behind a burst.
const WRITE_BACK_BYTES: u64 = 1 << 20;

/// Memory that the database may take, sized for several processes per machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseLimits {
    /// Blocks kept in memory for readers, indexes and filters included, in bytes.
    pub cache_bytes: usize,
    /// Writes that are not flushed yet, over all column families, in bytes.
    pub write_buffer_bytes: usize,
}

impl Default for DatabaseLimits {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, write_buffer_bytes: 32 << 20 }
    }
}

/// The open database.
#[derive(Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    rocksdb: DB,
    path: PathBuf,
    bodies: BodyFiles,
    directory: HeldDirectory,
}

impl Database {
    /// Opens the database in a directory of its own, created if it is missing.
    ///
    /// # Errors
    /// [`StorageFault::InUse`] if another process has it open;
    /// [`StorageFault::Corrupt`] if it is damaged;
    /// [`StorageFault::OtherFormat`] if another version wrote it;
    /// [`StorageFault::Io`] if the system refuses.
    pub fn open(directory: &Path, limits: DatabaseLimits) -> Result<Self, StorageFault> {
        let directory = HeldDirectory::hold(directory, FORMAT_OLDEST..=FORMAT)?;
        let path = directory.path().join(ENGINE_DIRECTORY);
        let cache = Cache::new_lru_cache(limits.cache_bytes);
        let mut options = options(limits);
        let is_direct = is_offered(&directory.path().join(FORMAT_FILE));
        options.set_use_direct_io_for_flush_and_compaction(is_direct);
        options.set_use_direct_reads(is_direct);
        let old = (directory.format() <= FORMAT_OLD_PAGES).then_some(&Family::OldPages);
        let families = Family::ALL
            .iter()
            .chain(old)
            .map(|family| Ok(ColumnFamilyDescriptor::new(family.name(), family.options(&cache)?)));
        let rocksdb = families
            .collect::<Result<Vec<_>, _>>()
            .and_then(|families| DB::open_cf_descriptors(&options, &path, families))
            .map_err(|error| rocksdb_fault(format!("open database {}", path.display()), &error))?;
        let bodies = BodyFiles::new(directory.path().join(BODIES_DIRECTORY));
        let mut database = Self { shared: Arc::new(Shared { rocksdb, path, bodies, directory }) };
        database.upgrade()?;
        database.blocks().forget_unsettled(database.checkpoints().settled()?)?;
        Ok(database)
    }

    /// Makes of an earlier format what this code reads.
    fn upgrade(&mut self) -> Result<(), StorageFault> {
        let format = self.shared.directory.format();
        if format == FORMAT {
            return Ok(());
        }
        if format <= FORMAT_OLD_PAGES {
            pages_to_files(self, &self.checkpoints())?;
        }
        let shared = Arc::get_mut(&mut self.shared).expect("nobody else has it yet");
        if format <= FORMAT_OLD_PAGES {
            let action = format!("upgrade database {}", shared.path.display());
            let dropped = shared.rocksdb.drop_cf(Family::OldPages.name());
            dropped.map_err(|error| rocksdb_fault(action, &error))?;
        }
        shared.directory.set_format(FORMAT)
    }

    /// The checkpoints in it.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        let files = PageFiles::new(self.shared.directory.path().join(PAGES_DIRECTORY));
        Checkpoints::new(self.clone(), files)
    }

    /// The archive in it.
    #[must_use]
    pub fn blocks(&self) -> RocksBlocks {
        RocksBlocks::new(self.clone())
    }

    /// The files that bodies of blocks stand in.
    pub(crate) fn bodies(&self) -> &BodyFiles {
        &self.shared.bodies
    }

    /// Reads and verifies one value; `read` sees it without its checksum.
    pub(crate) fn get<T>(
        &self,
        family: Family,
        key: &[u8],
        read: impl FnOnce(&[u8]) -> Result<T, StorageFault>,
    ) -> Result<Option<T>, StorageFault> {
        let found = self.shared.rocksdb.get_pinned_cf(self.handle(family), key);
        let found = found.map_err(|error| rocksdb_fault(family.describe(key), &error))?;
        found.map(|value| read(open_value(family, key, &value)?)).transpose()
    }

    /// Adds a value to a batch; `fill` appends it.
    pub(crate) fn put(
        &self,
        batch: &mut WriteBatch,
        family: Family,
        key: &[u8],
        fill: impl FnOnce(&mut Vec<u8>),
    ) {
        batch.put_cf(self.handle(family), key, values::seal(key, fill));
    }

    /// Removes, in a batch, the entries of a chain from `start` on.
    pub(crate) fn remove_from(
        &self,
        batch: &mut WriteBatch,
        family: Family,
        chain: ChainId,
        start: &[u8],
    ) {
        batch.delete_range_cf(self.handle(family), start, &chain_end(chain)[..]);
    }

    /// Applies a batch, atomically, without sync.
    pub(crate) fn write(
        &self,
        action: &str,
        batch: WriteBatch,
        ahead: WriteAhead,
    ) -> Result<(), StorageFault> {
        let mut options = WriteOptions::default();
        options.disable_wal(ahead == WriteAhead::No);
        self.shared
            .rocksdb
            .write_opt(batch, &options)
            .map_err(|error| rocksdb_fault(self.doing(action), &error))
    }

    /// Makes everything that was written so far durable, atomically.
    pub(crate) fn flush(&self, action: &str) -> Result<(), StorageFault> {
        let families: Vec<_> = Family::ALL.iter().map(|family| self.handle(*family)).collect();
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.shared
            .rocksdb
            .flush_cfs_opt(&families, &options)
            .map_err(|error| rocksdb_fault(self.doing(action), &error))
    }

    /// Visits a chain's entries from `start` on, upwards or downwards, while
    /// `visit` wants more.
    pub(crate) fn scan(
        &self,
        family: Family,
        chain: ChainId,
        start: &[u8],
        direction: rocksdb::Direction,
        visit: impl FnMut(&[u8], &[u8]) -> Result<Scan, StorageFault>,
    ) -> Result<(), StorageFault> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(&chain_start(chain)[..]);
        options.set_iterate_upper_bound(&chain_end(chain)[..]);
        let mode = IteratorMode::From(start, direction);
        let entries = self.shared.rocksdb.iterator_cf_opt(self.handle(family), options, mode);
        visit_each(family, entries, || format!("{} of chain {chain}", family.name()), visit)
    }

    /// Visits all entries of a family, of all chains, while `visit` wants more.
    pub(crate) fn scan_all(
        &self,
        family: Family,
        visit: impl FnMut(&[u8], &[u8]) -> Result<Scan, StorageFault>,
    ) -> Result<(), StorageFault> {
        let entries = self.shared.rocksdb.iterator_cf(self.handle(family), IteratorMode::Start);
        visit_each(family, entries, || family.name().to_owned(), visit)
    }

    fn handle(&self, family: Family) -> &ColumnFamily {
        self.shared
            .rocksdb
            .cf_handle(family.name())
            .expect("the database was opened with all column families")
    }

    fn doing(&self, action: &str) -> String {
        format!("{action} in database {}", self.shared.path.display())
    }
}

/// Verifies and visits entries; `what` names them all in a fault.
fn visit_each(
    family: Family,
    entries: DBIterator<'_>,
    what: impl Fn() -> String,
    mut visit: impl FnMut(&[u8], &[u8]) -> Result<Scan, StorageFault>,
) -> Result<(), StorageFault> {
    for entry in entries {
        let (key, value) = entry.map_err(|error| rocksdb_fault(what(), &error))?;
        if visit(&key, open_value(family, &key, &value)?)? == Scan::Stop {
            break;
        }
    }
    Ok(())
}

/// Whether a write goes through the write-ahead log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteAhead {
    /// It survives the end of the process, though not a power failure.
    Yes,
    /// It survives only once flushed.
    No,
}

/// Whether a scan goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// To the next entry.
    Continue,
    /// No more entries.
    Stop,
}

fn options(limits: DatabaseLimits) -> Options {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    options.set_atomic_flush(true);
    options.set_db_write_buffer_size(limits.write_buffer_bytes);
    options.set_max_background_jobs(BACKGROUND_JOBS_MAX);
    options.set_max_open_files(OPEN_FILES_MAX);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_bytes_per_sync(WRITE_BACK_BYTES);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    options.set_keep_log_file_num(INFO_LOG_FILES_MAX);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options
}

fn open_value<'a>(family: Family, key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], StorageFault> {
    values::open(key, stored).map_err(|reason| corrupt(family.describe(key), reason))
}

#[cfg(test)]
mod tests {
    use tributary_types::BlockHeight;

    use super::*;
    use crate::keys::height_key;

    #[test]
    fn a_wrong_value_is_named_by_family_chain_and_height() {
        let key = height_key(ChainId::new(7), BlockHeight::new(9));
        let stored = values::seal(&key, |out| out.extend_from_slice(b"value"));
        assert_eq!(open_value(Family::Blocks, &key, &stored).unwrap(), b"value");
        let other = height_key(ChainId::new(7), BlockHeight::new(10));
        assert_eq!(
            open_value(Family::Blocks, &other, &stored).unwrap_err().to_string(),
            "blocks of chain 7 at 10 is corrupt: checksum does not match"
        );
    }
}
