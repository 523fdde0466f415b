//! Sizes: a file holds one idea, so it is short; a long one says why.

use super::Finding;
use crate::repository::Repository;
use crate::source::Source;

/// Lines of code (without tests) from which a file is worth a look.
const LINES_WARNED: usize = 400;
/// Lines of code (without tests) from which a file needs a reason.
const LINES_MAX: usize = 600;
/// How a head gives the reason.
const REASON: &str = "//! Size:";

/// Checks the size of each Rust file.
pub fn check(repository: &Repository) -> Vec<Finding> {
    repository.sources.iter().filter_map(check_source).collect()
}

fn check_source(source: &Source) -> Option<Finding> {
    let lines = source.code_lines();
    let size = format!("{lines} lines of code without tests");
    if lines > LINES_MAX && !has_reason(&source.text) {
        let message = format!("{size}: split it, or give the reason in its head, `{REASON} ...`");
        return Some(Finding::new(&source.path, 0, message));
    }
    (lines > LINES_WARNED).then(|| Finding::warning(&source.path, 0, size))
}

fn has_reason(text: &str) -> bool {
    let mut head = text.lines().take_while(|line| line.starts_with("//!"));
    head.any(|line| line.strip_prefix(REASON).is_some_and(|reason| !reason.trim().is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(head: &str, code: usize, tests: usize) -> Option<bool> {
        let code = "const A: u8 = 0;\n".repeat(code);
        let tests = "const B: u8 = 0;\n".repeat(tests);
        let text = format!("{head}\n{code}#[cfg(test)]\nmod tests {{\n{tests}}}\n");
        let found = check_source(&Source::parse("src/a.rs", &text).unwrap());
        found.map(|finding| finding.is_warning)
    }

    #[test]
    fn tests_do_not_make_a_file_long() {
        assert_eq!(check_lines("//! A.", 300, 1000), None);
    }

    #[test]
    fn a_long_file_is_warned_about() {
        assert_eq!(check_lines("//! A.", 450, 0), Some(true));
    }

    #[test]
    fn a_very_long_file_needs_a_reason() {
        assert_eq!(check_lines("//! A.", 700, 0), Some(false));
        assert_eq!(check_lines("//! A.\n//! Size:", 700, 0), Some(false));
        assert_eq!(check_lines("//! A.\n//! Size: one table.", 700, 0), Some(true));
    }
}
