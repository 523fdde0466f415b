//! The README's commands, run as a reader would run them.
//!
//! Every block fenced as `sh` is run, in order, in one shell that starts in
//! the root of the checkout, because a reader has one terminal too: what a
//! block exports, the next one sees. `TMPDIR` is a fresh folder. A block
//! fenced as `sh no_run` is passed over and begins with a comment that says
//! why; blocks of any other kind are not commands.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::command;

/// Tells the chores that the README starts, such as `cargo xtask test`, that
/// they run inside of its test.
const RUNNING: &str = "TRIBUTARY_README_IS_RUNNING";

/// Longest run of all commands together; a forgotten Ctrl-C must not hang CI.
const SECONDS_MAX: &str = "1200";

/// Whether this process was started by a command of the README under test.
#[must_use]
pub fn is_running() -> bool {
    env::var_os(RUNNING).is_some()
}

/// Runs the commands of `README.md`.
///
/// # Errors
///
/// When there is no README, it has no commands, or one of them fails.
pub fn run() -> Result<()> {
    let path = command::root().join("README.md");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let blocks = blocks(&text)?;
    if !blocks.iter().any(|block| block.skipped.is_none()) {
        bail!("README.md has no commands to run (no block fenced as `sh`)");
    }
    for block in &blocks {
        if let Some(reason) = &block.skipped {
            println!("README.md:{}: not run: {reason}", block.line);
        }
    }
    let scratch = Scratch::create()?;
    let script = scratch.0.join("readme.sh");
    fs::write(&script, render(&blocks)).context("writing the README's commands")?;
    let mut shell = command::program("timeout");
    shell.args(["--kill-after=10", SECONDS_MAX, "bash"]).arg(&script);
    shell.env("TMPDIR", &scratch.0).env(RUNNING, "1");
    command::run(&mut shell).context("the README's commands failed after the last line shown")
}

/// One fenced block of shell commands.
#[derive(Debug, PartialEq)]
struct Block {
    /// Line of the opening fence, from 1.
    line: usize,
    commands: String,
    /// Why it is not run.
    skipped: Option<String>,
}

fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((index, opening)) = lines.next() {
        let Some(info) = opening.strip_prefix("```") else { continue };
        let line = index + 1;
        let mut commands = String::new();
        loop {
            match lines.next() {
                Some((_, "```")) => break,
                Some((_, text)) => commands.extend([text, "\n"]),
                None => bail!("README.md:{line}: this block is never closed"),
            }
        }
        match info.trim() {
            "sh" => blocks.push(Block { line, commands, skipped: None }),
            "sh no_run" => {
                let first = commands.lines().next().unwrap_or_default();
                let Some(reason) = first.strip_prefix("# ").map(str::to_owned) else {
                    bail!(
                        "README.md:{line}: a block that is not run begins with a reason (`# ...`)"
                    );
                };
                blocks.push(Block { line, commands, skipped: Some(reason) });
            }
            _ => {}
        }
    }
    Ok(blocks)
}

/// The script of all blocks that are run; each is announced before it starts.
fn render(blocks: &[Block]) -> String {
    let mut script = String::from("set -euo pipefail\n");
    for block in blocks.iter().filter(|block| block.skipped.is_none()) {
        script.push_str(&format!("cat <<'END_OF_BLOCK'\nREADME.md:{}:\n", block.line));
        script.extend(block.commands.lines().map(|line| format!("  {line}\n")));
        script.push_str("END_OF_BLOCK\n");
        script.push_str(&block.commands);
    }
    script
}

/// A folder of this run, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Result<Self> {
        let path = env::temp_dir().join(format!("tributary-readme-{}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("creating {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_blocks_fenced_as_sh_are_commands() {
        let text =
            "# T\n```sh\nls\n```\n```rust\nfn f() {}\n```\n```sh no_run\n# stays up\nup\n```\n";
        let found = blocks(text).unwrap();
        let lines: Vec<_> = found.iter().map(|block| (block.line, &block.skipped)).collect();
        assert_eq!(lines, [(2, &None), (8, &Some("stays up".to_owned()))]);
        assert_eq!(found[0].commands, "ls\n");
    }

    #[test]
    fn a_block_that_is_not_run_has_to_say_why() {
        let error = blocks("```sh no_run\nup\n```\n").unwrap_err();
        assert!(error.to_string().starts_with("README.md:1:"), "{error}");
    }

    #[test]
    fn an_unclosed_block_is_refused() {
        assert!(blocks("```sh\nls\n").is_err());
    }

    #[test]
    fn blocks_share_one_shell_that_stops_at_the_first_failure() {
        let found = blocks("```sh\nX=1\n```\n```sh\necho \"x=$X\"\nfalse\necho no\n```\n").unwrap();
        let output = std::process::Command::new("bash").args(["-c", &render(&found)]).output();
        let output = output.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success());
        assert!(text.ends_with("x=1\n"), "{text}");
    }
}
