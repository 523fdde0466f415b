//! A directory that one process holds at a time.
//!
//! The lock is the kernel's advisory lock on a file (`flock`), so it ends with
//! the process, however that ends. raft-engine and RocksDB lock their own
//! directories too; this lock comes first and says it in our words.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use tributary_replica::store::StorageFault;

use crate::fault::io_fault;

const LOCK_FILE: &str = "lock";

/// A directory that exists and is held until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldDirectory {
    path: PathBuf,
    _lock: File,
}

impl HeldDirectory {
    /// Creates the directory where it is missing and locks it.
    ///
    /// # Errors
    /// [`StorageFault::InUse`], or [`StorageFault::Io`] if it cannot be made.
    pub(crate) fn hold(path: &Path) -> Result<Self, StorageFault> {
        let failed = |error| io_fault(format!("open directory {}", path.display()), &error);
        create_durably(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(StorageFault::InUse(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Creates a directory and makes its name, and those above it that are new,
/// durable.
fn create_durably(path: &Path) -> io::Result<()> {
    let missing: Vec<_> = path.ancestors().take_while(|above| !above.is_dir()).collect();
    if path.exists() && !missing.is_empty() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    fs::create_dir_all(path)?;
    missing.into_iter().filter_map(Path::parent).try_for_each(sync_directory)
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let here = Path::new(".");
    File::open(if path.as_os_str().is_empty() { here } else { path })?.sync_all()
}
