//! Heads: every Rust file begins by saying what it is.

use super::Finding;
use crate::repository::Repository;

/// Checks the first line of each Rust file.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let headless = repository.texts(".rs").filter(|(_, text)| !has_head(text));
    headless.map(|(path, _)| Finding::new(path, 1, "has to begin with `//!`")).collect()
}

fn has_head(text: &str) -> bool {
    let first = text.lines().next().and_then(|line| line.strip_prefix("//!"));
    first.is_some_and(|words| !words.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::with_files;

    #[test]
    fn a_file_without_a_head_is_found() {
        let repository = with_files(&[
            ("src/a.rs", "//! Parses.\n"),
            ("src/b.rs", "use std::fmt;\n//! Late.\n"),
            ("src/c.rs", "//!\n"),
            ("src/d.rs", ""),
        ]);
        let paths: Vec<_> = check(&repository).into_iter().map(|f| f.path).collect();
        assert_eq!(paths, ["src/b.rs", "src/c.rs", "src/d.rs"]);
    }
}
