//! `cargo xtask tidy`: what a reviewer would otherwise say twice.
//!
//! One file per rule, each a function from the repository to what it finds,
//! tested with a sample that breaks it. Nothing is rewritten. Warnings are
//! shown and pass; everything else fails.

use anyhow::{Result, bail};

use crate::repository::Repository;

mod adr;
mod floors;
mod functions;
mod heads;
mod heavy;
mod leftovers;
mod links;
mod manifests;
mod purity;
mod sizes;

/// What a rule found.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// File from the root of the repository.
    path: String,
    /// Line from 1, or 0 when the file as a whole is meant.
    line: usize,
    message: String,
    is_warning: bool,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line, message: message.into(), is_warning: false }
    }

    fn warning(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self { is_warning: true, ..Self::new(path, line, message) }
    }
}

const RULES: [fn(&Repository) -> Vec<Finding>; 11] = [
    unparsed,
    floors::check,
    heavy::check,
    manifests::check,
    heads::check,
    sizes::check,
    functions::check,
    purity::check,
    leftovers::check,
    links::check,
    adr::check,
];

/// Checks every rule and prints what it finds.
///
/// # Errors
///
/// When a rule finds something that is not a warning.
pub fn run() -> Result<()> {
    let repository = Repository::read()?;
    let findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&repository)).collect();
    for Finding { path, line, message, is_warning } in &findings {
        let place = if *line == 0 { path.clone() } else { format!("{path}:{line}") };
        println!("{place}: {}{message}", if *is_warning { "warning: " } else { "" });
    }
    let failures = findings.iter().filter(|finding| !finding.is_warning).count();
    if failures > 0 {
        bail!("tidy found {failures} things to put right");
    }
    Ok(())
}

fn unparsed(repository: &Repository) -> Vec<Finding> {
    let unparsed = repository.unparsed.iter();
    unparsed.map(|(path, error)| Finding::new(path, 0, format!("is not Rust: {error}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::with_files;

    #[test]
    fn a_file_that_does_not_parse_is_found() {
        let found = unparsed(&with_files(&[("src/a.rs", "fn {")]));
        assert_eq!(found[0].path, "src/a.rs");
    }
}
