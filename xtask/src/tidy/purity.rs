//! Purity: the lowest floors have no clock, disk, network, thread or chance.
//!
//! They are what the simulator runs and what an auditor re-runs. Their tests
//! and examples, which measure, are free. Iteration over hash maps is clippy's
//! to find.

use std::iter;

use syn::visit::{self, Visit};
use syn::{ItemUse, UseTree};

use super::Finding;
use crate::repository::Repository;
use crate::source::{Source, Token, pattern};

const PURE_FOLDERS: [&str; 5] = [
    "crates/types/src/",
    "crates/chain/src/",
    "crates/routing/src/",
    "crates/ledger/src/",
    "crates/replica/src/",
];

/// Refused wherever it is written, in macro calls too.
const TOKENS: [&str; 9] = [
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "std::fs",
    "std::net",
    "tokio",
    "thread_rng",
    "rand::rng",
    "async",
];

/// Refused as part of a grouped import, where [`TOKENS`] do not see them.
const IMPORTS: [&str; 4] = ["std::thread", "std::fs", "std::net", "rand::rng"];

/// Checks the sources of the pure floors.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let is_pure =
        |source: &&Source| PURE_FOLDERS.iter().any(|folder| source.path.starts_with(folder));
    repository.sources.iter().filter(is_pure).flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    for banned in TOKENS {
        let pattern = pattern(banned);
        let hits = source.tokens.windows(pattern.len()).filter(|window| equal(window, &pattern));
        found.extend(hits.map(|window| (window[0].line, banned)));
    }
    let mut imports = Imports(Vec::new());
    imports.visit_file(&source.file);
    for (line, path) in imports.0 {
        let is_in = |banned: &&str| {
            path.strip_prefix(banned).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        found.extend(IMPORTS.into_iter().filter(is_in).map(|banned| (line, banned)));
    }
    found.retain(|(line, _)| !source.is_test(*line));
    found.sort_unstable();
    found.dedup();
    let message = |banned| format!("`{banned}`: this floor is pure; take it as an input");
    found.iter().map(|(line, word)| Finding::new(&source.path, *line, message(word))).collect()
}

fn equal(tokens: &[Token], pattern: &[String]) -> bool {
    tokens.iter().map(|token| &token.text).eq(pattern)
}

/// Every imported path with its line, groups written out.
struct Imports(Vec<(usize, String)>);

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let mut open: Vec<(String, &UseTree)> = vec![(String::new(), &item.tree)];
        while let Some((prefix, tree)) = open.pop() {
            let ident = match tree {
                UseTree::Path(path) => {
                    open.push((format!("{prefix}{}::", path.ident), &path.tree));
                    continue;
                }
                UseTree::Group(group) => {
                    open.extend(iter::repeat(prefix).zip(&group.items));
                    continue;
                }
                UseTree::Name(name) => &name.ident,
                UseTree::Rename(rename) => &rename.ident,
                UseTree::Glob(_) => continue,
            };
            // `self` names the module itself.
            let path = match ident.to_string().as_str() {
                "self" => prefix.trim_end_matches("::").to_owned(),
                name => format!("{prefix}{name}"),
            };
            self.0.push((ident.span().start().line, path));
        }
        visit::visit_item_use(self, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repository::samples::with_files;

    fn check_code(code: &str) -> Vec<(usize, String)> {
        let text = format!("//! Head.\n{code}\n");
        let repository = with_files(&[("crates/ledger/src/a.rs", &text)]);
        let findings = check(&repository).into_iter();
        findings.map(|f| (f.line, f.message.split('`').nth(1).unwrap().to_owned())).collect()
    }

    #[test]
    fn every_banned_word_is_found_in_code() {
        for banned in TOKENS {
            let code = match banned {
                "async" => "async fn a() {}".to_owned(),
                path => format!("fn a() {{ {path}() }}"),
            };
            assert_eq!(check_code(&code), [(2, banned.to_owned())]);
        }
    }

    #[test]
    fn a_banned_module_hides_neither_in_a_group_nor_in_a_macro() {
        assert_eq!(check_code("use std::{fmt, fs::{self, File}};"), [(2, "std::fs".into())]);
        assert_eq!(check_code("use std::{thread as t};"), [(2, "std::thread".into())]);
        assert_eq!(check_code("fn a() { b!(std::net::c) }"), [(2, "std::net".into())]);
    }

    #[test]
    fn comments_strings_and_tests_are_free() {
        assert!(check_code("/// Not tokio.\nconst A: &str = \"tokio\";").is_empty());
        assert!(check_code("#[cfg(test)]\nmod tests { use std::fs; }").is_empty());
    }

    #[test]
    fn other_floors_are_free() {
        let repository = with_files(&[("crates/host/src/a.rs", "use std::fs;\n")]);
        assert!(check(&repository).is_empty());
    }
}
