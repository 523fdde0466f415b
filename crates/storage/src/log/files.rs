//! The files under raft-engine, watched: its file system with five additions.
//!
//! - Each sync advances the synced mark (`mark.rs`).
//! - While it recovers, raft-engine cuts a file where the first wrong checksum
//!   is, whatever follows. Here a cut is refused unless it is in the newest
//!   file of its queue and above the mark: only what a crash can have torn.
//! - raft-engine panics when a sync fails. Here the failure is kept for the
//!   caller instead, and stays: after a failed sync nothing is known of the
//!   file's pages, so no later write may be acknowledged.
//! - Space ahead of small writes is filled with zeros, not just reserved: a
//!   sync into written blocks takes about half the time of one into reserved
//!   ones, whose state the file system's journal must change first.
//! - Where the file system offers it, writes go past the page cache
//!   (`direct.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use raft_engine::env::{DefaultFileSystem, FileSystem, Handle, Permission, WriteExt};
use tributary_replica::store::StorageFault;

use super::mark::{Position, Queue, SyncedMark};
use crate::direct::DirectWriter;
use crate::fault::{corrupt, io_fault};

type PlainHandle = <DefaultFileSystem as FileSystem>::Handle;
type PlainReader = <DefaultFileSystem as FileSystem>::Reader;
type PlainWriter = <DefaultFileSystem as FileSystem>::Writer;

/// Bytes of the header that opens a log file of format version 2: a magic
/// string of 53 and two numbers. A file that holds no more holds no entries.
const FILE_HEADER_BYTES: u64 = 53 + 8 + 8;

/// Writes up to this size are worth filling space for: the zeros of one
/// allocation then serve more than a hundred writes.
const FILL_WRITE_BYTES_MAX: u64 = 16 << 10;
/// Zeros written by one call.
const FILL_BYTES: usize = 256 << 10;

/// What is known of the log files, shared by all that touch them.
pub(super) struct Watch {
    mark: Mutex<SyncedMark>,
    newest: [u64; 2],
    /// Size of the last write.
    write_bytes: AtomicU64,
    faults: Mutex<Faults>,
}

#[derive(Default)]
struct Faults {
    /// The last failed operation; the engine may have got over it.
    last: Option<StorageFault>,
    /// What no later write may follow: action and reason.
    lasting: Option<(String, String)>,
}

impl Watch {
    /// Looks at the files of a log before the engine does.
    ///
    /// # Errors
    /// [`StorageFault`] if the mark is unreadable or says that more was synced
    /// than there is.
    pub(super) fn new(mark: &Path, engine: &Path) -> Result<Self, StorageFault> {
        let found = list(engine).map_err(|error| {
            io_fault(format!("list log directory {}", engine.display()), &error)
        })?;
        let mark = SyncedMark::open(mark, found.iter().all(BTreeMap::is_empty))?;
        let mut newest = [0; 2];
        for queue in [Queue::Append, Queue::Rewrite] {
            let files = &found[queue as usize];
            newest[queue as usize] = files.last_key_value().map_or(0, |(sequence, _)| *sequence);
            check_against_mark(engine, files, newest[queue as usize], mark.position(queue))?;
        }
        Ok(Self {
            mark: Mutex::new(mark),
            newest,
            write_bytes: AtomicU64::new(0),
            faults: Mutex::default(),
        })
    }

    /// The fault that explains a failed call of the engine, if a file caused it.
    pub(super) fn take_fault(&self) -> Option<StorageFault> {
        let last = self.lock_faults().last.take();
        self.lasting_fault().or(last)
    }

    /// A fault after which nothing may be acknowledged.
    pub(super) fn lasting_fault(&self) -> Option<StorageFault> {
        let (action, reason) = self.lock_faults().lasting.clone()?;
        Some(StorageFault::Io { action, reason })
    }

    /// Forgets faults that the engine got over.
    pub(super) fn forgive(&self) {
        self.lock_faults().last = None;
    }

    fn keep(&self, fault: StorageFault) {
        self.lock_faults().last = Some(fault);
    }

    fn keep_for_good(&self, fault: &StorageFault) {
        let (action, reason) = match fault {
            StorageFault::Io { action, reason } => (action.clone(), reason.clone()),
            other => ("sync the log".to_owned(), other.to_string()),
        };
        self.lock_faults().lasting.get_or_insert((action, reason));
    }

    fn lock_mark(&self) -> MutexGuard<'_, SyncedMark> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_faults(&self) -> MutexGuard<'_, Faults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of all files of a log, kept ones for reuse included.
pub(super) fn bytes_on_disk(engine: &Path) -> io::Result<u64> {
    fs::read_dir(engine)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

/// Log files by sequence number with their length, per queue.
fn list(engine: &Path) -> io::Result<[BTreeMap<u64, u64>; 2]> {
    let mut found = [BTreeMap::new(), BTreeMap::new()];
    if engine.is_dir() {
        for entry in fs::read_dir(engine)? {
            let entry = entry?;
            if let Some(name) = LogFileName::parse(&entry.path()) {
                found[name.queue as usize].insert(name.sequence, entry.metadata()?.len());
            }
        }
    }
    Ok(found)
}

fn check_against_mark(
    engine: &Path,
    files: &BTreeMap<u64, u64>,
    newest: u64,
    mark: Position,
) -> Result<(), StorageFault> {
    let what = || format!("log file {} in {}", mark.sequence, engine.display());
    match files.get(&mark.sequence) {
        Some(length) if *length < mark.bytes => {
            Err(corrupt(what(), format!("{length} bytes are left of {} synced", mark.bytes)))
        }
        None if mark.sequence > newest => Err(corrupt(what(), "missing")),
        _ => Ok(()),
    }
}

/// Which log file a path names.
#[derive(Debug, Clone, Copy)]
struct LogFileName {
    queue: Queue,
    sequence: u64,
}

impl LogFileName {
    fn parse(path: &Path) -> Option<Self> {
        let queue = match path.extension()?.to_str()? {
            "raftlog" => Queue::Append,
            "rewrite" => Queue::Rewrite,
            _ => return None,
        };
        let sequence = path.file_stem()?.to_str()?.parse().ok()?;
        Some(Self { queue, sequence })
    }
}

/// raft-engine's file system, watched.
pub(super) struct WatchedFiles {
    plain: DefaultFileSystem,
    watch: Arc<Watch>,
}

impl WatchedFiles {
    pub(super) fn new(watch: Arc<Watch>) -> Self {
        Self { plain: DefaultFileSystem, watch }
    }

    fn watched(&self, path: &Path, handle: io::Result<PlainHandle>) -> io::Result<WatchedHandle> {
        let plain = Arc::new(self.kept(path, "open", handle)?);
        let name = LogFileName::parse(path);
        let watch = Arc::clone(&self.watch);
        Ok(WatchedHandle { plain, name, path: path.to_owned(), written: AtomicU64::new(0), watch })
    }

    fn kept<T>(&self, path: &Path, verb: &str, result: io::Result<T>) -> io::Result<T> {
        result.inspect_err(|error| self.watch.keep(file_fault(path, verb, error)))
    }
}

impl FileSystem for WatchedFiles {
    type Handle = WatchedHandle;
    type Reader = PlainReader;
    type Writer = WatchedWriter;

    fn create<P: AsRef<Path>>(&self, path: P) -> io::Result<WatchedHandle> {
        self.watched(path.as_ref(), self.plain.create(path.as_ref()))
    }

    fn open<P: AsRef<Path>>(&self, path: P, permission: Permission) -> io::Result<WatchedHandle> {
        self.watched(path.as_ref(), self.plain.open(path.as_ref(), permission))
    }

    fn delete<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.kept(path.as_ref(), "delete", self.plain.delete(path.as_ref()))
    }

    fn rename<P: AsRef<Path>>(&self, from: P, to: P) -> io::Result<()> {
        self.kept(from.as_ref(), "rename", self.plain.rename(from.as_ref(), to.as_ref()))
    }

    fn new_reader(&self, handle: Arc<WatchedHandle>) -> io::Result<PlainReader> {
        self.plain.new_reader(Arc::clone(&handle.plain))
    }

    fn new_writer(&self, handle: Arc<WatchedHandle>) -> io::Result<WatchedWriter> {
        let plain = self.plain.new_writer(Arc::clone(&handle.plain))?;
        let direct = self.kept(&handle.path, "open", DirectWriter::open(&handle.path))?;
        Ok(WatchedWriter { plain, direct, handle, position: 0 })
    }
}

/// An open log file.
pub(super) struct WatchedHandle {
    plain: Arc<PlainHandle>,
    name: Option<LogFileName>,
    path: PathBuf,
    /// End of what was written to it, in bytes.
    written: AtomicU64,
    watch: Arc<Watch>,
}

impl Handle for WatchedHandle {
    /// Only recovery calls this, to drop what it takes for a torn tail.
    fn truncate(&self, offset: usize) -> io::Result<()> {
        if let Some(LogFileName { queue, sequence }) = self.name {
            let cut = Position { sequence, bytes: offset as u64 };
            let synced = self.watch.lock_mark().position(queue);
            if sequence != self.watch.newest[queue as usize] || cut < synced {
                let what = format!("log file {}", self.path.display());
                let reason = format!("wrong checksum at byte {offset}, in what was synced");
                self.watch.keep(corrupt(what, reason));
                return Err(io::Error::other("synced log entries would be dropped"));
            }
        }
        self.plain.truncate(offset)
    }

    fn file_size(&self) -> io::Result<usize> {
        self.plain.file_size()
    }

    fn sync(&self) -> io::Result<()> {
        let bytes = self.written.load(Ordering::Acquire);
        match self.plain.sync() {
            Err(error) => self.watch.keep_for_good(&file_fault(&self.path, "sync", &error)),
            Ok(()) => {
                if let Some(LogFileName { queue, sequence }) = self.name
                    && bytes > FILE_HEADER_BYTES
                {
                    let synced = Position { sequence, bytes };
                    if let Err(fault) = self.watch.lock_mark().advance(queue, synced) {
                        self.watch.keep_for_good(&fault);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Writes one log file.
pub(super) struct WatchedWriter {
    plain: PlainWriter,
    /// Writes in its place, if there is one.
    direct: Option<DirectWriter>,
    handle: Arc<WatchedHandle>,
    position: u64,
}

impl WatchedWriter {
    /// Writes zeros to the file and comes back.
    fn fill(&mut self, offset: usize, size: usize) -> io::Result<()> {
        if let Some(direct) = &mut self.direct {
            return direct.fill(offset as u64, (offset + size) as u64);
        }
        self.plain.seek(SeekFrom::Start(offset as u64))?;
        let zeros = vec![0; size.min(FILL_BYTES)];
        let mut left = size;
        let mut filled = Ok(());
        while left > 0 && filled.is_ok() {
            let count = left.min(zeros.len());
            filled = self.plain.write_all(&zeros[..count]);
            left -= count;
        }
        self.plain.seek(SeekFrom::Start(self.position))?;
        filled
    }

    fn set_length(&mut self, length: usize) {
        if let Some(direct) = &mut self.direct {
            direct.set_length(length as u64);
        }
    }

    fn kept<T>(&self, verb: &str, result: io::Result<T>) -> io::Result<T> {
        let path = &self.handle.path;
        result.inspect_err(|error| self.handle.watch.keep(file_fault(path, verb, error)))
    }
}

impl Write for WatchedWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = match &mut self.direct {
            Some(direct) => direct.write(self.position, bytes),
            None => self.plain.write(bytes),
        };
        let count = self.kept("write", result)?;
        self.handle.watch.write_bytes.store(bytes.len() as u64, Ordering::Relaxed);
        self.position += count as u64;
        self.handle.written.store(self.position, Ordering::Release);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.plain.flush()
    }
}

impl Seek for WatchedWriter {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.position = self.plain.seek(to)?;
        Ok(self.position)
    }
}

impl WriteExt for WatchedWriter {
    fn truncate(&mut self, offset: usize) -> io::Result<()> {
        let result = self.plain.truncate(offset);
        self.kept("truncate", result)?;
        self.set_length(offset);
        self.position = offset as u64;
        self.handle.written.store(self.position, Ordering::Release);
        Ok(())
    }

    fn allocate(&mut self, offset: usize, size: usize) -> io::Result<()> {
        let small = self.handle.watch.write_bytes.load(Ordering::Relaxed) <= FILL_WRITE_BYTES_MAX;
        let result =
            if small { self.fill(offset, size) } else { self.plain.allocate(offset, size) };
        self.kept("allocate", result)?;
        self.set_length(offset + size);
        Ok(())
    }
}

/// raft-engine's own file layer replaces the system's text by a short word;
/// the kind still says what happened.
fn file_fault(path: &Path, verb: &str, error: &io::Error) -> StorageFault {
    StorageFault::Io {
        action: format!("{verb} {}", path.display()),
        reason: error.kind().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_sync_is_a_fault_for_good() {
        let directory = tempfile::tempdir().unwrap();
        let watch = Watch::new(&directory.path().join("synced"), directory.path()).unwrap();
        let watch = Arc::new(watch);
        let files = WatchedFiles::new(Arc::clone(&watch));
        // A device that cannot be synced.
        let handle = files.open("/dev/null", Permission::ReadWrite).unwrap();
        handle.sync().unwrap();
        watch.forgive();
        for _ in 0..2 {
            let fault = watch.lasting_fault().unwrap().to_string();
            assert_eq!(fault, "sync /dev/null: invalid input parameter");
        }
    }
}
