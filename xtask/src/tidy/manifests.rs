//! Manifests: versions, licence and lints stand once, in the root.

use toml::{Table, Value};

use super::Finding;
use crate::repository::Repository;

const DEPENDENCY_TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Checks the manifest of each crate.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let manifests = repository.texts("/Cargo.toml");
    manifests.flat_map(|(path, text)| check_manifest(path, text)).collect()
}

fn check_manifest(path: &str, text: &str) -> Vec<Finding> {
    let manifest: Table = match text.parse() {
        Ok(manifest) => manifest,
        Err(error) => return vec![Finding::new(path, 0, format!("is not TOML: {error}"))],
    };
    let mut messages = Vec::new();
    let package = manifest.get("package").and_then(Value::as_table);
    let description = package.and_then(|package| package.get("description")?.as_str());
    if description.is_none_or(|text| text.trim().is_empty()) {
        messages.push("has no description".to_owned());
    }
    if !package.is_some_and(|package| is_inherited(package.get("license"))) {
        messages.push("lacks `license.workspace = true`".to_owned());
    }
    if !is_inherited(manifest.get("lints")) {
        messages.push("lacks `[lints] workspace = true`".to_owned());
    }
    let targets = manifest.get("target").and_then(Value::as_table);
    let targets = targets.into_iter().flat_map(Table::values).filter_map(Value::as_table);
    for table in targets.chain([&manifest]) {
        for kind in DEPENDENCY_TABLES {
            let dependencies = table.get(kind).and_then(Value::as_table);
            let dependencies = dependencies.into_iter().flatten();
            let own = dependencies.filter(|(_, value)| !is_inherited(Some(value)));
            messages.extend(own.map(|(name, _)| {
                format!("{kind}: {name} has its own version; the root has them all")
            }));
        }
    }
    messages.into_iter().map(|message| Finding::new(path, 0, message)).collect()
}

/// Whether a value is `{ workspace = true }`, with or without more keys.
fn is_inherited(value: Option<&Value>) -> bool {
    let flag = value.and_then(|value| value.get("workspace"));
    flag.and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[package]\nname = \"a\"\ndescription = \"An a\"\n\
        license.workspace = true\n[lints]\nworkspace = true\n";

    fn check_with(rest: &str) -> Vec<String> {
        let text = format!("{GOOD}{rest}");
        check_manifest("a/Cargo.toml", &text).into_iter().map(|f| f.message).collect()
    }

    #[test]
    fn inherited_dependencies_are_allowed() {
        let rest =
            "[dependencies]\nb.workspace = true\nc = { workspace = true, optional = true }\n";
        assert!(check_with(rest).is_empty());
    }

    #[test]
    fn a_version_of_its_own_is_refused_in_every_table() {
        for table in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            assert_eq!(check_with(&format!("[{table}]\nb = \"1\"\n")).len(), 1, "{table}");
        }
    }

    #[test]
    fn description_licence_and_lints_are_required() {
        let text = "[package]\nname = \"a\"\ndescription = \"\"\nlicense = \"MIT\"\n";
        let found = check_manifest("a/Cargo.toml", text);
        assert_eq!(found.len(), 3, "{found:?}");
    }
}
