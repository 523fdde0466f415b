//! Which machine and which commit figures belong to.

use std::fmt;
use std::fs;
use std::thread::available_parallelism;

use anyhow::Result;

use crate::command;

/// Letters of a commit's hash in names.
const COMMIT_LETTERS: &str = "--short=12";

/// A machine, in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    model: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
}

/// The machine that this process runs on; what cannot be told is left empty.
pub fn describe() -> Machine {
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        model: field(&processor, "model name").unwrap_or("unknown processor").to_owned(),
        cores: cores(),
        memory_gib: field(&memory, "MemTotal")
            .and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
            .map_or(0, |kib| kib.div_ceil(1 << 20)),
        kernel: kernel.trim().to_owned(),
    }
}

/// How many cores this process may use.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// The commit of the checkout, with `-changed` if files differ from it.
///
/// # Errors
///
/// When git cannot say.
pub fn commit() -> Result<String> {
    let git = |arguments: &[&str]| command::read(command::program("git").args(arguments));
    let commit = git(&["rev-parse", COMMIT_LETTERS, "HEAD"])?;
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let changed = if changes.is_empty() { "" } else { "-changed" };
    Ok(format!("{}{changed}", commit.trim()))
}

/// The value of `NAME : VALUE`, the first such line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_once(':').map(|(_, value)| value.trim())
}

impl Machine {
    /// For names of files.
    pub fn slug(&self) -> String {
        let text = format!("{}-{}cores-{}gib", self.model, self.cores, self.memory_gib);
        let letters =
            text.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '-' });
        let text: String = letters.collect::<String>().to_lowercase();
        let words: Vec<&str> = text.split('-').filter(|word| !word.is_empty()).collect();
        words.join("-")
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { model, cores, memory_gib, kernel } = self;
        write!(f, "{model}, {cores} cores, {memory_gib} GiB, Linux {kernel}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_file_name() {
        let machine = Machine {
            model: "AMD EPYC (Zen 5)".to_owned(),
            cores: 2,
            memory_gib: 24,
            kernel: "6.1".to_owned(),
        };
        assert_eq!(machine.slug(), "amd-epyc-zen-5-2cores-24gib");
        assert_eq!(machine.to_string(), "AMD EPYC (Zen 5), 2 cores, 24 GiB, Linux 6.1");
    }

    #[test]
    fn the_value_after_the_first_colon_is_read() {
        assert_eq!(field("a : x\nmodel name\t: A: B\n", "model name"), Some("A: B"));
    }
}
