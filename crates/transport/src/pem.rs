//! The three texts that credentials are made of, and where they lie.

use std::path::PathBuf;
use std::sync::Arc;

use crate::credentials::CredentialsError;

/// Where the CA, the certificate and the key lie.
#[derive(Debug)]
pub(crate) struct PemPaths(pub(crate) [PathBuf; 3]);

/// A hash of everything in the files.
pub(crate) type Fingerprint = blake3::Hash;

/// What the files hold: CA, certificate, key.
pub(crate) struct PemFiles {
    pub(crate) contents: [Vec<u8>; 3],
    /// `None` for texts that were given.
    pub(crate) paths: Option<Arc<PemPaths>>,
}

impl PemFiles {
    /// Reads all three.
    ///
    /// # Errors
    /// [`CredentialsError::Unreadable`].
    pub(crate) fn read(paths: &Arc<PemPaths>) -> Result<Self, CredentialsError> {
        let mut contents = [const { Vec::new() }; 3];
        for (content, path) in contents.iter_mut().zip(&paths.0) {
            *content = std::fs::read(path).map_err(|source| CredentialsError::Unreadable {
                path: path.display().to_string(),
                source,
            })?;
        }
        Ok(Self { contents, paths: Some(Arc::clone(paths)) })
    }

    /// Equal for equal contents.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let mut hasher = blake3::Hasher::new();
        for content in &self.contents {
            hasher.update(blake3::hash(content).as_bytes());
        }
        hasher.finalize()
    }

    /// The contents, and what to call them.
    pub(crate) fn named(&self) -> [(&[u8], String); 3] {
        let names = match &self.paths {
            Some(paths) => paths.0.each_ref().map(|path| path.display().to_string()),
            None => ["CA", "certificate", "private key"].map(str::to_owned),
        };
        let [ca, certificate, key] = &self.contents;
        let [ca_name, certificate_name, key_name] = names;
        [(ca, ca_name), (certificate, certificate_name), (key, key_name)]
    }
}
