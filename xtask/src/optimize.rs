//! `cargo xtask optimize`: the programs, compiled for how they are used.
//!
//! ```text
//! release build ──▶ RocksDB, compiled once, for all three builds
//! instrumented build ──▶ some rows of the bench ──▶ profile
//! build guided by the profile, and for this machine alone if asked
//! ```
//!
//! Nothing else changes: same sources, same checks. A release build stays what
//! is tested and handed out; this is for who builds on the machine, or on the
//! kind of machine, that runs the programs. Profile-guided optimization is
//! described in the rustc book, chapter 4.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::repository::target_dir;
use crate::{bench, command};

/// What to build for.
#[derive(Args)]
pub struct Options {
    /// For the processor of this machine alone: elsewhere the programs may not run
    #[arg(long)]
    native: bool,
}

/// Rows of the bench that show how the programs are used: full batches, one
/// merchant, single payments, half of the rate, an idle cluster, and restarts.
const TRAINING: [&str; 6] = ["1", "2", "4", "6", "7", "15"];
/// What merges profiles; rustup's minimal toolchain lacks it.
const COMPONENT: &str = "llvm-tools";
/// The package whose build is reused.
const ROCKSDB: &str = "librocksdb-sys";

/// Builds, measures, builds again, and says where the programs are.
///
/// # Errors
///
/// When a build or a load fails, or rustup cannot install what merges profiles.
pub fn run(options: &Options) -> Result<()> {
    let folder = folder()?;
    let profiles = folder.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles).with_context(|| profiles.display().to_string())?;
    }
    command::run(command::program("rustup").args(["component", "add", COMPONENT]))?;
    let rocksdb = release_build()?;

    let instrumented = folder.join("instrumented");
    let flags = format!("-Cprofile-generate={}", profiles.display());
    build(&instrumented, &flags, &rocksdb, &["--bins"])?;
    let rows = TRAINING.map(str::to_owned);
    bench::drive(&instrumented.join(host()?).join("release"), &rows)?;

    let merged = folder.join("merged.profdata");
    let mut merge = command::program(llvm_profdata()?);
    merge.args(["merge", "--output"]).arg(&merged).args(files(&profiles)?);
    command::run(&mut merge)?;
    let native = if options.native { " -Ctarget-cpu=native" } else { "" };
    let flags = format!("-Cprofile-use={}{native}", merged.display());
    build(&folder.join("guided"), &flags, &rocksdb, &["--bins", "--examples"])?;
    println!("{}", programs()?.display());
    Ok(())
}

/// Where the optimized programs lie, and `examples` beside them.
///
/// # Errors
///
/// When cargo or rustc cannot say.
pub fn programs() -> Result<PathBuf> {
    Ok(folder()?.join("guided").join(host()?).join("release"))
}

fn folder() -> Result<PathBuf> {
    Ok(target_dir()?.join("optimize"))
}

/// The ordinary build; where it compiled RocksDB.
fn release_build() -> Result<PathBuf> {
    let mut cargo = command::cargo(["build", "--release", "--locked", "--workspace", "--bins"]);
    cargo.args(["--message-format", "json-render-diagnostics"]);
    let messages = command::read(&mut cargo)?;
    out_dir(&messages, ROCKSDB).with_context(|| format!("cargo did not say where {ROCKSDB} is"))
}

/// Where the build script of a package wrote to, by cargo's messages.
fn out_dir(messages: &str, package: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let of_package = message["package_id"].as_str()?.contains(&format!("#{package}@"));
        message["out_dir"].as_str().filter(|_| of_package).map(PathBuf::from)
    })
}

/// Builds with flags for everything that runs, but for no build script.
fn build(target_dir: &Path, flags: &str, rocksdb: &Path, what: &[&str]) -> Result<()> {
    let mut cargo = command::cargo(["build", "--release", "--locked", "--workspace"]);
    cargo.args(what).arg("--target").arg(host()?).arg("--target-dir").arg(target_dir);
    cargo.env("RUSTFLAGS", flags).env("ROCKSDB_STATIC", "1").env("ROCKSDB_LIB_DIR", rocksdb);
    command::run(&mut cargo)
}

/// The triple of this machine.
fn host() -> Result<String> {
    let version = command::read(rustc().arg("-vV"))?;
    let line = version.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("rustc does not say what it runs on")?.to_owned())
}

/// The one that belongs to the compiler: profiles are of its version.
fn llvm_profdata() -> Result<PathBuf> {
    let sysroot = command::read(rustc().args(["--print", "sysroot"]))?;
    let tools = Path::new(sysroot.trim()).join("lib/rustlib").join(host()?).join("bin");
    let tool = tools.join("llvm-profdata");
    if !tool.is_file() {
        bail!("{} is missing: rustup's component {COMPONENT}", tool.display());
    }
    Ok(tool)
}

fn rustc() -> Command {
    command::program("rustc")
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    entries.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_build_script_is_found_by_its_package() {
        let line = |package: &str, folder: &str| {
            format!(
                r#"{{"reason":"build-script-executed","package_id":"registry+https://x#{package}@1.2.3","out_dir":"{folder}"}}"#
            )
        };
        let compiled = r##"{"reason":"compiler-artifact","package_id":"registry+https://x#b@1"}"##;
        let messages =
            ["not JSON", &line("a", "/a/out"), compiled, &line("b", "/b/out")].join("\n");
        assert_eq!(out_dir(&messages, "b"), Some(PathBuf::from("/b/out")));
        assert_eq!(out_dir(&messages, "c"), None);
    }
}
