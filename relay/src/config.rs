//! The configuration of a relay process.
//!
//! ```toml
//! name = "relay-1"                 # as in topology.toml and in the certificate
//! genesis = "../genesis.json"
//! topology = "../topology.toml"    # also says where this relay answers probes
//! rank = 0                         # optional: 0 delivers at once, higher ranks
//!                                  # wait for lower ones to have done it
//! age_alarm_ms = 5000              # optional: alarm when a message waits longer
//!
//! [tls]
//! ca = "../ca/ca.pem"
//! certificate = "certificate.pem"  # role relay, this name
//! key = "key.pem"
//! ```
//!
//! Relative paths start at the directory of the file. Every key can be
//! overridden; see `tributary_service::settings`. A relay has no data: nothing
//! of its own survives it, and nothing has to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tributary_service::settings::{Settings, SettingsError, resolve};
use tributary_service::tls::TlsPaths;

/// Highest rank: it bounds how long the last relay waits.
pub const RANK_MAX: u32 = 16;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelayConfig {
    /// This relay's name in the topology and in its certificate.
    pub name: String,
    /// The genesis file (JSON).
    pub genesis: PathBuf,
    /// The topology file.
    pub topology: PathBuf,
    /// Place in the order of relays.
    #[serde(default)]
    pub rank: u32,
    /// Age of a channel's oldest undelivered message that raises the alarm.
    #[serde(default = "age_alarm_ms_default")]
    pub age_alarm_ms: u64,
    /// Who this process is.
    pub tls: TlsPaths,
}

const fn age_alarm_ms_default() -> u64 {
    5_000
}

impl Settings for RelayConfig {
    fn resolve_paths(&mut self, base: &Path) {
        resolve(base, &mut self.genesis);
        resolve(base, &mut self.topology);
        self.tls.resolve_paths(base);
    }

    fn validate(&self) -> Result<(), SettingsError> {
        let invalid =
            |key: &str, reason: String| Err(SettingsError::Invalid { key: key.to_owned(), reason });
        if self.name.is_empty() {
            return invalid("name", "must not be empty".to_owned());
        }
        if self.rank > RANK_MAX {
            return invalid("rank", format!("{} is above {RANK_MAX}", self.rank));
        }
        if self.age_alarm_ms == 0 {
            return invalid("age_alarm_ms", "must not be 0".to_owned());
        }
        self.tls.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &str) -> Result<RelayConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "certificate.pem", "key.pem"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let path = dir.path().join("config.toml");
        let text = format!(
            "name = \"relay-1\"\ngenesis = \"genesis.json\"\ntopology = \"topology.toml\"\n{more}\n\
             [tls]\nca = \"ca.pem\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n"
        );
        std::fs::write(&path, text).unwrap();
        let loaded = tributary_service::settings::load_from(&path, [], &[]);
        loaded.map_err(|error| error.to_string())
    }

    #[test]
    fn rank_and_alarm_have_defaults() {
        let config = check("").unwrap();
        assert_eq!((config.rank, config.age_alarm_ms), (0, 5_000));
        assert_eq!(check("rank = 1").unwrap().rank, 1);
    }

    #[test]
    fn bad_values_are_one_sentence() {
        assert_eq!(check("rank = 17").unwrap_err(), "setting rank: 17 is above 16");
        let error = check("age_alarm_ms = 0").unwrap_err();
        assert_eq!(error, "setting age_alarm_ms: must not be 0");
        assert!(check("ranks = 1").unwrap_err().contains("ranks: unknown field"));
    }
}
