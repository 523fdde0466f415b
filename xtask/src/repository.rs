//! The repository as the chores see it: its files and its packages.
//!
//! Files are what git tracks or would track: ignored ones are nobody's
//! concern. All texts are held in memory, so that a rule is a function of this
//! value alone and its tests can write a repository down in a few lines.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::command;
use crate::source::{Source, mark_test_modules};

/// A checkout.
pub struct Repository {
    /// Path from the root with `/`, to the text; `None` for what is not UTF-8.
    pub files: BTreeMap<String, Option<String>>,
    /// The Rust sources among them.
    pub sources: Vec<Source>,
    /// Path and message of each Rust file that does not parse.
    pub unparsed: Vec<(String, String)>,
    /// The workspace's packages.
    pub packages: Vec<Package>,
}

/// A package of the workspace.
#[derive(Debug, PartialEq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder from the root; the manifest is `Cargo.toml` in it.
    pub folder: String,
    /// What its manifest names.
    pub dependencies: Vec<Dependency>,
}

/// A dependency that a package names.
#[derive(Debug, PartialEq)]
pub struct Dependency {
    /// The package's name, not what it may be renamed to.
    pub name: String,
    /// Whether only tests, examples and benchmarks see it.
    pub is_dev: bool,
}

impl Repository {
    /// Reads the checkout.
    ///
    /// # Errors
    ///
    /// When git or cargo fail, or a file cannot be read.
    pub fn read() -> Result<Self> {
        let root = command::root();
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let list = command::read(command::program("git").args(list))?;
        let mut files = BTreeMap::new();
        for path in list.split_terminator('\0') {
            let full = root.join(path);
            // Deleted but still in git's index, or a link to a folder.
            if !full.is_file() {
                continue;
            }
            let bytes = fs::read(&full).with_context(|| format!("reading {path}"))?;
            files.insert(path.to_owned(), String::from_utf8(bytes).ok());
        }
        Ok(Self::new(files, packages(&metadata()?)?))
    }

    /// A repository of these files and packages.
    #[must_use]
    pub fn new(files: BTreeMap<String, Option<String>>, packages: Vec<Package>) -> Self {
        let mut sources = Vec::new();
        let mut unparsed = Vec::new();
        for (path, text) in &files {
            let Some(text) = text.as_ref().filter(|_| path.ends_with(".rs")) else { continue };
            match Source::parse(path, text) {
                Ok(source) => sources.push(source),
                Err(error) => unparsed.push((path.clone(), error.to_string())),
            }
        }
        mark_test_modules(&mut sources);
        Self { files, sources, unparsed, packages }
    }

    /// Whether a file or folder of that path, from the root, exists.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self
                .files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(p, _)| p.starts_with(&folder))
    }

    /// The text files whose name ends so.
    pub fn texts<'a>(&'a self, end: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files.iter().filter_map(move |(path, text)| {
            let text = text.as_deref().filter(|_| path.ends_with(end))?;
            Some((path.as_str(), text))
        })
    }

    /// The package that a file belongs to.
    #[must_use]
    pub fn package_of(&self, path: &str) -> Option<&Package> {
        let holds = |package: &&Package| {
            path.strip_prefix(&package.folder).is_some_and(|rest| rest.starts_with('/'))
        };
        self.packages.iter().filter(holds).max_by_key(|package| package.folder.len())
    }
}

/// Where cargo builds to.
///
/// # Errors
///
/// When cargo cannot say.
pub fn target_dir() -> Result<PathBuf> {
    let metadata = metadata()?;
    let folder = metadata["target_directory"].as_str().context("cargo metadata: no target")?;
    Ok(PathBuf::from(folder))
}

fn metadata() -> Result<Value> {
    let mut cargo = command::cargo(["metadata", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&command::read(&mut cargo)?).context("cargo metadata")
}

fn packages(metadata: &Value) -> Result<Vec<Package>> {
    let root = metadata["workspace_root"].as_str().context("cargo metadata: no root")?;
    let packages = metadata["packages"].as_array().context("cargo metadata: no packages")?;
    packages
        .iter()
        .map(|package| {
            let manifest = package["manifest_path"].as_str().context("no manifest_path")?;
            let folder = manifest.strip_prefix(root).and_then(|p| p.strip_suffix("/Cargo.toml"));
            let folder = folder.context("a package outside of the workspace")?;
            let dependencies = package["dependencies"].as_array().context("no dependencies")?;
            Ok(Package {
                name: package["name"].as_str().context("a package without name")?.to_owned(),
                folder: folder.trim_start_matches('/').to_owned(),
                dependencies: dependencies.iter().map(dependency).collect::<Result<_>>()?,
            })
        })
        .collect()
}

fn dependency(value: &Value) -> Result<Dependency> {
    let name = value["name"].as_str().context("a dependency without name")?;
    Ok(Dependency { name: name.to_owned(), is_dev: value["kind"].as_str() == Some("dev") })
}

#[cfg(test)]
pub mod samples {
    //! Repositories for the tests of the rules.

    use super::*;

    /// A repository of these files, without packages.
    #[must_use]
    pub fn with_files(files: &[(&str, &str)]) -> Repository {
        let files = files.iter().map(|(path, text)| ((*path).into(), Some((*text).into())));
        Repository::new(files.collect(), Vec::new())
    }

    /// A package with these dependencies; names that begin with `dev:` are for tests only.
    #[must_use]
    pub fn package(name: &str, folder: &str, dependencies: &[&str]) -> Package {
        let dependency = |name: &&str| match name.strip_prefix("dev:") {
            Some(name) => Dependency { name: name.into(), is_dev: true },
            None => Dependency { name: (*name).into(), is_dev: false },
        };
        let dependencies = dependencies.iter().map(dependency).collect();
        Package { name: name.into(), folder: folder.into(), dependencies }
    }
}

#[cfg(test)]
mod tests {
    use super::samples::*;
    use super::*;

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        let mut repository = with_files(&[]);
        repository.packages = vec![package("a", "a", &[]), package("b", "a/b", &[])];
        let name = |path| repository.package_of(path).map(|package| package.name.as_str());
        assert_eq!(name("a/src/lib.rs"), Some("a"));
        assert_eq!(name("a/b/src/lib.rs"), Some("b"));
        assert_eq!(name("ab/src/lib.rs"), None);
    }

    #[test]
    fn folders_exist_through_their_files() {
        let repository = with_files(&[("docs/adr/README.md", "")]);
        assert!(repository.contains("docs/adr"));
        assert!(!repository.contains("docs/a"));
    }

    #[test]
    fn packages_are_read_from_cargo_metadata() {
        let metadata = r#"{"workspace_root": "/w", "packages": [{"name": "x",
            "manifest_path": "/w/crates/x/Cargo.toml", "dependencies": [
                {"name": "y", "kind": null}, {"name": "z", "kind": "dev"}]}]}"#;
        let metadata = serde_json::from_str(metadata).unwrap();
        assert_eq!(packages(&metadata).unwrap(), [package("x", "crates/x", &["y", "dev:z"])]);
    }
}
