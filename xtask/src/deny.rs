//! Licences, bans, sources and advisories of the dependency tree.
//!
//! `cargo-deny` does the checking, by the rules in `deny.toml`. A pinned
//! version of it is built once into the user's cache; nothing has to be
//! installed beforehand.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::command;

const VERSION: &str = "0.20.2";

/// Longest wait for the advisory database, which lives on another host.
const FETCH_SECONDS_MAX: &str = "60";

/// Checks licences, bans and sources, for which no network is needed.
///
/// # Errors
///
/// When a check finds something, or `cargo-deny` cannot be installed.
pub fn check_tree() -> Result<()> {
    let mut deny = command::program(install()?);
    deny.args(["--locked", "check", "licenses", "bans", "sources", "--hide-inclusion-graph"]);
    command::run(&mut deny)
}

/// Checks the security advisories, if their database can be reached.
///
/// # Errors
///
/// When a database that was reached names a crate of ours.
pub fn check_advisories() -> Result<()> {
    let binary = install()?;
    let mut fetch = command::program("timeout");
    fetch.arg(FETCH_SECONDS_MAX).arg(&binary).args(["fetch", "db"]);
    if !command::succeeds(&mut fetch) {
        println!("advisories not checked: their database cannot be reached from this machine");
        return Ok(());
    }
    // The database is here now; `--offline` keeps a second fetch from failing.
    command::run(command::program(binary).args(["--offline", "check", "advisories"]))
}

/// The path of the pinned `cargo-deny`, which is built first if it is missing.
fn install() -> Result<PathBuf> {
    let tools = command::tools_dir()?;
    let binary = tools.join("bin").join("cargo-deny");
    if is_current(&binary) {
        return Ok(binary);
    }
    println!("building cargo-deny {VERSION} once, into {}", tools.display());
    // Its own build folder, so that an interrupted build is continued by the
    // next run and no file of ours is ever rebuilt because of it.
    let build = tools.join("target");
    let mut cargo = command::cargo(["install", "--locked", "--force", "cargo-deny", "--version"]);
    cargo.arg(VERSION).arg("--root").arg(&tools).env("CARGO_TARGET_DIR", &build);
    command::run(&mut cargo).context("cargo-deny is needed and could not be built")?;
    std::fs::remove_dir_all(&build).with_context(|| format!("removing {}", build.display()))?;
    Ok(binary)
}

fn is_current(binary: &Path) -> bool {
    let version = command::program(binary).arg("--version").output();
    version.is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1) == Some(VERSION)
    })
}
