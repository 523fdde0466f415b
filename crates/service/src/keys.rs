//! Signing keys in files: a 32-byte Ed25519 seed as 64 hexadecimal digits.
//!
//! A key file is written with mode 0600; one that others may read is used,
//! with a warning. The seed never appears in an error or a log line.

use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use thiserror::Error;
use tributary_types::SigningKey;

/// Mode of a key file.
const KEY_FILE_MODE: u32 = 0o600;
/// Permission bits of everyone but the owner.
const OTHERS_MODE_MASK: u32 = 0o077;

/// Why a key file cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The content is no seed. What was found is not shown.
    #[error("key file {path} does not hold a seed of 64 hexadecimal digits")]
    Malformed {
        /// The file.
        path: String,
    },
}

/// Reads a signing key.
///
/// # Errors
/// [`KeyError`]; a file that others may read only logs a warning.
pub fn read_signing_key(path: &Path) -> Result<SigningKey, KeyError> {
    let io = |source| KeyError::Io { path: path.display().to_string(), source };
    let text = std::fs::read_to_string(path).map_err(io)?;
    let mode = std::fs::metadata(path).map_err(io)?.permissions().mode();
    if mode & OTHERS_MODE_MASK != 0 {
        let mode = mode & 0o777;
        tracing::warn!(path = %path.display(), "key file has mode {mode:o}, expected 600");
    }
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim_end(), &mut seed)
        .map_err(|_| KeyError::Malformed { path: path.display().to_string() })?;
    Ok(SigningKey::from_seed(seed))
}

/// Writes a seed to a new file that only its owner may read.
///
/// # Errors
/// [`KeyError::Io`], also if the file exists: a key is never overwritten.
pub fn write_seed(path: &Path, seed: &[u8; 32]) -> Result<(), KeyError> {
    let io = |source| KeyError::Io { path: path.display().to_string(), source };
    let mut options = std::fs::OpenOptions::new();
    let mut file =
        options.write(true).create_new(true).mode(KEY_FILE_MODE).open(path).map_err(io)?;
    writeln!(file, "{}", hex::encode(seed)).map_err(io)?;
    file.sync_all().map_err(io)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_seed_reads_back_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("validator.key");
        write_seed(&path, &[7; 32]).unwrap();
        let key = read_signing_key(&path).unwrap();
        assert_eq!(key.public(), SigningKey::from_seed([7; 32]).public());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, KEY_FILE_MODE);
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("validator.key");
        write_seed(&path, &[7; 32]).unwrap();
        assert!(matches!(write_seed(&path, &[8; 32]), Err(KeyError::Io { .. })));
    }

    #[test]
    fn other_content_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("validator.key");
        std::fs::write(&path, "hunter2").unwrap();
        let error = read_signing_key(&path).unwrap_err().to_string();
        assert!(error.contains("validator.key") && !error.contains("hunter2"), "{error}");
    }
}
