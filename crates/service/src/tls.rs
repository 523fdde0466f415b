//! The `[tls]` section: where the cluster's CA, the own certificate and its
//! private key lie. Paths only; this crate never reads what they hold.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::settings::{SettingsError, resolve};

/// PEM files of one identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsPaths {
    /// The cluster's certificate authority.
    pub ca: PathBuf,
    /// This process's certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsPaths {
    /// Makes relative paths start at `base`.
    pub fn resolve_paths(&mut self, base: &Path) {
        resolve(base, &mut self.ca);
        resolve(base, &mut self.certificate);
        resolve(base, &mut self.key);
    }

    /// Checks that all three files are there.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] names the first that is not.
    pub fn validate(&self) -> Result<(), SettingsError> {
        for (key, path) in
            [("tls.ca", &self.ca), ("tls.certificate", &self.certificate), ("tls.key", &self.key)]
        {
            if !path.is_file() {
                let reason = format!("{} is not a file", path.display());
                return Err(SettingsError::Invalid { key: key.to_owned(), reason });
            }
        }
        Ok(())
    }
}
