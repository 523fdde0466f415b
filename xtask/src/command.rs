//! Child processes and the folders they work in.
//!
//! Every chore starts its children here, so that all of them run in the
//! workspace's root, with stdin closed, and without the variables that
//! `cargo run` set for this process: build scripts watch some of those, and
//! would rebuild half the tree whenever a chore, not a person, calls cargo.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Set by `cargo run` for the program that it starts.
const CARGO_RUN_PREFIXES: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];

/// The root folder of this checkout.
#[must_use]
pub fn root() -> PathBuf {
    let own = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), Path::to_path_buf)
}

/// Where tools that the gates need are kept between runs and checkouts.
///
/// # Errors
///
/// When neither `XDG_CACHE_HOME` nor `HOME` is set.
pub fn tools_dir() -> Result<PathBuf> {
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(env::var_os("HOME").context("HOME is not set")?).join(".cache"),
    };
    Ok(cache.join("tributary").join("tools"))
}

/// The cargo that started this process.
#[must_use]
pub fn cargo_path() -> PathBuf {
    env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// A call of cargo.
#[must_use]
pub fn cargo<I, S>(arguments: I) -> Command
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = program(cargo_path());
    command.args(arguments);
    command
}

/// A call of any program, in the root folder, with nothing on stdin.
#[must_use]
pub fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if CARGO_RUN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// Runs to the end with this process's stdout and stderr.
///
/// # Errors
///
/// When it cannot start, or ends with anything but 0.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// Runs to the end and returns its stdout; stderr is this process's.
///
/// # Errors
///
/// As [`run`], or when the output is not UTF-8.
pub fn read(command: &mut Command) -> Result<String> {
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", line(command)))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", line(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of `{}`", line(command)))
}

/// Whether it starts and ends with 0; its output is discarded.
#[must_use]
pub fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Which output of a child [`watch`] reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Runs to the end, passing one of its streams through and each line of it to `see`.
///
/// # Errors
///
/// As [`run`].
pub fn watch(command: &mut Command, stream: Stream, mut see: impl FnMut(&str)) -> Result<()> {
    match stream {
        Stream::Stdout => command.stdout(Stdio::piped()),
        Stream::Stderr => command.stderr(Stdio::piped()),
    };
    let mut child = command.spawn().with_context(|| format!("cannot start `{}`", line(command)))?;
    let pipe: Option<Box<dyn Read>> = match stream {
        Stream::Stdout => child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read>),
        Stream::Stderr => child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read>),
    };
    if let Some(pipe) = pipe {
        for text in BufReader::new(pipe).split(b'\n') {
            let text = text.context("reading a child's output")?;
            let text = String::from_utf8_lossy(&text);
            match stream {
                Stream::Stdout => println!("{text}"),
                Stream::Stderr => eprintln!("{text}"),
            }
            see(&text);
        }
    }
    let status = child.wait().with_context(|| format!("waiting for `{}`", line(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", line(command));
    }
    Ok(())
}

/// The command as one would type it, the program without its folder.
#[must_use]
pub fn line(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(name).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_is_named_as_it_would_be_typed() {
        let mut command = Command::new("/bin/sh");
        let error = run(command.args(["-c", "exit 3"])).unwrap_err();
        assert_eq!(error.to_string(), "`sh -c exit 3` ended with exit status: 3");
    }

    #[test]
    fn every_line_of_the_watched_stream_is_seen() {
        let mut seen = Vec::new();
        let mut command = Command::new("sh");
        command.args(["-c", "printf 'a\\nb'"]);
        watch(&mut command, Stream::Stdout, |text| seen.push(text.to_owned())).unwrap();
        assert_eq!(seen, ["a", "b"]);
    }
}
