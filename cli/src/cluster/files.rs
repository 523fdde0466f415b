//! Files of a cluster that are read and replaced while processes may use them.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;

/// Mode of what anybody may read.
pub const PUBLIC_MODE: u32 = 0o644;
/// Mode of a key.
pub const PRIVATE_MODE: u32 = 0o600;

/// Reads a text.
///
/// # Errors
/// If it cannot be read; names the file.
pub fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Replaces a file, so that at any moment it holds the old or the new content.
///
/// # Errors
/// If it cannot be written; names the file.
pub fn replace(path: &Path, content: &str, mode: u32) -> anyhow::Result<()> {
    let written = || {
        let draft = path.with_extension("new");
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(mode).open(&draft)?;
        file.write_all(content.as_bytes())?;
        fs::rename(&draft, path)
    };
    written().with_context(|| format!("cannot write {}", path.display()))
}
