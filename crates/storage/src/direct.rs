//! Writing a file past the page cache, and reading one.
//!
//! Nobody reads the log before the next start, and few read what RocksDB flushes.
//! In the page cache each 4 KiB of it would take a page that was not used before,
//! and a copy into it; so blocks go from one buffer to the device (`O_DIRECT`,
//! open(2)). RocksDB does so itself; for the log it is done here.
//!
//! Such writes are whole blocks. What follows the end of the last one is
//! zeros, and the next write repeats the block with them replaced: bytes that
//! were written before are written again as they were, as the page cache does.
//! The file itself is never longer than it was made: raft-engine takes zeros at
//! the end of any but the newest file for damage.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, OFlags, StatxFlags, statx};

/// What positions, lengths and the buffer's address are multiples of.
const BLOCK_BYTES: usize = 4 << 10;
/// What one call writes at most.
const BUFFER_BYTES: usize = 1 << 20;

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

/// A new file that is written from begin to end, past the page cache where that
/// is offered.
pub(crate) struct NewFile {
    file: File,
    buffer: Buffer,
    /// Bytes in the buffer, and in the file before them.
    gathered: usize,
    written: u64,
}

impl NewFile {
    /// Creates a file; one of that name is emptied.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        if is_offered(path) {
            file = OpenOptions::new().write(true).custom_flags(direct_flag()).open(path)?;
        }
        Ok(Self { file, buffer: Buffer::new(BUFFER_BYTES), gathered: 0, written: 0 })
    }

    /// Writes behind what is there; returns where that is.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> io::Result<u64> {
        let begin = self.written + self.gathered as u64;
        while !bytes.is_empty() {
            let room = &mut self.buffer.bytes()[self.gathered..];
            let (now, later) = bytes.split_at(bytes.len().min(room.len()));
            room[..now.len()].copy_from_slice(now);
            self.gathered += now.len();
            bytes = later;
            if self.gathered == BUFFER_BYTES {
                self.write()?;
            }
        }
        Ok(begin)
    }

    /// Makes all of it durable, but for the file's name.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if self.gathered > 0 {
            self.write()?;
            self.file.set_len(self.written)?;
        }
        self.file.sync_all()
    }

    /// Writes what is gathered, to the end of its last block.
    fn write(&mut self) -> io::Result<()> {
        let whole = self.gathered.next_multiple_of(BLOCK_BYTES);
        let buffer = &mut self.buffer.bytes()[..whole];
        buffer[self.gathered..].fill(0);
        self.file.write_all_at(buffer, self.written)?;
        self.written += self.gathered as u64;
        self.gathered = 0;
        Ok(())
    }
}

/// Reads a file past the page cache where that is offered, a megabyte at a time:
/// for reading forwards.
pub(crate) struct FileReader {
    file: File,
    /// Begins with what was read last.
    buffer: Buffer,
    /// Where that stands in the file.
    held: Range<u64>,
}

impl FileReader {
    /// Opens a file.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let flags = if is_offered(path) { direct_flag() } else { 0 };
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Self { file, buffer: Buffer::new(BUFFER_BYTES), held: 0..0 })
    }

    /// So many bytes from `position` on.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file is shorter; whatever else the system says.
    pub(crate) fn read(&mut self, position: u64, length: usize) -> io::Result<&[u8]> {
        let end = position.checked_add(length as u64).ok_or(io::ErrorKind::UnexpectedEof)?;
        if position < self.held.start || end > self.held.end {
            self.load(position, length)?;
            if end > self.held.end {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let from = usize::try_from(position - self.held.start).map_err(io::Error::other)?;
        Ok(&self.buffer.bytes()[from..][..length])
    }

    /// Holds so many bytes, and more, if the file has them.
    fn load(&mut self, position: u64, length: usize) -> io::Result<()> {
        let (block, before) = split(position);
        let wanted = (before + length).max(BUFFER_BYTES).next_multiple_of(BLOCK_BYTES);
        if self.buffer.bytes().len() < wanted {
            self.buffer = Buffer::new(wanted);
        }
        self.held = block..block;
        let buffer = &mut self.buffer.bytes()[..wanted];
        let mut found = 0;
        // Less than whole blocks come only at the end of the file.
        while found < wanted && found.is_multiple_of(BLOCK_BYTES) {
            match self.file.read_at(&mut buffer[found..], block + found as u64)? {
                0 => break,
                count => found += count,
            }
        }
        self.held = block..block + found as u64;
        Ok(())
    }
}

/// Memory that begins where blocks may.
struct Buffer {
    /// The bytes, and before them what aligns them.
    memory: Vec<u8>,
    start: usize,
    length: usize,
}

impl Buffer {
    fn new(length: usize) -> Self {
        let memory = vec![0; length + BLOCK_BYTES];
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        Self { memory, start, length }
    }

    fn bytes(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..][..self.length]
    }
}

/// As open(2) wants it.
fn direct_flag() -> i32 {
    OFlags::DIRECT.bits().cast_signed()
}

/// Where the block of a position begins, and how far into it the position is.
fn split(position: u64) -> (u64, usize) {
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
mod tests {
    use std::fs;

    use super::*;

    /// Beside the test itself: the system's own place may be in memory.
    fn file() -> (tempfile::TempDir, std::path::PathBuf) {
        let test = std::env::current_exe().unwrap();
        let directory = tempfile::tempdir_in(test.parent().unwrap()).unwrap();
        let path = directory.path().join("file");
        fs::write(&path, []).unwrap();
        (directory, path)
    }

    fn bytes(count: usize, salt: usize) -> Vec<u8> {
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
    fn a_new_file_reads_as_it_was_written_in_any_order() {
        let (_directory, path) = file();
        writes_and_reads(&path);
        // In memory there is no way past the cache.
        if Path::new("/dev/shm").is_dir() {
            let directory = tempfile::tempdir_in("/dev/shm").unwrap();
            writes_and_reads(&directory.path().join("file"));
        }
    }

    fn writes_and_reads(path: &Path) {
        let sizes = [3, 4_093, 70_000, 1, BUFFER_BYTES + 5, 0, 2 * BUFFER_BYTES, 9];
        let parts: Vec<_> = (0..).zip(sizes).map(|(salt, size)| bytes(size, salt)).collect();
        let mut new = NewFile::create(path).unwrap();
        let begins: Vec<_> = parts.iter().map(|part| new.append(part).unwrap()).collect();
        new.finish().unwrap();
        assert!(fs::read(path).unwrap() == parts.concat());
        let mut reader = FileReader::open(path).unwrap();
        for number in [0, 1, 2, 3, 4, 5, 6, 7, 2, 7, 4, 0, 5, 6] {
            let part = &parts[number];
            assert!(reader.read(begins[number], part.len()).unwrap() == part, "part {number}");
        }
        let end = begins[7] + 9;
        for (position, length) in [(end, 1), (end - 8, 9), (1 << 40, 1), (u64::MAX, 2)] {
            let error = reader.read(position, length).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{length} at {position}");
        }
        assert_eq!(reader.read(end - 8, 8).unwrap(), &parts[7][1..]);
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
