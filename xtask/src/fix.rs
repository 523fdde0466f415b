//! `cargo xtask fix`: the one chore that rewrites sources.

use anyhow::Result;

use crate::command;

/// Formats, applies clippy's machine-applicable suggestions, and formats those.
///
/// # Errors
///
/// When one of them fails; what had been rewritten stays.
pub fn run() -> Result<()> {
    // First as well: code that does not compile yet can still be formatted.
    format()?;
    command::run(&mut command::cargo([
        "clippy",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
        "--release",
        "--workspace",
        "--all-targets",
    ]))?;
    format()
}

fn format() -> Result<()> {
    command::run(&mut command::cargo(["fmt", "--all"]))
}
