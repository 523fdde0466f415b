//! `cargo xtask demo`: builds everything, then becomes the demo.
//!
//! The demo itself is a subcommand of the binary `tributary`. This process is
//! replaced by it, so the terminal, Ctrl-C and the exit code are the demo's.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::repository::target_dir;
use crate::{command, readme, setup};

/// Builds and starts the demo; returns only when that fails.
///
/// # Errors
///
/// When something the build needs is missing, the build fails, or the binary
/// cannot be started.
pub fn run(once: bool) -> Result<()> {
    setup::install_packages()?;
    command::run(&mut command::cargo(["build", "--release", "--locked", "--workspace", "--bins"]))?;
    let binary = target_dir()?.join("release").join("tributary");
    if !binary.is_file() {
        bail!("the build made no {}", binary.display());
    }
    let mut demo = Command::new(&binary);
    demo.arg("demo");
    // Nobody is there to press Ctrl-C when the README is being tested.
    if once || readme::is_running() {
        demo.arg("--once");
    }
    Err(demo.exec()).with_context(|| format!("cannot start {}", binary.display()))
}
