//! `cargo xtask lines`: how much Rust each crate is.
//!
//! Blank lines count nowhere; a line that begins as a comment counts as one;
//! the others are code or, by the rule in `source`, tests.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::repository::Repository;
use crate::source::Source;

/// Prints the table.
///
/// # Errors
///
/// When the checkout cannot be read.
pub fn run() -> Result<()> {
    let repository = Repository::read()?;
    let mut crates: BTreeMap<&str, Count> = BTreeMap::new();
    for source in &repository.sources {
        let package = repository.package_of(&source.path);
        let name = package.map_or("(no crate)", |package| package.name.as_str());
        crates.entry(name).or_default().add(&Count::of(source));
    }
    let mut total = Count::default();
    println!("{:<24} {:>6} {:>8} {:>9} {:>8}", "crate", "files", "code", "comments", "tests");
    for (name, count) in &crates {
        count.print(name);
        total.add(count);
    }
    total.print("total");
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Count {
    files: usize,
    code: usize,
    comments: usize,
    tests: usize,
}

impl Count {
    fn of(source: &Source) -> Self {
        let mut count = Self { files: 1, ..Self::default() };
        for (index, line) in source.text.lines().enumerate() {
            let line = line.trim_start();
            if line.is_empty() {
                continue;
            }
            let kind = if source.is_test(index + 1) {
                &mut count.tests
            } else if line.starts_with("//") {
                &mut count.comments
            } else {
                &mut count.code
            };
            *kind += 1;
        }
        count
    }

    fn add(&mut self, other: &Self) {
        self.files += other.files;
        self.code += other.code;
        self.comments += other.comments;
        self.tests += other.tests;
    }

    fn print(&self, name: &str) {
        let Self { files, code, comments, tests } = self;
        println!("{name:<24} {files:>6} {code:>8} {comments:>9} {tests:>8}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_counts_once() {
        let text = "//! A.\n\nfn a() {} // b\n#[test]\nfn c() {\n    // d\n}\n";
        let count = Count::of(&Source::parse("src/a.rs", text).unwrap());
        assert_eq!(count, Count { files: 1, code: 1, comments: 1, tests: 4 });
    }
}
