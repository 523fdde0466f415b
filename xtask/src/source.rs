//! One parsed Rust file: its tokens, and which of its lines are tests.
//!
//! Test code is what is compiled only for tests: items under `#[cfg(test)]` or
//! `#[test]`, modules that are declared so, and folders named `tests` or
//! `benches`. Code inside of a macro call is seen as tokens, not as items.

use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, File, ImplItemFn, Item, Meta};

/// A Rust file.
pub struct Source {
    /// Path from the root of the repository.
    pub path: String,
    /// The whole text.
    pub text: String,
    /// Its items.
    pub file: File,
    /// Its tokens in order, groups flattened.
    pub tokens: Vec<Token>,
    /// For each line, whether it is test code.
    is_test: Vec<bool>,
    /// Modules declared as `#[cfg(test)] mod name;`.
    test_modules: Vec<String>,
}

/// One token: an identifier, a literal, a punctuation character or a bracket.
#[derive(Debug, Clone)]
pub struct Token {
    /// As written.
    pub text: String,
    /// Line, from 1.
    pub line: usize,
    /// Bytes of the file, if it is a literal that is written as one; the text
    /// of a documentation comment is not.
    pub literal: Option<std::ops::Range<usize>>,
}

impl Source {
    /// Parses a file.
    ///
    /// # Errors
    ///
    /// When it is not valid Rust.
    pub fn parse(path: &str, text: &str) -> syn::Result<Self> {
        let stream: TokenStream = text.parse()?;
        let file: File = syn::parse2(stream.clone())?;
        let mut tokens = Vec::new();
        flatten(stream, text, &mut tokens);
        let lines = text.lines().count();
        let mut finder = TestFinder { is_test: vec![false; lines], modules: Vec::new() };
        finder.visit_file(&file);
        let mut source = Self {
            path: path.into(),
            text: text.into(),
            file,
            tokens,
            is_test: finder.is_test,
            test_modules: finder.modules,
        };
        let folders = Path::new(path).parent();
        let mut folders = folders.into_iter().flat_map(Path::components).map(|c| c.as_os_str());
        if folders.any(|folder| folder == "tests" || folder == "benches") {
            source.is_test.fill(true);
        }
        Ok(source)
    }

    /// Whether a line (from 1) is test code.
    #[must_use]
    pub fn is_test(&self, line: usize) -> bool {
        self.is_test.get(line.wrapping_sub(1)).copied().unwrap_or(false)
    }

    /// How many lines are not test code.
    #[must_use]
    pub fn code_lines(&self) -> usize {
        self.is_test.iter().filter(|is_test| !**is_test).count()
    }

    /// The text with every literal blanked: what is left is code and comments.
    #[must_use]
    pub fn without_literals(&self) -> String {
        let mut bytes = self.text.clone().into_bytes();
        for range in self.tokens.iter().filter_map(|token| token.literal.clone()) {
            let blank = bytes[range].iter_mut().filter(|byte| **byte != b'\n');
            blank.for_each(|byte| *byte = b' ');
        }
        String::from_utf8(bytes).expect("whole literals became ASCII, the rest is unchanged")
    }
}

/// Marks the files of modules that another file declares as tests.
pub fn mark_test_modules(sources: &mut [Source]) {
    let declared: Vec<String> = sources.iter().flat_map(test_module_paths).collect();
    for source in sources {
        let stem = source.path.strip_suffix(".rs").unwrap_or(&source.path);
        let stem = stem.strip_suffix("/mod").unwrap_or(stem);
        let is_inside = |path: &String| {
            stem.strip_prefix(path.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        if declared.iter().any(is_inside) {
            source.is_test.fill(true);
        }
    }
}

/// Where a file's test modules are, without `.rs`.
fn test_module_paths(source: &Source) -> Vec<String> {
    let path = Path::new(&source.path);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let folder = path.parent().unwrap_or(Path::new(""));
    let folder = match stem {
        "lib" | "main" | "mod" => folder.to_path_buf(),
        _ => folder.join(stem),
    };
    let names = source.test_modules.iter();
    names.map(|name| folder.join(name).to_string_lossy().into_owned()).collect()
}

/// The tokens of a pattern such as `Instant::now`, to look for in a source.
#[must_use]
pub fn pattern(text: &str) -> Vec<String> {
    let stream: TokenStream = text.parse().expect("patterns are constants of this program");
    let mut tokens = Vec::new();
    flatten(stream, text, &mut tokens);
    tokens.into_iter().map(|token| token.text).collect()
}

fn flatten(stream: TokenStream, text: &str, tokens: &mut Vec<Token>) {
    for tree in stream {
        let span = tree.span();
        let token = |text: String, line| Token { text, line, literal: None };
        let line = span.start().line;
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(token(open.into(), line));
                flatten(group.stream(), text, tokens);
                tokens.push(token(close.into(), span.end().line));
            }
            TokenTree::Literal(literal) => {
                let range = span.byte_range();
                // The literal of a documentation comment spans the comment.
                let is_comment = text.get(range.clone()).is_none_or(|text| text.starts_with('/'));
                let literal_range = (!is_comment).then_some(range);
                tokens.push(Token { text: literal.to_string(), line, literal: literal_range });
            }
            other => tokens.push(token(other.to_string(), line)),
        }
    }
}

/// Finds the lines of items that only tests compile.
struct TestFinder {
    is_test: Vec<bool>,
    modules: Vec<String>,
}

impl TestFinder {
    fn mark(&mut self, attributes: &[Attribute], item: &impl Spanned) -> bool {
        let found = attributes.iter().any(is_test_attribute);
        if found {
            let first = attributes.iter().map(|attribute| attribute.span().start().line).min();
            let last = item.span().end().line;
            let first = first.unwrap_or(last).saturating_sub(1);
            self.is_test[first..last].fill(true);
        }
        found
    }
}

impl<'ast> Visit<'ast> for TestFinder {
    fn visit_item(&mut self, item: &'ast Item) {
        let found = self.mark(attributes(item), item);
        match item {
            Item::Mod(module) if found && module.content.is_none() => {
                self.modules.push(module.ident.to_string());
            }
            _ if found => {}
            _ => visit::visit_item(self, item),
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if !self.mark(&function.attrs, function) {
            visit::visit_impl_item_fn(self, function);
        }
    }
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// `#[test]`, or a `#[cfg]` that asks for `test` and does not negate anything.
fn is_test_attribute(attribute: &Attribute) -> bool {
    if attribute.path().is_ident("test") {
        return true;
    }
    let Meta::List(list) = &attribute.meta else { return false };
    if !attribute.path().is_ident("cfg") {
        return false;
    }
    let condition = list.tokens.to_string();
    let mut words = condition.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.clone().any(|word| word == "test") && !words.any(|word| word == "not")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(path: &str, text: &str) -> Source {
        Source::parse(path, text).unwrap()
    }

    #[test]
    fn test_items_are_not_code() {
        let text =
            "//! A.\nfn a() {}\n\n#[cfg(test)]\nmod tests {\n    #[test]\n    fn b() {}\n}\n";
        let source = parse("src/a.rs", text);
        assert_eq!(source.code_lines(), 3);
        assert!(source.is_test(4) && source.is_test(8) && !source.is_test(2));
    }

    #[test]
    fn what_is_compiled_when_not_testing_is_code() {
        let source = parse("src/a.rs", "#[cfg(not(test))]\nfn a() {}\n");
        assert_eq!(source.code_lines(), 2);
    }

    #[test]
    fn folders_of_tests_hold_no_code() {
        assert_eq!(parse("crates/a/tests/b.rs", "fn a() {}\n").code_lines(), 0);
    }

    #[test]
    fn a_declared_test_module_is_followed_to_its_files() {
        let mut sources = vec![
            parse("src/lib.rs", "#[cfg(test)]\nmod cases;\nmod code;\n"),
            parse("src/cases.rs", "fn a() {}\n"),
            parse("src/cases/b.rs", "fn b() {}\n"),
            parse("src/code.rs", "fn c() {}\n"),
        ];
        mark_test_modules(&mut sources);
        let lines: Vec<_> = sources.iter().map(Source::code_lines).collect();
        assert_eq!(lines, [1, 0, 0, 1]);
    }

    #[test]
    fn blanking_keeps_comments_and_lines() {
        let text = "/// Doc ä.\nfn a() -> &'static str {\n    // Note.\n    \"a\nb\"\n}\n";
        let blanked = parse("src/a.rs", text).without_literals();
        assert!(blanked.contains("/// Doc ä.") && blanked.contains("// Note."), "{blanked}");
        assert!(!blanked.contains('"'), "{blanked}");
        assert_eq!(blanked.lines().count(), text.lines().count());
    }
}
