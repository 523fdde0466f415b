//! The layout of what a disk stores: log entries, the record of a log,
//! checkpoints, certified headers, whole writes.

use tributary_chain::{Certificate, Header};
use tributary_replica::store::{Checkpoint, HardState, LogEntry, LogWrite};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_exact};
use tributary_types::{ChainId, canonical};

/// Bytes of an entry before its data: index, term, kind.
const ENTRY_HEAD_BYTES: usize = 8 + 8 + 1;

/// What is remembered of a chain's log beside its entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogRecord {
    pub term: u64,
    pub vote: u64,
    pub commit: u64,
    /// Index up to which entries were dropped.
    pub compacted_to: u64,
}
canonical!(LogRecord { term: u64, vote: u64, commit: u64, compacted_to: u64 });

/// A checkpoint without its pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    pub index: u64,
    pub term: u64,
    pub header: Header,
}
canonical!(SavedState { index: u64, term: u64, header: Header });

/// A header with its certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    pub header: Header,
    pub certificate: Certificate,
}
canonical!(Certified { header: Header, certificate: Certificate });

/// A write of a log as one record of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteRecord {
    pub chain: ChainId,
    pub entries: Vec<Vec<u8>>,
    pub hard_state: Option<(u64, (u64, u64))>,
    pub compact_to: Option<u64>,
}
canonical!(WriteRecord {
    chain: ChainId,
    entries: Vec<Vec<u8>>,
    hard_state: Option<(u64, (u64, u64))>,
    compact_to: Option<u64>,
});

impl LogRecord {
    pub const fn hard_state(self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.commit }
    }

    pub const fn set_hard_state(&mut self, hard_state: HardState) {
        let HardState { term, vote, commit } = hard_state;
        (self.term, self.vote, self.commit) = (term, vote, commit);
    }
}

impl From<&Checkpoint> for SavedState {
    fn from(checkpoint: &Checkpoint) -> Self {
        let Checkpoint { index, term, header, pages: _ } = checkpoint;
        Self { index: *index, term: *term, header: header.clone() }
    }
}

impl From<LogWrite> for WriteRecord {
    fn from(write: LogWrite) -> Self {
        let LogWrite { chain, entries, hard_state, compact_to } = write;
        let entries = entries.iter().map(entry_bytes).collect();
        let numbers = |HardState { term, vote, commit }| (term, (vote, commit));
        Self { chain, entries, hard_state: hard_state.map(numbers), compact_to }
    }
}

impl WriteRecord {
    /// # Errors
    /// An entry is too short.
    pub fn write(self) -> Result<LogWrite, DecodeError> {
        let Self { chain, entries, hard_state, compact_to } = self;
        let entries = entries.iter().map(|bytes| entry(bytes)).collect::<Result<_, _>>()?;
        let numbers = |(term, (vote, commit))| HardState { term, vote, commit };
        Ok(LogWrite { chain, entries, hard_state: hard_state.map(numbers), compact_to })
    }
}

/// An entry of a log in bytes; its data is their end.
pub fn entry_bytes(entry: &LogEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ENTRY_HEAD_BYTES + entry.data.len());
    entry.index.encode(&mut bytes);
    entry.term.encode(&mut bytes);
    entry.kind.encode(&mut bytes);
    bytes.extend_from_slice(&entry.data);
    bytes
}

/// The entry of these bytes.
///
/// # Errors
/// They are too short.
pub fn entry(bytes: &[u8]) -> Result<LogEntry, DecodeError> {
    let mut reader = Reader::new(bytes);
    let (index, term) = <(u64, u64)>::decode(&mut reader)?;
    let kind = u8::decode(&mut reader)?;
    let data = reader.take_shared(reader.remaining(), "data")?;
    Ok(LogEntry { index, term, kind, data })
}

/// The data of an entry in bytes.
pub fn data_of(entry: &[u8]) -> &[u8] {
    entry.get(ENTRY_HEAD_BYTES..).unwrap_or_default()
}

/// What was written as a value of this type; its default if nothing was.
pub fn known<T: Decode + Default>(written: Option<&[u8]>) -> T {
    written.and_then(|bytes| decode_exact(bytes).ok()).unwrap_or_default()
}
