//! `cargo xtask fix`: the one chore that rewrites sources.

use anyhow::Result;

use crate::command;

/// Applies clippy's machine-applicable suggestions, then formats.
///
/// # Errors
///
/// When one of the two fails; what it had rewritten stays.
pub fn run() -> Result<()> {
    command::run(&mut command::cargo([
        "clippy",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
        "--release",
        "--workspace",
        "--all-targets",
    ]))?;
    command::run(&mut command::cargo(["fmt", "--all"]))
}
