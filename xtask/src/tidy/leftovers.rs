//! Leftovers: nothing that says "later" or was for a moment's debugging.
//!
//! Macros and attributes are looked for in code, words in code, comments and
//! every other text; what stands inside of a string is free.

use super::Finding;
use crate::repository::Repository;
use crate::source::{Source, pattern};

const TOKENS: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore]"];
const WORDS: [&str; 2] = ["TODO", "FIXME"];

/// Written by tools.
const GENERATED: [&str; 1] = ["Cargo.lock"];

/// Checks every text of the repository.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let sources = repository.sources.iter().flat_map(check_source);
    let texts = repository
        .texts("")
        .filter(|(path, _)| !path.ends_with(".rs") && !GENERATED.contains(path));
    sources.chain(texts.flat_map(|(path, text)| check_words(path, text))).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut findings = check_words(&source.path, &source.without_literals());
    for leftover in TOKENS {
        let pattern = pattern(leftover);
        for window in source.tokens.windows(pattern.len()) {
            if window.iter().map(|token| &token.text).eq(&pattern) {
                let message = match leftover {
                    "#[ignore]" => "an ignored test gives its reason: `#[ignore = \"...\"]`".into(),
                    leftover => format!("`{leftover}` is left over"),
                };
                findings.push(Finding::new(&source.path, window[0].line, message));
            }
        }
    }
    findings
}

fn check_words(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        if let Some(word) = words.find(|word| WORDS.contains(word)) {
            findings.push(Finding::new(path, index + 1, format!("{word} is left over")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::with_files;

    fn check_code(code: &str) -> usize {
        check(&with_files(&[("src/a.rs", code)])).len()
    }

    #[test]
    fn unfinished_and_debugging_code_is_found() {
        for call in ["todo!()", "unimplemented!()", "dbg!(1)"] {
            assert_eq!(check_code(&format!("fn a() {{ {call} }}")), 1, "{call}");
        }
        assert_eq!(check_code("// TODO: more\nfn a() {}"), 1);
        assert_eq!(check_code("/// FIXME\nfn a() {}"), 1);
    }

    #[test]
    fn an_ignored_test_needs_a_reason() {
        assert_eq!(check_code("#[test]\n#[ignore]\nfn a() {}"), 1);
        assert_eq!(check_code("#[test]\n#[ignore = \"an hour\"]\nfn a() {}"), 0);
    }

    #[test]
    fn other_texts_are_searched_and_strings_are_not() {
        assert_eq!(check(&with_files(&[("README.md", "a\nTODO\n")]))[0].line, 2);
        assert_eq!(check_code("const A: &str = \"TODO\";"), 0);
        assert_eq!(check_code("const TODOS: u8 = 0;"), 0);
    }
}
