//! Functions: short enough to be read at once; a long one says why.
//!
//! Counted from the line of `fn` or its qualifiers to the closing brace. What
//! stands inside of a macro call is not seen.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, Signature, TraitItemFn};

use super::Finding;
use crate::repository::Repository;
use crate::source::Source;

const LINES_MAX: usize = 70;

/// The comment that allows one, directly above it and its attributes.
const EXCEPTION: &str = "// tidy: long-function,";

/// Checks the length of each function.
pub fn check(repository: &Repository) -> Vec<Finding> {
    repository.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let mut finder = LongFunctions { source, findings: Vec::new() };
    finder.visit_file(&source.file);
    finder.findings
}

struct LongFunctions<'a> {
    source: &'a Source,
    findings: Vec<Finding>,
}

impl LongFunctions<'_> {
    fn check(&mut self, attributes: &[Attribute], signature: &Signature, body: &Block) {
        let first = signature.span().start().line;
        let lines = body.span().end().line + 1 - first;
        if lines <= LINES_MAX || self.has_exception(attributes, signature.span()) {
            return;
        }
        let name = &signature.ident;
        let message = format!(
            "`{name}` is {lines} lines long, at most {LINES_MAX}: split it, \
             or allow it directly above with `{EXCEPTION} REASON`"
        );
        self.findings.push(Finding::new(&self.source.path, first, message));
    }

    /// Looks at the comments directly above the function, its attributes and documentation.
    fn has_exception(&self, attributes: &[Attribute], signature: Span) -> bool {
        let starts = attributes.iter().map(|attribute| attribute.span().start().line);
        let first = starts.min().unwrap_or(signature.start().line);
        let lines: Vec<&str> = self.source.text.lines().take(signature.start().line).collect();
        let above = lines.iter().take(first - 1).rev();
        let above = above.take_while(|line| line.trim_start().starts_with("//"));
        let between = lines.iter().skip(first - 1);
        above.chain(between).any(|line| {
            let reason = line.trim_start().strip_prefix(EXCEPTION);
            reason.is_some_and(|reason| !reason.trim().is_empty())
        })
    }
}

impl<'ast> Visit<'ast> for LongFunctions<'_> {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.check(&function.attrs, &function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.check(&function.attrs, &function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.check(&function.attrs, &function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(text: &str) -> Vec<usize> {
        let source = Source::parse("src/a.rs", text).unwrap();
        check_source(&source).into_iter().map(|finding| finding.line).collect()
    }

    fn function(lines: usize) -> String {
        format!("fn a() {{\n{}}}\n", "    b();\n".repeat(lines - 2))
    }

    #[test]
    fn seventy_lines_are_allowed_and_one_more_is_not() {
        assert!(check_text(&function(70)).is_empty());
        assert_eq!(check_text(&function(71)), [1]);
    }

    #[test]
    fn methods_default_methods_and_nested_functions_count() {
        let long = function(71);
        assert_eq!(check_text(&format!("impl A {{\n{long}}}\n")), [2]);
        assert_eq!(check_text(&format!("trait A {{\n{long}}}\n")), [2]);
        assert_eq!(check_text(&format!("mod m {{\n{long}}}\n")), [2]);
    }

    #[test]
    fn attributes_and_documentation_do_not_count() {
        let head = "/// Doc.\n".repeat(20);
        assert!(check_text(&format!("{head}#[must_use]\n{}", function(70))).is_empty());
    }

    #[test]
    fn an_exception_needs_a_reason() {
        let long = format!("#[must_use]\n{}", function(71));
        assert!(check_text(&format!("// tidy: long-function, one table\n{long}")).is_empty());
        assert_eq!(check_text(&format!("// tidy: long-function,\n{long}")).len(), 1);
        assert_eq!(check_text(&format!("// tidy: long-function, far off\n\n{long}")).len(), 1);
    }
}
