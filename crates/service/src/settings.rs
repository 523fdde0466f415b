//! Typed configuration: file < environment < flags.
//!
//! | layer | form | example |
//! | --- | --- | --- |
//! | file | TOML, `--config FILE` | `[tls]` `ca = "ca.pem"` |
//! | environment | `TRIBUTARY_<SECTION>__<KEY>`, upper case | `TRIBUTARY_TLS__CA=/etc/ca.pem` |
//! | environment, a key outside of sections | `TRIBUTARY__<KEY>` | `TRIBUTARY__NAME=bank-a` |
//! | flag | `--set <section>.<key>=<value>` | `--set tls.ca=/etc/ca.pem` |
//!
//! A value from environment or flag is read as TOML (`5`, `true`,
//! `[{ chain = 1 }]`); what is no TOML is text. Variables without `__` are not
//! settings. Unknown keys are errors that name the key and where it came from,
//! so every struct of a configuration has `#[serde(deny_unknown_fields)]`.
//! Relative paths start at the directory of the file.
//!
//! Secrets are named by path, never held: the effective settings are logged.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::{Table, Value};

use crate::args::ServiceArgs;

/// What the names of all settings begin with in the environment.
const ENVIRONMENT_PREFIX: &str = "TRIBUTARY_";

/// A service's configuration.
pub trait Settings: DeserializeOwned + Serialize {
    /// Makes relative paths start at `base`, the directory of the file.
    fn resolve_paths(&mut self, base: &Path);

    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`SettingsError`] names the key, the value and the rule.
    fn validate(&self) -> Result<(), SettingsError>;
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("configuration {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("configuration {path} is not TOML: {reason}")]
    NotToml {
        /// The file.
        path: String,
        /// Line, column and rule.
        reason: String,
    },
    /// A flag or variable has another form than `key=value`.
    #[error("{origin}: {rule}")]
    BadOverride {
        /// Flag or variable.
        origin: String,
        /// What is wrong with it.
        rule: String,
    },
    /// A key is unknown, missing, or has a value of the wrong type.
    #[error("{origin}: {key}: {reason}")]
    BadKey {
        /// File, flag or variable that gave the key.
        origin: String,
        /// Full name.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A value breaks a rule.
    #[error("setting {key}: {reason}")]
    Invalid {
        /// Full name.
        key: String,
        /// The value and the rule.
        reason: String,
    },
}

/// Loads the configuration that the command line names, over the process's
/// environment, and checks it.
///
/// # Errors
/// [`SettingsError`], one sentence that names the key and its origin.
pub fn load<T: Settings>(args: &ServiceArgs) -> Result<T, SettingsError> {
    load_from(&args.config, std::env::vars(), &args.set)
}

/// Like [`load`], with the layers given.
///
/// # Errors
/// [`SettingsError`].
pub fn load_from<T: Settings>(
    file: &Path,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &[String],
) -> Result<T, SettingsError> {
    let path = file.display().to_string();
    let text = std::fs::read_to_string(file)
        .map_err(|source| SettingsError::Unreadable { path: path.clone(), source })?;
    let table: Table = text.parse().map_err(|error: toml::de::Error| SettingsError::NotToml {
        path: path.clone(),
        reason: one_line(&error.to_string()),
    })?;
    let mut layers = Layers { table, origins: BTreeMap::new(), file: path };
    let mut variables: Vec<_> = environment.into_iter().collect();
    variables.sort();
    for (name, value) in variables {
        if let Some(key) = variable_key(&name) {
            layers.set(&key, &value, name)?;
        }
    }
    for flag in flags {
        let origin = format!("--set {flag}");
        let Some((key, value)) = flag.split_once('=') else {
            let rule = "a setting is given as key=value".to_owned();
            return Err(SettingsError::BadOverride { origin, rule });
        };
        let key: Vec<String> = key.trim().split('.').map(str::to_owned).collect();
        layers.set(&key, value, origin)?;
    }
    let mut settings: T = layers.read()?;
    let base = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    settings.resolve_paths(base.unwrap_or(Path::new(".")));
    settings.validate()?;
    Ok(settings)
}

/// Logs every effective setting, one line each.
pub fn log_effective<T: Settings>(settings: &T) {
    match Value::try_from(settings) {
        Ok(value) => {
            let mut lines = Vec::new();
            flatten("", &value, &mut lines);
            for (key, value) in lines {
                tracing::info!(target: "settings", "{key} = {value}");
            }
        }
        Err(error) => tracing::warn!("settings cannot be shown: {error}"),
    }
}

/// What is so unless a configuration says otherwise.
#[must_use]
pub const fn yes() -> bool {
    true
}

/// Makes a relative path start at `base`.
pub fn resolve(base: &Path, path: &mut PathBuf) {
    if path.is_relative() {
        *path = base.join(&*path);
    }
}

/// The merged layers, and who gave what.
struct Layers {
    table: Table,
    /// Full key to flag or variable; everything else comes from the file.
    origins: BTreeMap<String, String>,
    file: String,
}

impl Layers {
    fn set(&mut self, key: &[String], text: &str, origin: String) -> Result<(), SettingsError> {
        let refuse = |rule: &str| {
            Err(SettingsError::BadOverride { origin: origin.clone(), rule: rule.to_owned() })
        };
        let Some((last, sections)) = key.split_last() else {
            return refuse("the key is empty");
        };
        if key.iter().any(String::is_empty) {
            return refuse("the key has an empty part");
        }
        let mut table = &mut self.table;
        for section in sections {
            let entry = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            match entry {
                Value::Table(inner) => table = inner,
                _ => return refuse("the key goes through a value that is no section"),
            }
        }
        table.insert(last.clone(), parse_value(text));
        self.origins.insert(key.join("."), origin);
        Ok(())
    }

    fn read<T: DeserializeOwned>(self) -> Result<T, SettingsError> {
        let Self { table, origins, file } = self;
        serde_path_to_error::deserialize(table).map_err(|error| {
            let key = error.path().to_string();
            let by_override = origins.iter().find(|(name, _)| {
                key == **name
                    || key.starts_with(&format!("{name}["))
                    || key.starts_with(&format!("{name}."))
            });
            let origin = by_override
                .map_or_else(|| format!("configuration {file}"), |(_, origin)| origin.clone());
            let reason = one_line(&error.inner().to_string());
            SettingsError::BadKey { origin, key, reason }
        })
    }
}

/// The key that a variable sets, if it is one of ours.
fn variable_key(name: &str) -> Option<Vec<String>> {
    let rest = name.strip_prefix(ENVIRONMENT_PREFIX)?;
    let key = rest.strip_prefix('_').unwrap_or(rest);
    let is_setting = rest.starts_with('_') || rest.contains("__");
    is_setting.then(|| key.to_lowercase().split("__").map(str::to_owned).collect())
}

/// TOML if it is, else text.
fn parse_value(text: &str) -> Value {
    let parsed: Result<Table, _> = format!("value = {text}").parse();
    let value = parsed.ok().filter(|table| table.len() == 1).and_then(|mut t| t.remove("value"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn flatten(prefix: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                let name = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
                flatten(&name, value, out);
            }
        }
        other => out.push((prefix.to_owned(), one_line(&other.to_string()))),
    }
}

/// An error's sentence without line breaks or source excerpts.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim);
    let kept = lines.filter(|line| {
        !line.is_empty() && !line.starts_with('|') && !line.contains(" | ") && !line.ends_with(" |")
    });
    kept.collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        data_dir: PathBuf,
        #[serde(default)]
        limits: Limits,
        #[serde(default)]
        replica: Vec<Replica>,
    }

    #[derive(Debug, PartialEq, Default, Serialize, Deserialize)]
    #[serde(deny_unknown_fields, default)]
    struct Limits {
        queue_max: u32,
        rank: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Replica {
        chain: u16,
    }

    impl Settings for Sample {
        fn resolve_paths(&mut self, base: &Path) {
            resolve(base, &mut self.data_dir);
        }
        fn validate(&self) -> Result<(), SettingsError> {
            if self.name.is_empty() {
                let reason = "must not be empty".to_owned();
                return Err(SettingsError::Invalid { key: "name".to_owned(), reason });
            }
            Ok(())
        }
    }

    const FILE: &str = "name = \"a\"\ndata_dir = \"data\"\n[limits]\nqueue_max = 1\nrank = 1\n";

    fn check(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Sample, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let loaded: Result<Sample, _> = load_from(&path, environment, &flags);
        loaded.map_err(|error| error.to_string())
    }

    #[test]
    fn flags_beat_the_environment_which_beats_the_file() {
        let environment = [("TRIBUTARY_LIMITS__QUEUE_MAX", "2"), ("TRIBUTARY_LIMITS__RANK", "2")];
        let settings = check(FILE, &environment, &["limits.rank=3"]).unwrap();
        assert_eq!(settings.limits, Limits { queue_max: 2, rank: 3 });
    }

    #[test]
    fn keys_outside_of_sections_and_lists_can_be_overridden() {
        let settings =
            check(FILE, &[("TRIBUTARY__NAME", "b")], &["replica=[{ chain = 4 }]"]).unwrap();
        assert_eq!((settings.name.as_str(), settings.replica[0].chain), ("b", 4));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file() {
        let error = check(&format!("{FILE}quue = 2\n"), &[], &[]).unwrap_err();
        assert!(error.contains("node.toml") && error.contains("limits.quue"), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_flag_or_variable() {
        let error = check(FILE, &[], &["limits.quue=2"]).unwrap_err();
        assert!(error.starts_with("--set limits.quue=2: limits.quue"), "{error}");
        let error = check(FILE, &[("TRIBUTARY_LIMITS__QUUE", "2")], &[]).unwrap_err();
        assert!(error.starts_with("TRIBUTARY_LIMITS__QUUE: limits.quue"), "{error}");
    }

    #[test]
    fn a_wrong_type_and_a_missing_key_are_named() {
        let error = check(FILE, &[], &["limits.rank=high"]).unwrap_err();
        assert!(error.contains("limits.rank") && error.contains("invalid type"), "{error}");
        let error = check("data_dir = \"d\"\n", &[], &[]).unwrap_err();
        assert!(error.contains("missing field `name`"), "{error}");
    }

    #[test]
    fn other_variables_of_ours_are_no_settings() {
        assert!(check(FILE, &[("TRIBUTARY_CLUSTER", "/d"), ("PATH", "/bin")], &[]).is_ok());
    }

    #[test]
    fn relative_paths_start_at_the_file() {
        let settings = check(FILE, &[], &[]).unwrap();
        assert!(settings.data_dir.is_absolute() && settings.data_dir.ends_with("data"));
    }

    #[test]
    fn a_file_that_is_no_toml_says_where() {
        let error = check("name = \n", &[], &[]).unwrap_err();
        assert!(error.contains("line 1") && !error.contains('\n'), "{error}");
    }
}
