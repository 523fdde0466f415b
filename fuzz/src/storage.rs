//! What stands on disk beside the state itself: keys and values of the
//! database, the mark of the log, and the file that says the format. What was
//! written is read, and what was changed is noticed.
//!
//! The storage crate cannot be built for fuzzing (RocksDB); these are its own
//! sources.

use std::ops::RangeInclusive;
use std::path::Path;

use directory::HeldDirectory;
use mark::{Position, Queue, SyncedMark};
use page_table::{PagePlace, PageTable};
use tributary_chain::{Certificate, Header};
use tributary_ledger::page::PageKey;
use tributary_replica::store::StorageFault;
use tributary_types::{ChainId, Encode, Reader};
use values::CheckpointRecord;

use crate::canonical::one_encoding;
use crate::folder::{file, place, told};
use crate::samples::{HF, WORLD};

#[path = "../../crates/storage/src/directory.rs"]
#[expect(dead_code, reason = "an upgrade uses the rest")]
mod directory;
#[path = "../../crates/storage/src/keys.rs"]
#[expect(dead_code, reason = "the database uses the rest")]
mod keys;
#[path = "../../crates/storage/src/log/mark.rs"]
mod mark;
#[path = "../../crates/storage/src/page_table.rs"]
#[expect(dead_code, reason = "checkpoints use the rest")]
mod page_table;
#[path = "../../crates/storage/src/values.rs"]
pub(crate) mod values;

/// Bytes of the mark; more are ignored.
const MARK_BYTES: usize = 44;
/// Formats that are read.
const FORMATS: RangeInclusive<u32> = 1..=2;

/// A key, and what is stored under it: whatever its checksum covers decodes
/// to the one value that it encodes.
pub(crate) fn stored_value(bytes: &[u8]) {
    let at = keys::HEIGHT_KEY_BYTES.min(bytes.len());
    let (key, stored) = bytes.split_at(at);
    key_of_a_page(key);
    if let Ok(height) = keys::height_of(key) {
        let chain = ChainId::new(u16::from_be_bytes([key[0], key[1]]));
        assert!(keys::height_key(chain, height) == key, "another key");
    }
    if let Ok(value) = values::open(key, stored) {
        assert!(values::seal(key, |out| out.extend_from_slice(value)) == stored);
    }
    any_value(stored);
    let mut sealed = values::seal(key, |out| out.extend_from_slice(stored));
    assert_eq!(values::open(key, &sealed), Ok(stored));
    let bit = bytes.iter().fold(0_usize, |sum, byte| sum * 31 % 65_521 + usize::from(*byte));
    let bit = bit % (8 * sealed.len());
    sealed[bit / 8] ^= 1 << (bit % 8);
    assert!(values::open(key, &sealed).is_err(), "bit {bit} is flipped");
}

fn key_of_a_page(key: &[u8]) {
    let key = &key[..keys::PAGE_KEY_BYTES.min(key.len())];
    match keys::page_of(key) {
        Ok(page) => {
            let chain = ChainId::new(u16::from_be_bytes([key[0], key[1]]));
            assert!(keys::page_key(chain, page) == key, "another key");
        }
        Err(fault) => told(&fault),
    }
}

/// Every decoder of values sees the same bytes.
fn any_value(value: &[u8]) {
    one_encoding::<(CheckpointRecord, PageTable)>(value);
    one_encoding::<(Header, Certificate)>(value);
    if let Ok((body, outcomes)) = values::parts(value) {
        let mut again = Vec::new();
        values::put_parts(body, outcomes, &mut again);
        assert!(again == value, "other parts");
    }
}

pub(crate) fn stored_values() -> Vec<Vec<u8>> {
    let (chain, body, executed) = &WORLD.blocks[3];
    let header = &executed.header;
    let key = keys::height_key(*chain, header.height);
    let page = PageKey { section: 2, number: 7 };
    let bare = [&keys::page_key(HF, page)[..], &[0; 3]].concat();
    let record = CheckpointRecord { index: 9, term: 2, header: header.clone() };
    let place = PagePlace { key: page, sequence: 4, offset: 9, length: 80, checksum: 5 };
    let table = PageTable { sequence: 5, pages: vec![place; 2] };
    let certified = (header.clone(), WORLD.certificate(header)).to_bytes();
    let mut block = Vec::new();
    values::put_parts(&body.to_bytes(), &executed.outcomes.to_bytes(), &mut block);
    let plain = [(record, table).to_bytes(), certified, block];
    let sealed = plain.iter().map(|value| {
        let stored = values::seal(&key, |out| out.extend_from_slice(value));
        [&key[..], &stored].concat()
    });
    let bare = plain.iter().map(|value| [&bare[..], value].concat());
    sealed.chain(bare).collect()
}

/// The mark of the log. A mark that is read is what writing its positions
/// gives; it only moves on; a flipped bit is noticed.
pub(crate) fn log_mark(bytes: &[u8]) {
    let path = file("mark", bytes);
    match SyncedMark::open(&path, false) {
        Ok(mark) => {
            let written = std::fs::read(written(positions(&mark))).expect("a file just written");
            assert!(written == bytes[..MARK_BYTES], "another mark");
        }
        Err(fault) => told(&fault),
    }
    let remade = SyncedMark::open(&path, true);
    assert!(remade.is_ok() || bytes.len() >= MARK_BYTES, "a log without files begins anew");
    let mut reader = Reader::new(bytes);
    let Ok(numbers) = reader.array::<33>("positions and a bit") else { return };
    marked(&numbers);
}

/// Positions taken as they are.
fn marked(numbers: &[u8; 33]) {
    let number =
        |at: usize| numbers[at..at + 8].iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
    let position = |at| Position { sequence: number(at), bytes: number(at + 8) };
    let expected = [position(0), position(16)];
    let path = written(expected);
    let reopened = SyncedMark::open(&path, false).expect("a mark just written");
    assert_eq!(positions(&reopened), expected);
    let mut content = std::fs::read(&path).expect("a file just written");
    let bit = usize::from(numbers[32]) % (8 * MARK_BYTES);
    content[bit / 8] ^= 1 << (bit % 8);
    assert!(SyncedMark::open(&file("mark-flipped", &content), false).is_err(), "bit {bit}");
}

fn positions(mark: &SyncedMark) -> [Position; 2] {
    [mark.position(Queue::Append), mark.position(Queue::Rewrite)]
}

/// A new mark that was moved to these positions, and back, which does nothing.
fn written([append, rewrite]: [Position; 2]) -> std::path::PathBuf {
    let path = file("mark-written", b"");
    let mut mark = SyncedMark::open(&path, true).expect("a mark of an empty log");
    for (queue, position) in [(Queue::Append, append), (Queue::Rewrite, rewrite)] {
        mark.advance(queue, position).expect("a small file can be written");
        mark.advance(queue, Position::default()).expect("a small file can be written");
    }
    path
}

pub(crate) fn log_marks() -> Vec<Vec<u8>> {
    let position = |sequence, bytes| Position { sequence, bytes };
    let marks = [
        [position(0, 0), position(0, 0)],
        [position(3, 70_001), position(1, 99)],
        [position(u64::MAX, u64::MAX), position(0, 1)],
    ];
    let read = |positions| std::fs::read(written(positions)).expect("a file just written");
    let mut samples: Vec<_> = marks.map(read).to_vec();
    samples.push([&samples[1][..], b"more"].concat());
    samples.push(b"TRIBMRK1".to_vec());
    samples
}

/// The file that says the format: exactly one content is the right one, any
/// other is told, and none is changed.
pub(crate) fn format_file(bytes: &[u8]) {
    let directory = place("directory");
    std::fs::create_dir_all(&directory).expect("a folder can be made");
    let path = directory.join("format");
    std::fs::write(&path, bytes).expect("a small file can be written");
    let right: Vec<_> = FORMATS.map(|format| format!("{format}\n").into_bytes()).collect();
    match HeldDirectory::hold(&directory, FORMATS) {
        Ok(held) => {
            assert!(bytes == format!("{}\n", held.format()).as_bytes(), "another format is taken");
            assert_eq!(held.path(), directory);
            let second = HeldDirectory::hold(&directory, FORMATS);
            assert!(matches!(second, Err(StorageFault::InUse(_))), "held twice");
        }
        Err(StorageFault::OtherFormat { found, expected, .. }) => {
            assert!(!right.iter().any(|right| bytes == right) && expected == *FORMATS.end());
            assert_eq!(found, String::from_utf8_lossy(bytes).trim());
        }
        Err(other) => panic!("{other}"),
    }
    assert_eq!(std::fs::read(path).ok().as_deref(), Some(bytes), "the file was changed");
    format_file_is_made(&directory, &right[right.len() - 1]);
}

/// A directory that does not say its format is new.
fn format_file_is_made(directory: &Path, right: &[u8]) {
    let path = directory.join("format");
    std::fs::remove_file(&path).expect("the file is there");
    assert!(HeldDirectory::hold(directory, FORMATS).is_ok());
    assert_eq!(std::fs::read(path).ok().as_deref(), Some(right));
}

pub(crate) fn format_files() -> Vec<Vec<u8>> {
    ["1\n", "1", "2\n", "3\n", "01\n", "", "1\n\n"].map(|text| text.as_bytes().to_vec()).into()
}
