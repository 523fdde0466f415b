//! The table of bugs: each replaces a text that stands once in one file.

use std::fs;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use crate::command;

/// Where the table is, from the root.
const TABLE: &str = "sim/sabotage/bugs.toml";

/// A bug to put in.
pub struct Bug {
    /// What it is called.
    pub name: String,
    /// The file, from the root.
    pub file: String,
    /// What stands there once.
    find: String,
    /// What stands there instead.
    replace: String,
}

/// Reads the table.
///
/// # Errors
///
/// When it is not there, or an entry lacks a field.
pub fn read() -> Result<Vec<Bug>> {
    let path = command::root().join(TABLE);
    let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let table: Table = text.parse().with_context(|| format!("parsing {TABLE}"))?;
    let entries = table.get("bug").and_then(Value::as_array).context("no [[bug]] in the table")?;
    entries.iter().map(parse).collect()
}

impl Bug {
    /// The file's text with the bug in it.
    ///
    /// # Errors
    ///
    /// When what it replaces does not stand there exactly once.
    pub fn put_into(&self, text: &str) -> Result<String> {
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            count => bail!(
                "{}: the text that it replaces stands {count} times in {}:\n{}",
                self.name,
                self.file,
                self.find
            ),
        }
    }
}

fn parse(entry: &Value) -> Result<Bug> {
    let field = |name: &str| {
        let value = entry.get(name).and_then(Value::as_str).map(str::to_owned);
        value.with_context(|| format!("{TABLE}: a bug without {name}: {entry}"))
    };
    // For readers: nothing here goes by it.
    field("story")?;
    Ok(Bug {
        name: field("name")?,
        file: field("file")?,
        find: field("find")?,
        replace: field("replace")?,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const BUGS_MIN: usize = 25;

    #[test]
    fn every_bug_still_applies_and_changes_something() {
        let bugs = read().unwrap();
        assert!(bugs.len() >= BUGS_MIN, "{} bugs", bugs.len());
        let names: BTreeSet<_> = bugs.iter().map(|bug| &bug.name).collect();
        assert_eq!(names.len(), bugs.len(), "names are unique");
        for bug in &bugs {
            let text = fs::read_to_string(command::root().join(&bug.file)).unwrap();
            assert_ne!(bug.put_into(&text).unwrap(), text, "{}", bug.name);
        }
    }

    #[test]
    fn every_bug_is_in_the_documentation() {
        let document = fs::read_to_string(command::root().join("docs/TESTING.md")).unwrap();
        for bug in read().unwrap() {
            assert!(document.contains(&format!("| {} |", bug.name)), "{}", bug.name);
        }
    }
}
