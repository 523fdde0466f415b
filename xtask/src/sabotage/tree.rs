//! A copy of the pure crates and the simulator: a workspace of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::repository::Repository;

/// What is copied: what the simulator runs, and the simulator.
const MEMBERS: [&str; 6] =
    ["crates/types", "crates/chain", "crates/routing", "crates/ledger", "crates/replica", "sim"];

/// The copy.
pub struct Tree {
    /// Its root.
    pub root: PathBuf,
}

impl Tree {
    /// Brings the copy in `root` up to date. A file that is equal is left as it
    /// is, so that cargo builds again only what changed.
    ///
    /// # Errors
    ///
    /// When the checkout cannot be read or the copy not be written.
    pub fn copy(root: PathBuf) -> Result<Self> {
        let tree = Self { root };
        let repository = Repository::read()?;
        let mut copied = BTreeSet::new();
        for (path, text) in &repository.files {
            let is_of = |member: &&str| {
                path.strip_prefix(*member).is_some_and(|rest| rest.starts_with('/'))
            };
            let (true, Some(text)) = (MEMBERS.iter().any(is_of), text) else { continue };
            tree.write(path, text)?;
            copied.insert(path.clone());
        }
        tree.remove_others("crates", &copied)?;
        tree.remove_others("sim", &copied)?;
        let text = |name: &str| {
            let file = repository.files.get(name).and_then(Option::as_ref);
            file.with_context(|| format!("there is no {name}"))
        };
        tree.write("Cargo.toml", &manifest_of_copy(text("Cargo.toml")?)?)?;
        tree.write("Cargo.lock", text("Cargo.lock")?)?;
        Ok(tree)
    }

    /// Reads a file of the copy.
    ///
    /// # Errors
    ///
    /// When it is not there.
    pub fn read(&self, path: &str) -> Result<String> {
        let path = self.root.join(path);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    }

    /// Writes a file of the copy, unless it holds the same already.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.root.join(path);
        if fs::read_to_string(&path).is_ok_and(|found| found == text) {
            return Ok(());
        }
        let folder = path.parent().context("a file without a folder")?;
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(&path, text));
        written.with_context(|| format!("writing {}", path.display()))
    }

    /// Removes what the checkout has no more.
    fn remove_others(&self, folder: &str, copied: &BTreeSet<String>) -> Result<()> {
        for entry in fs::read_dir(self.root.join(folder)).context("reading the copy")? {
            let entry = entry.context("reading the copy")?;
            let name = entry.file_name();
            let path = format!("{folder}/{}", name.to_string_lossy());
            if entry.path().is_dir() {
                self.remove_others(&path, copied)?;
            } else if !copied.contains(&path) {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn remove(path: &Path) -> Result<()> {
    fs::remove_file(path).with_context(|| format!("removing {}", path.display()))
}

/// The workspace's manifest with only the copied members.
fn manifest_of_copy(manifest: &str) -> Result<String> {
    let begin = manifest.find("members = [").context("the manifest lists no members")?;
    let length = manifest[begin..].find(']').context("the list of members does not end")?;
    let members: Vec<String> = MEMBERS.iter().map(|member| format!("{member:?}")).collect();
    let (before, after) = (&manifest[..begin], &manifest[begin + length..]);
    Ok(format!("{before}members = [{}{after}", members.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_only_what_the_simulator_needs() {
        let copied = manifest_of_copy("a = 1\nmembers = [\n  \"cli\",\n]\nb = 2\n").unwrap();
        let expected = "a = 1\nmembers = [\"crates/types\", \"crates/chain\", \
                        \"crates/routing\", \"crates/ledger\", \"crates/replica\", \"sim\"]\nb = 2\n";
        assert_eq!(copied, expected);
        assert!(manifest_of_copy("[workspace]").is_err());
    }
}
