//! What a router is configured with.
//!
//! ```toml
//! name = "router-1"            # as in topology.toml and in the certificate
//! institution = 1              # whose batches it signs; as in topology.toml
//! signing_key = "router.key"   # a key that is registered for the institution
//! genesis = "genesis.json"
//! topology = "topology.toml"
//! listen = "0.0.0.0:7101"      # optional: bind here, not to the topology's address
//! http = "127.0.0.1:8101"      # optional, likewise
//! shortcuts = true             # optional: front-ends on this machine use UNIX sockets
//!
//! [tls]
//! ca = "ca.pem"
//! certificate = "router-1.pem"
//! key = "router-1.key.pem"
//!
//! [limits]                     # all optional
//! requests_in_flight_max = 16384
//! queue_payments_max = 16384   # of each strand
//! payments_per_second_max = 100000 # of each front-end; absent: no quota
//! ```

use std::net::SocketAddr;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tributary_service::settings::{Settings, SettingsError, resolve};
use tributary_service::tls::TlsPaths;
use tributary_types::InstitutionId;
use tributary_wire::router::REQUEST_PAYMENTS_MAX;

/// Most strands towards one chain.
pub const STRANDS_PER_CHAIN_MAX: u8 = 16;

/// The configuration file of a router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterSettings {
    /// The name in its certificate and in the topology.
    pub name: String,
    /// Whose front-ends it serves and whose batches it signs.
    pub institution: InstitutionId,
    /// File with the seed of the batch-signing key.
    pub signing_key: PathBuf,
    /// The cluster's genesis.
    pub genesis: PathBuf,
    /// The cluster's map.
    pub topology: PathBuf,
    /// Where it listens for front-ends, if not at the topology's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// Where it answers probes, if not at the topology's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<SocketAddr>,
    /// Whether front-ends on its machine, of its user, speak by UNIX sockets instead
    /// of streams of QUIC.
    #[serde(default = "tributary_service::settings::yes")]
    pub shortcuts: bool,
    /// Certificates.
    pub tls: TlsPaths,
    /// Admission.
    #[serde(default)]
    pub limits: Limits,
}

/// How much the router takes on before it answers `overloaded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests of the institution, all front-ends together, that are being
    /// worked on.
    pub requests_in_flight_max: u32,
    /// Payments and operations that one strand holds, waiting and under way:
    /// two full batches, one under way and one that waits. What waits longer
    /// makes nothing faster, only later. Large requests of all front-ends
    /// together are let in up to what fills five eighths of all strands.
    pub queue_payments_max: u32,
    /// Strands towards each chain: a chain can be working on so many batches of
    /// this router at once, and each has its own queue. One makes the largest
    /// batches, and few blocks; two keep a chain busy that is far away, while an
    /// answer travels.
    pub strands_per_chain: NonZero<u8>,
    /// Payments a second of each front-end; `None` sets no quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payments_per_second_max: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            requests_in_flight_max: 16_384,
            queue_payments_max: 16_384,
            strands_per_chain: NonZero::<u8>::MIN,
            payments_per_second_max: None,
        }
    }
}

impl Limits {
    /// Checks that a request that keeps the wire's limits can ever be taken.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] names the limit.
    pub fn validate(&self) -> Result<(), SettingsError> {
        if self.requests_in_flight_max == 0 {
            return invalid("limits.requests_in_flight_max", "0 would let nothing in".to_owned());
        }
        if (self.queue_payments_max as usize) < REQUEST_PAYMENTS_MAX {
            let (found, least) = (self.queue_payments_max, REQUEST_PAYMENTS_MAX);
            let reason = format!("{found} is less than one request may hold, {least}");
            return invalid("limits.queue_payments_max", reason);
        }
        if self.strands_per_chain.get() > STRANDS_PER_CHAIN_MAX {
            let found = self.strands_per_chain;
            let reason = format!("{found} is more than {STRANDS_PER_CHAIN_MAX}");
            return invalid("limits.strands_per_chain", reason);
        }
        if self.payments_per_second_max == Some(0) {
            return invalid("limits.payments_per_second_max", "0 would let nothing in".to_owned());
        }
        Ok(())
    }
}

impl Settings for RouterSettings {
    fn resolve_paths(&mut self, base: &Path) {
        for path in [&mut self.signing_key, &mut self.genesis, &mut self.topology] {
            resolve(base, path);
        }
        self.tls.resolve_paths(base);
    }

    fn validate(&self) -> Result<(), SettingsError> {
        if self.name.is_empty() {
            return invalid("name", "must not be empty".to_owned());
        }
        if self.institution > InstitutionId::MAX {
            let (found, most) = (self.institution, InstitutionId::MAX);
            return invalid("institution", format!("{found} is more than {most}"));
        }
        self.tls.validate()?;
        self.limits.validate()
    }
}

fn invalid(key: &str, reason: String) -> Result<(), SettingsError> {
    Err(SettingsError::Invalid { key: key.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "name = \"router-1\"\ninstitution = 1\nsigning_key = \"router.key\"\n\
        genesis = \"genesis.json\"\ntopology = \"topology.toml\"\n\
        [tls]\nca = \"ca.pem\"\ncertificate = \"router.pem\"\nkey = \"router.key.pem\"\n";

    fn load(file: &str) -> Result<RouterSettings, String> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "router.pem", "router.key.pem"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let path = dir.path().join("router.toml");
        std::fs::write(&path, file).unwrap();
        tributary_service::settings::load_from(&path, [], &[]).map_err(|error| error.to_string())
    }

    #[test]
    fn limits_and_addresses_are_optional() {
        let settings = load(FILE).unwrap();
        assert_eq!((settings.limits, settings.listen), (Limits::default(), None));
        assert!(settings.genesis.is_absolute() && settings.tls.ca.is_absolute());
        let more =
            format!("listen = \"0.0.0.0:7101\"\n{FILE}[limits]\npayments_per_second_max = 5\n");
        let settings = load(&more).unwrap();
        assert_eq!(settings.listen, Some("0.0.0.0:7101".parse().unwrap()));
        assert_eq!(settings.limits.payments_per_second_max, Some(5));
    }

    #[test]
    fn bad_settings_are_one_sentence() {
        for (from, to, expected) in [
            ("genesis", "genesys", "genesys: unknown field"),
            ("\"router-1\"", "\"\"", "setting name: must not be empty"),
            ("institution = 1", "institution = 16777216", "institution: "),
            ("\"ca.pem\"", "\"other.pem\"", "other.pem is not a file"),
        ] {
            assert!(FILE.contains(from));
            let error = load(&FILE.replace(from, to)).unwrap_err();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn limits_that_cannot_be_kept_are_refused() {
        let check = |limits: Limits, key: &str| {
            let error = limits.validate().unwrap_err().to_string();
            assert!(error.contains(key), "{error}");
        };
        let limits = Limits::default();
        assert!(limits.validate().is_ok());
        check(Limits { requests_in_flight_max: 0, ..limits }, "limits.requests_in_flight_max");
        check(Limits { queue_payments_max: 100, ..limits }, "limits.queue_payments_max");
        let strands = NonZero::<u8>::MAX;
        check(Limits { strands_per_chain: strands, ..limits }, "limits.strands_per_chain");
        let none = Limits { payments_per_second_max: Some(0), ..limits };
        check(none, "limits.payments_per_second_max");
    }
}
