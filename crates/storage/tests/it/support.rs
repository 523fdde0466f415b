//! Records with recognisable content, and damage to files.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, Header};
use tributary_ledger::{Page, PageKey};
use tributary_replica::store::{
    Checkpoint, HardState, LoadedLog, LogEntry, LogStore, LogWrite, StorageFault, StoredBlock,
};
use tributary_storage::{LogLimits, RaftEngineLog};
use tributary_types::{BlockHeight, ChainId, Hash, Signature, TimeMs};

/// Files so small that a few writes fill one.
pub const SMALL_LOG: LogLimits =
    LogLimits { file_bytes: 16 << 10, purge_bytes: 64 << 10, prefill_bytes: 32 << 10 };

pub fn chain(number: u16) -> ChainId {
    ChainId::new(number)
}

pub fn height(number: u64) -> BlockHeight {
    BlockHeight::new(number)
}

/// Bytes that differ with every argument and look like nothing else.
pub fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    std::iter::repeat_with(|| dice.roll().to_le_bytes()).flatten().take(length).collect()
}

/// A log entry whose data says which it is.
pub fn entry(chain: u16, index: u64, term: u64, length: usize) -> LogEntry {
    let seed = (u64::from(chain) << 48) ^ (term << 32) ^ index;
    LogEntry { index, term, kind: 0, data: bytes(seed, length).into() }
}

/// A write of entries `first..=last`, committed up to the one before.
pub fn append(number: u16, first: u64, last: u64, term: u64) -> LogWrite {
    LogWrite {
        chain: chain(number),
        entries: (first..=last).map(|index| entry(number, index, term, 60)).collect(),
        hard_state: Some(HardState { term, vote: 1, commit: first - 1 }),
        compact_to: None,
    }
}

pub fn compact(number: u16, to: u64) -> LogWrite {
    LogWrite { chain: chain(number), compact_to: Some(to), ..LogWrite::default() }
}

/// First and last index.
pub fn span(log: &LoadedLog) -> Option<(u64, u64)> {
    Some((log.entries.first()?.index, log.entries.last()?.index))
}

pub fn header(number: u16, at: u64, time: u64) -> Header {
    let hash = |salt: u8| Hash::from_bytes([salt ^ at.to_le_bytes()[0]; 32]);
    Header {
        chain: chain(number),
        height: height(at),
        parent: hash(1),
        time: TimeMs::new(time),
        validator_set: hash(2),
        body_root: hash(3),
        receipts_root: hash(4),
        state_root: hash(5),
        channels_root: hash(6),
    }
}

/// A block at a height, 10 ms after the one before.
pub fn block(number: u16, at: u64, length: usize) -> StoredBlock {
    StoredBlock {
        header: header(number, at, at * 10),
        body: bytes(at, length).into(),
        outcomes: bytes(!at, length / 3).into(),
    }
}

pub fn certificate(at: u64) -> Certificate {
    let mut signature = [0; 64];
    signature[..8].copy_from_slice(&at.to_le_bytes());
    let signature = Signature::from_bytes(signature);
    Certificate { votes: vec![Vote { validator: 0, signature }, Vote { validator: 2, signature }] }
}

pub fn page(section: u8, number: u32, content: &[u8]) -> Page {
    Page { key: PageKey { section, number }, bytes: content.to_vec().into() }
}

pub fn checkpoint(number: u16, at: u64, pages: Vec<Page>) -> Checkpoint {
    Checkpoint { index: at + 100, term: 3, header: header(number, at, at * 10), pages }
}

/// A small generator of numbers, the same on every machine (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// A directory for tests that open thousands of logs and lose no power: in
/// memory where the system has such a place, since each open syncs.
pub fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub fn open_log(directory: &Path) -> Result<RaftEngineLog, StorageFault> {
    RaftEngineLog::open(directory, SMALL_LOG)
}

/// Opens a log and reads one chain.
pub fn reload(directory: &Path, number: u16) -> Result<LoadedLog, StorageFault> {
    open_log(directory)?.load(chain(number))
}

/// What a crash of the process would leave: all files as they are now.
pub fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All files below a directory, with length above zero, in order of name.
pub fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.metadata().unwrap().len() > 0 {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The newest file of a log's append queue.
pub fn last_log_file(directory: &Path) -> PathBuf {
    let found = files(&directory.join("engine"));
    found.into_iter().rfind(|path| path.extension().is_some_and(|e| e == "raftlog")).unwrap()
}

pub fn cut(file: &Path, length: u64) {
    fs::OpenOptions::new().write(true).open(file).unwrap().set_len(length).unwrap();
}

pub fn flip(file: &Path, bit: usize) {
    let mut content = fs::read(file).unwrap();
    content[bit / 8] ^= 1 << (bit % 8);
    fs::write(file, content).unwrap();
}

/// Whether a fault says that bytes are wrong.
pub fn is_corrupt(fault: &StorageFault) -> bool {
    matches!(fault, StorageFault::Corrupt { .. })
}
