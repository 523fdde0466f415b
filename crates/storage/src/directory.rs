//! A directory that one process holds at a time.
//!
//! The lock is the kernel's advisory lock on a file (`flock`), so it ends with
//! the process, however that ends. raft-engine and RocksDB lock their own
//! directories too; this lock comes first and says it in our words.
//!
//! Beside the lock stands the format of everything else in it, as a decimal
//! number in a file: it is read before the engine reads anything.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use tributary_replica::store::StorageFault;

use crate::fault::io_fault;

const LOCK_FILE: &str = "lock";
/// A file that is in every such directory.
pub(crate) const FORMAT_FILE: &str = "format";
/// The format file while it is written.
const FORMAT_DRAFT: &str = "format.new";

/// A directory that exists and is held until this is dropped.
#[derive(Debug)]
pub(crate) struct HeldDirectory {
    path: PathBuf,
    lock: File,
    format: u32,
}

impl HeldDirectory {
    /// Creates the directory where it is missing, locks it and checks that it
    /// is of one of these formats; one that does not say is new, and of the last.
    ///
    /// # Errors
    /// [`StorageFault::InUse`], [`StorageFault::OtherFormat`], or
    /// [`StorageFault::Io`] if it cannot be made.
    pub(crate) fn hold(path: &Path, formats: RangeInclusive<u32>) -> Result<Self, StorageFault> {
        let failed = |error| io_fault(format!("open directory {}", path.display()), &error);
        create_durably(path).map_err(failed)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {
                let format = check_format(path, formats, failed)?;
                Ok(Self { path: path.to_owned(), lock, format })
            }
            Err(TryLockError::WouldBlock) => Err(StorageFault::InUse(path.display().to_string())),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Of what format everything in it is.
    pub(crate) const fn format(&self) -> u32 {
        self.format
    }

    /// Says, durably, that everything in it is of another format now.
    ///
    /// # Errors
    /// [`StorageFault::Io`].
    pub(crate) fn set_format(&mut self, format: u32) -> Result<(), StorageFault> {
        let action = || format!("write the format of {}", self.path.display());
        write_format(&self.path, format).map_err(|error| io_fault(action(), &error))?;
        self.format = format;
        Ok(())
    }
}

impl Drop for HeldDirectory {
    /// Closing the file would leave the lock to a child that another thread has
    /// forked and that has not yet become another program.
    fn drop(&mut self) {
        // If that fails, the lock ends with the process at the latest.
        self.lock.unlock().ok();
    }
}

/// The format of a directory, which is to be one of these.
fn check_format(
    directory: &Path,
    mut formats: RangeInclusive<u32>,
    failed: impl Fn(io::Error) -> StorageFault,
) -> Result<u32, StorageFault> {
    let newest = *formats.end();
    match fs::read(directory.join(FORMAT_FILE)) {
        Ok(content) => {
            let known = formats.find(|format| content == format!("{format}\n").into_bytes());
            known.ok_or_else(|| StorageFault::OtherFormat {
                directory: directory.display().to_string(),
                found: String::from_utf8_lossy(&content).trim().to_owned(),
                expected: newest,
            })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write_format(directory, newest).map_err(failed)?;
            Ok(newest)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Durably, and whole at any moment.
fn write_format(directory: &Path, format: u32) -> io::Result<()> {
    let draft = directory.join(FORMAT_DRAFT);
    let mut file = File::create(&draft)?;
    writeln!(file, "{format}")?;
    file.sync_all()?;
    fs::rename(draft, directory.join(FORMAT_FILE))?;
    sync_directory(directory)
}

/// Creates a directory and makes its name, and those above it that are new,
/// durable.
pub(crate) fn create_durably(path: &Path) -> io::Result<()> {
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
