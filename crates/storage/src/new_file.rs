//! Files that are written once, from begin to end, past the page cache where that
//! is offered, and read the same way.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use crate::direct::{BLOCK_BYTES, BUFFER_BYTES, Buffer, direct_flag, is_offered, split};

/// How much a reader takes from the device at once who reads forwards, in bytes.
pub(crate) const READ_AHEAD_BYTES: usize = BUFFER_BYTES;

/// A new file that is written from begin to end.
pub(crate) struct NewFile {
    file: File,
    buffer: Buffer,
    /// Bytes in the buffer; those of its last block may have been written already.
    gathered: usize,
    /// Bytes in the file before them: whole blocks.
    written: u64,
    /// Whether some of what is gathered is not in the file.
    is_behind: bool,
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
        let buffer = Buffer::new(BUFFER_BYTES);
        Ok(Self { file, buffer, gathered: 0, written: 0, is_behind: false })
    }

    /// Adds bytes behind what is there; returns where they begin.
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
            self.is_behind = true;
            bytes = later;
            if self.gathered == BUFFER_BYTES {
                self.publish()?;
            }
        }
        Ok(begin)
    }

    /// Sees to it that all that was appended can be read. Until the file is
    /// finished, zeros follow it to the end of a block.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn publish(&mut self) -> io::Result<()> {
        if !self.is_behind {
            return Ok(());
        }
        let whole = self.gathered.next_multiple_of(BLOCK_BYTES);
        let buffer = &mut self.buffer.bytes()[..whole];
        buffer[self.gathered..].fill(0);
        self.file.write_all_at(buffer, self.written)?;
        let full = self.gathered / BLOCK_BYTES * BLOCK_BYTES;
        buffer.copy_within(full..self.gathered, 0);
        self.written += full as u64;
        self.gathered -= full;
        self.is_behind = false;
        Ok(())
    }

    /// Makes all of it durable, but for the file's name.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.publish()?;
        if self.gathered > 0 {
            self.file.set_len(self.written + self.gathered as u64)?;
        }
        self.file.sync_all()
    }
}

/// Reads a file.
pub(crate) struct FileReader {
    file: File,
    /// What is taken from the device at once, at least.
    ahead: usize,
    /// Begins with what was read last.
    buffer: Buffer,
    /// Where that stands in the file.
    held: Range<u64>,
}

impl FileReader {
    /// Opens a file, to take so many bytes from the device at once, at least.
    ///
    /// # Errors
    /// Whatever the system says.
    pub(crate) fn open(path: &Path, ahead: usize) -> io::Result<Self> {
        let flags = if is_offered(path) { direct_flag() } else { 0 };
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        Ok(Self { file, ahead, buffer: Buffer::new(0), held: 0..0 })
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
        let wanted = (before + length).max(self.ahead).next_multiple_of(BLOCK_BYTES);
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::direct::tests::{bytes, file};

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
        let mut begins = Vec::new();
        for part in &parts {
            begins.push(new.append(part).unwrap());
            new.publish().unwrap();
            // What was appended can be read at once, whatever follows it.
            let mut reader = FileReader::open(path, 0).unwrap();
            let begin = begins[begins.len() - 1];
            assert!(reader.read(begin, part.len()).unwrap() == part, "part at {begin}");
        }
        new.finish().unwrap();
        assert!(fs::read(path).unwrap() == parts.concat());
        for ahead in [0, READ_AHEAD_BYTES] {
            reads(path, ahead, &parts, &begins);
        }
    }

    fn reads(path: &Path, ahead: usize, parts: &[Vec<u8>], begins: &[u64]) {
        let mut reader = FileReader::open(path, ahead).unwrap();
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
}
