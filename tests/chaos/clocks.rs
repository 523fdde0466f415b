//! Clocks of nodes that are wrong: every node process runs under libfaketime,
//! which reads from a file how far its wall clock is off, again every second.
//! Monotonic clocks stay true, and so do the clients' clocks.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Programs whose clocks are moved.
const NODES: [&str; 2] = ["shard-node", "hf-aggregator"];
/// Where Debian's package `libfaketime` puts the library, below the folder of
/// an architecture.
const LIBRARY: &str = "faketime/libfaketime.so.1";
/// The file beside a node's configuration that says how far its clock is off.
const OFFSET_FILE: &str = "clock-offset";
/// Ends the name of a node's program behind its wrapper.
const PROGRAM_SUFFIX: &str = "true-time";

/// The library, if it is installed.
pub fn library() -> Option<PathBuf> {
    let architectures = fs::read_dir("/usr/lib").ok()?.flatten();
    architectures.map(|entry| entry.path().join(LIBRARY)).find(|path| path.is_file())
}

/// Puts a wrapper in place of each node program in a folder. It becomes the
/// program, so process ids and command lines are as ever.
///
/// # Errors
/// If a file cannot be written.
pub fn wrap(programs: &Path, library: &Path) -> Result<()> {
    for name in NODES {
        let program = programs.join(name);
        fs::rename(&program, program.with_extension(PROGRAM_SUFFIX))
            .with_context(|| format!("{} is missing", program.display()))?;
        fs::write(&program, wrapper(library))?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Its arguments are `--config FILE`.
fn wrapper(library: &Path) -> String {
    let library = library.display();
    format!(
        "#!/bin/sh\n\
         export FAKETIME_TIMESTAMP_FILE=\"$(dirname \"$2\")/{OFFSET_FILE}\"\n\
         export FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1\n\
         export LD_PRELOAD=\"{library}\"\n\
         exec \"$0.{PROGRAM_SUFFIX}\" \"$@\"\n"
    )
}

/// Sets how far the clock of a node is off, in milliseconds. It counts within
/// a second, and for the processes that take its place.
///
/// # Errors
/// If the file cannot be written.
pub fn set(node: &Path, offset_ms: i64) -> Result<()> {
    let draft = node.join(format!("{OFFSET_FILE}.new"));
    let sign = if offset_ms < 0 { '-' } else { '+' };
    let (seconds, rest) = (offset_ms.unsigned_abs() / 1_000, offset_ms.unsigned_abs() % 1_000);
    fs::write(&draft, format!("{sign}{seconds}.{rest:03}\n"))?;
    fs::rename(&draft, node.join(OFFSET_FILE))?;
    Ok(())
}
