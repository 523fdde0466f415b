//! What a client is configured with, and the file that says it.
//!
//! ```toml
//! institution = 1                   # as in the certificate
//! routers = ["127.0.0.1:7101"]      # tried in this order
//! genesis = "genesis.json"
//!
//! [tls]
//! ca = "ca/ca.pem"
//! certificate = "front-end/certificate.pem"
//! key = "front-end/key.pem"
//! ```
//!
//! Relative paths start at the directory of the file; unknown keys are errors.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;
use tributary_ledger::genesis::Genesis;
use tributary_routing::PlacementRule;
use tributary_transport::{Credentials, Role};
use tributary_types::InstitutionId;

/// What [`crate::Client::connect`] needs.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Routers of the institution; the first that answers is used, the others
    /// stand in for it.
    pub routers: Vec<SocketAddr>,
    /// Who the client is: a front-end of the institution in the certificate.
    pub credentials: Credentials,
    /// What everything is verified against.
    pub genesis: Genesis,
    /// Rules that place accounts when they are opened; empty spreads them over
    /// all slots.
    pub placement: Vec<PlacementRule>,
    /// How long connecting and every verb go on trying; see
    /// [`crate::Client::with_deadline`].
    pub deadline: Duration,
}

/// The deadline of a client that is configured by a file.
pub const DEADLINE_DEFAULT: Duration = Duration::from_secs(60);

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// A file has other content than it should.
    #[error("{path}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// The certificate or its key cannot be used.
    #[error("credentials: {0}")]
    Credentials(String),
}

impl ClientConfig {
    /// Reads a client file and all files that it names.
    ///
    /// # Errors
    /// [`ConfigError`], one sentence that names the file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let file: ClientFile =
            toml::from_str(&text).map_err(|error| malformed(path, &error.message()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let tls = file.tls;
        let credentials =
            Credentials::load(&base.join(tls.ca), &base.join(tls.certificate), &base.join(tls.key))
                .map_err(|error| ConfigError::Credentials(error.to_string()))?;
        let identity = credentials.identity();
        if identity.role != Role::Institution(file.institution) {
            let (found, expected) = (identity, file.institution);
            let reason = format!("{found} is no front-end of institution {expected}");
            return Err(ConfigError::Credentials(reason));
        }
        Ok(Self {
            routers: file.routers,
            credentials,
            genesis: load_genesis(&base.join(file.genesis))?,
            placement: Vec::new(),
            deadline: DEADLINE_DEFAULT,
        })
    }
}

/// Reads and checks a genesis file.
///
/// # Errors
/// [`ConfigError`], one sentence that names the file.
pub fn load_genesis(path: &Path) -> Result<Genesis, ConfigError> {
    let genesis: Genesis =
        serde_json::from_str(&read(path)?).map_err(|error| malformed(path, &error))?;
    genesis.validate().map_err(|error| malformed(path, &error))?;
    Ok(genesis)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientFile {
    institution: InstitutionId,
    routers: Vec<SocketAddr>,
    genesis: PathBuf,
    tls: TlsFiles,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let failed = |source| ConfigError::Unreadable { path: path.display().to_string(), source };
    std::fs::read_to_string(path).map_err(failed)
}

fn malformed(path: &Path, reason: &dyn std::fmt::Display) -> ConfigError {
    ConfigError::Malformed { path: path.display().to_string(), reason: reason.to_string() }
}
