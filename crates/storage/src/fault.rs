//! How errors of the system and of the engines become [`StorageFault`]s: one
//! sentence each, with what was being done and where.

use std::io::{self, ErrorKind};
use std::path::Path;

use tributary_replica::store::StorageFault;
use tributary_types::codec::DecodeError;

/// A fault of the operating system.
pub(crate) fn io_fault(action: impl Into<String>, error: &io::Error) -> StorageFault {
    StorageFault::Io { action: action.into(), reason: error.to_string() }
}

/// A fault of reading a file that is to be there, whole.
pub(crate) fn read_fault(path: &Path, error: &io::Error) -> StorageFault {
    match error.kind() {
        ErrorKind::NotFound => corrupt(path.display().to_string(), "missing"),
        ErrorKind::UnexpectedEof => corrupt(path.display().to_string(), "too short"),
        _ => io_fault(format!("read {}", path.display()), error),
    }
}

/// Bytes that are there and wrong.
pub(crate) fn corrupt(what: impl Into<String>, reason: impl Into<String>) -> StorageFault {
    StorageFault::Corrupt { what: what.into(), reason: reason.into() }
}

/// Bytes whose checksum is right but whose encoding is not.
pub(crate) fn undecodable(what: impl Into<String>, error: &DecodeError) -> StorageFault {
    corrupt(what, error.to_string())
}

/// A fault that RocksDB reports while doing `action`.
pub(crate) fn rocksdb_fault(action: impl Into<String>, error: &rocksdb::Error) -> StorageFault {
    let text = error.to_string();
    if error.kind() == rocksdb::ErrorKind::Corruption {
        let reason = text.strip_prefix("Corruption: ").unwrap_or(&text);
        corrupt(action, reason)
    } else {
        let reason = text.strip_prefix("IO error: ").unwrap_or(&text).to_owned();
        StorageFault::Io { action: action.into(), reason }
    }
}

/// A fault that raft-engine reports while doing `action`.
pub(crate) fn raft_engine_fault(
    action: impl Into<String>,
    error: &raft_engine::Error,
) -> StorageFault {
    use raft_engine::Error;
    match error {
        Error::Corruption(_)
        | Error::Codec(_)
        | Error::Protobuf(_)
        | Error::EntryCompacted
        | Error::EntryNotFound => corrupt(action, error.to_string()),
        Error::Io(error) => io_fault(action, error),
        Error::InvalidArgument(_) | Error::TryAgain(_) | Error::Full | Error::Other(_) => {
            StorageFault::Io { action: action.into(), reason: error.to_string() }
        }
    }
}
