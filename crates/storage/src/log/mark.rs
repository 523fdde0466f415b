//! The synced mark: how much of each log queue is known to be on disk.
//!
//! A checksum cannot tell a write that a crash tore (never acknowledged: to be
//! dropped) from an acknowledged one that rotted (to be reported). The mark
//! can: it is advanced after each sync, so what lies below it was synced once.
//! It is written in place and never synced on the hot path: after the crash of
//! the process it is exact; after a power failure it may be up to the kernel's
//! write-back interval old, and only what lies above it is judged by checksums
//! alone. It is never ahead of the log.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use tributary_replica::store::StorageFault;

use crate::fault::{corrupt, io_fault};

/// Names the format; another version gets another one.
const MAGIC: [u8; 8] = *b"TRIBMRK1";
/// Magic, two positions, checksum. Below a disk sector: never torn.
const MARK_BYTES: usize = 8 + 4 * 8 + 4;

/// The two queues of raft-engine: entries as written, and entries that purging
/// moved so that old files could go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// `*.raftlog`.
    Append,
    /// `*.rewrite`.
    Rewrite,
}

/// A place in a queue: a file by its sequence number, and an offset in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Position {
    /// Number of the file; 0 before the first.
    pub(super) sequence: u64,
    /// Bytes of it.
    pub(super) bytes: u64,
}

/// The open mark file.
#[derive(Debug)]
pub(super) struct SyncedMark {
    file: File,
    path: PathBuf,
    positions: [Position; 2],
}

impl SyncedMark {
    /// Opens the mark of a log; `log_is_empty` if there are no log files, so
    /// that a missing or half-created mark is made anew.
    ///
    /// # Errors
    /// [`StorageFault`], also for a log whose mark is missing or wrong.
    pub(super) fn open(path: &Path, log_is_empty: bool) -> Result<Self, StorageFault> {
        let failed = |error| io_fault(format!("open {}", path.display()), &error);
        let file = OpenOptions::new()
            .create(log_is_empty)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::NotFound => {
                    corrupt(path.display().to_string(), "missing beside log files")
                }
                _ => failed(error),
            })?;
        let length = file.metadata().map_err(failed)?.len();
        let mut mark = Self { file, path: path.to_owned(), positions: Default::default() };
        if log_is_empty && length < MARK_BYTES as u64 {
            mark.store()?;
            mark.sync()?;
        } else {
            let mut bytes = [0; MARK_BYTES];
            mark.file.read_exact_at(&mut bytes, 0).map_err(failed)?;
            mark.positions = decode(&bytes)
                .ok_or_else(|| corrupt(path.display().to_string(), "checksum does not match"))?;
        }
        Ok(mark)
    }

    /// What is known to be synced.
    pub(super) fn position(&self, queue: Queue) -> Position {
        self.positions[queue as usize]
    }

    /// Notes that everything before `position` is synced.
    ///
    /// # Errors
    /// [`StorageFault::Io`].
    pub(super) fn advance(&mut self, queue: Queue, position: Position) -> Result<(), StorageFault> {
        let known = &mut self.positions[queue as usize];
        if position <= *known {
            return Ok(());
        }
        let next_file = position.sequence > known.sequence;
        *known = position;
        self.store()?;
        if next_file { self.sync() } else { Ok(()) }
    }

    /// Makes the mark itself durable.
    ///
    /// # Errors
    /// [`StorageFault::Io`].
    pub(super) fn sync(&self) -> Result<(), StorageFault> {
        self.file.sync_data().map_err(|error| self.failed("sync", &error))
    }

    fn store(&self) -> Result<(), StorageFault> {
        let bytes = encode(&self.positions);
        self.file.write_all_at(&bytes, 0).map_err(|error| self.failed("write", &error))
    }

    fn failed(&self, verb: &str, error: &std::io::Error) -> StorageFault {
        io_fault(format!("{verb} {}", self.path.display()), error)
    }
}

fn encode(positions: &[Position; 2]) -> [u8; MARK_BYTES] {
    let mut bytes = [0; MARK_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    let numbers = positions.iter().flat_map(|position| [position.sequence, position.bytes]);
    for (slot, number) in bytes[8..40].chunks_exact_mut(8).zip(numbers) {
        slot.copy_from_slice(&number.to_le_bytes());
    }
    let checksum = crc32c::crc32c(&bytes[..40]);
    bytes[40..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(bytes: &[u8; MARK_BYTES]) -> Option<[Position; 2]> {
    let number = |index: usize| {
        let start = 8 + 8 * index;
        bytes[start..start + 8].try_into().map(u64::from_le_bytes).unwrap_or_default()
    };
    let position = |index| Position { sequence: number(index), bytes: number(index + 1) };
    let positions = [position(0), position(2)];
    (encode(&positions) == *bytes).then_some(positions)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_of_a_mark_is_noticed() {
        let positions =
            [Position { sequence: 3, bytes: 70_001 }, Position { sequence: 1, bytes: 99 }];
        let bytes = encode(&positions);
        assert_eq!(decode(&bytes), Some(positions));
        for bit in 0..8 * MARK_BYTES {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&flipped), None, "bit {bit}");
        }
    }
}
