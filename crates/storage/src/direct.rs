//! Writing past the page cache.
//!
//! Nobody reads the log before the next start, and few read what RocksDB flushes.
//! In the page cache each 4 KiB of it would take a page that was not used before,
//! and a copy into it; so blocks go from one buffer to the device (`O_DIRECT`,
//! open(2)). RocksDB does so itself; for the log it is done here, for files beside
//! RocksDB in [`new_file`](crate::new_file).
//!
//! Such writes are whole blocks. What follows the end of the last one is
//! zeros, and the next write repeats the block with them replaced: bytes that
//! were written before are written again as they were, as the page cache does.
//! The file itself is never longer than it was made: raft-engine takes zeros at
//! the end of any but the newest file for damage.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, OFlags, StatxFlags, statx};

/// What positions, lengths and the buffer's address are multiples of.
pub(crate) const BLOCK_BYTES: usize = 4 << 10;
/// What one call writes at most.
pub(crate) const BUFFER_BYTES: usize = 1 << 20;

/// Writes one file, forwards.
pub(crate) struct DirectWriter {
    file: File,
    buffer: Buffer,
    /// Length that the file is to have, and has after each call.
    length: u64,
    /// End of what was written last; the buffer begins with its part of the
    /// last block.
    end: Option<u64>,
}

impl DirectWriter {
    /// Opens a file; `None` where the file system does not offer such writes, or
    /// only of larger blocks.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn open(path: &Path) -> io::Result<Option<Self>> {
        if !is_offered(path) {
            return Ok(None);
        }
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(direct_flag()).open(path)?;
        let length = file.metadata()?.len();
        Ok(Some(Self { file, buffer: Buffer::new(BUFFER_BYTES), length, end: None }))
    }

    /// Writes at `position`; returns how many bytes. What follows them in their
    /// last block is lost.
    ///
    /// # Errors
    /// Whatever the system says; then nothing counts as written.
    pub(crate) fn write(&mut self, position: u64, bytes: &[u8]) -> io::Result<usize> {
        let (block, kept) = split(position);
        if self.end != Some(position) {
            self.load(block, kept)?;
        }
        let count = bytes.len().min(BUFFER_BYTES - kept);
        let end = kept + count;
        let buffer = &mut self.buffer.bytes()[..end.next_multiple_of(BLOCK_BYTES)];
        buffer[kept..end].copy_from_slice(&bytes[..count]);
        buffer[end..].fill(0);
        self.file.write_all_at(buffer, block)?;
        buffer.copy_within(end / BLOCK_BYTES * BLOCK_BYTES..end, 0);
        let written_to = block + buffer.len() as u64;
        let position = position + count as u64;
        self.end = Some(position);
        self.grow(position, written_to)?;
        Ok(count)
    }

    /// Somebody else has given the file another length.
    pub(crate) fn set_length(&mut self, length: u64) {
        self.length = length;
    }

    /// The file is to be `length` long at least, and blocks up to `written_to`
    /// may have made it longer.
    fn grow(&mut self, length: u64, written_to: u64) -> io::Result<()> {
        let before = self.length;
        self.length = before.max(length);
        if written_to > before { self.file.set_len(self.length) } else { Ok(()) }
    }

    /// Makes the file end at `to`, and fills the blocks that begin in `from..to`
    /// with zeros.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn fill(&mut self, from: u64, to: u64) -> io::Result<()> {
        let mut at = from.next_multiple_of(BLOCK_BYTES as u64);
        // The first block may hold the end of what was written.
        let zeros = &mut self.buffer.bytes()[BLOCK_BYTES..BUFFER_BYTES];
        zeros.fill(0);
        while at < to {
            let left = usize::try_from(to - at).unwrap_or(usize::MAX);
            let count = left.min(zeros.len()).next_multiple_of(BLOCK_BYTES);
            self.file.write_all_at(&zeros[..count], at)?;
            at += count as u64;
        }
        self.grow(to, at)
    }

    /// Begins the buffer with what is on disk before a position.
    fn load(&mut self, block: u64, kept: usize) -> io::Result<()> {
        self.end = None;
        if kept > 0 {
            let buffer = &mut self.buffer.bytes()[..BLOCK_BYTES];
            if self.file.read_at(buffer, block)? < kept {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

/// Memory that begins where blocks may.
pub(crate) struct Buffer {
    /// The bytes, and before them what aligns them.
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// So many bytes of zeros.
    pub(crate) fn new(length: usize) -> Self {
        let memory = vec![0; length + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        Self { memory, start, length }
    }

    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.length]
    }
}

/// As open(2) wants it.
pub(crate) fn direct_flag() -> i32 {
    OFlags::DIRECT.bits().cast_signed()
}

/// Where the block of a position begins, and how far into it the position is.
pub(crate) fn split(position: u64) -> (u64, usize) {
    let block = position / BLOCK_BYTES as u64 * BLOCK_BYTES as u64;
    (block, usize::try_from(position - block).expect("less than a block"))
}

/// Whether a file's system offers such writes, of blocks that are no larger.
/// statx(2) knows since Linux 6.1.
pub(crate) fn is_offered(path: &Path) -> bool {
    let Ok(found) = statx(CWD, path, AtFlags::empty(), StatxFlags::DIOALIGN) else { return false };
    let fits = |align: u32| align > 0 && BLOCK_BYTES.is_multiple_of(align as usize);
    found.stx_mask & StatxFlags::DIOALIGN.bits() != 0
        && fits(found.stx_dio_mem_align)
        && fits(found.stx_dio_offset_align)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs;

    use super::*;

    /// Beside the test itself: the system's own place may be in memory.
    pub(crate) fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let test = std::env::current_exe().unwrap();
        let directory = tempfile::tempdir_in(test.parent().unwrap()).unwrap();
        let path = directory.path().join("file");
        fs::write(&path, []).unwrap();
        (directory, path)
    }

    pub(crate) fn bytes(count: usize, salt: usize) -> Vec<u8> {
        (0..count).map(|index| ((index + salt) * 2_654_435_761).to_le_bytes()[1] | 1).collect()
    }

    fn write_all(writer: &mut DirectWriter, position: usize, mut bytes: &[u8]) {
        let mut at = position as u64;
        while !bytes.is_empty() {
            let count = writer.write(at, bytes).unwrap();
            at += count as u64;
            bytes = &bytes[count..];
        }
    }

    #[test]
    fn writes_of_any_size_follow_each_other() {
        let (_directory, path) = file();
        let Some(mut writer) = DirectWriter::open(&path).unwrap() else { return };
        let mut expected = Vec::new();
        let sizes = [69, 1, 4_026, 1, 4_095, 4_096, 8_192, 10, BUFFER_BYTES, 3 * BUFFER_BYTES + 7];
        for (salt, size) in sizes.into_iter().chain(1..300).enumerate() {
            let part = bytes(size, salt);
            write_all(&mut writer, expected.len(), &part);
            expected.extend(part);
        }
        let found = fs::read(&path).unwrap();
        assert!(found == expected, "{} bytes of {}", found.len(), expected.len());
    }

    #[test]
    fn a_writer_goes_on_where_another_has_ended() {
        let (_directory, path) = file();
        let Some(mut first) = DirectWriter::open(&path).unwrap() else { return };
        let expected = bytes(20_000, 1);
        write_all(&mut first, 0, &expected[..5_000]);
        let mut second = DirectWriter::open(&path).unwrap().unwrap();
        write_all(&mut second, 5_000, &expected[5_000..12_000]);
        // What is written again replaces what was there.
        write_all(&mut first, 9_000, &expected[9_000..]);
        assert!(fs::read(&path).unwrap() == expected);
        let past_the_end = second.write(100_001, b"later").unwrap_err();
        assert_eq!(past_the_end.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn zeros_spare_the_block_that_is_in_use() {
        let (_directory, path) = file();
        let Some(mut writer) = DirectWriter::open(&path).unwrap() else { return };
        let expected = bytes(9_000, 2);
        write_all(&mut writer, 0, &expected[..6_000]);
        let length = (3 << 20) + 5;
        writer.fill(6_000, length).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), length);
        write_all(&mut writer, 6_000, &expected[6_000..]);
        let found = fs::read(&path).unwrap();
        assert!(found[..9_000] == expected && found[9_000..].iter().all(|byte| *byte == 0));
    }
}
