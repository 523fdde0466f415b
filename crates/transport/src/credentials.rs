//! Credentials: the cluster's CA, the own certificate and its key, checked
//! before anything listens or dials.

use std::path::Path;
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{CertificateError, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use thiserror::Error;

use crate::authority::SERVER_NAME;
use crate::identity::{Identity, IdentityError};
use crate::reset::ResetSecret;

/// The application protocol; peers of another version do not connect.
const PROTOCOL: &[u8] = b"tributary/1";

/// Why credentials cannot be used.
#[derive(Debug, Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// No PEM, or of the wrong kind.
    #[error("{path} holds no PEM {what}: {reason}")]
    NotPem {
        /// The file, or what the text was given as.
        path: String,
        /// What it should hold.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// The period of validity is over.
    #[error("the certificate of {0} is expired")]
    Expired(Identity),
    /// The period of validity has not begun.
    #[error("the certificate of {0} is not valid yet")]
    NotYetValid(Identity),
    /// Signed by somebody else.
    #[error("the certificate of {identity} is not one of this cluster's CA: {reason}")]
    OtherAuthority {
        /// Whose certificate.
        identity: Identity,
        /// What the check says.
        reason: String,
    },
    /// No role in the certificate.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The key belongs to another certificate, or cannot be used.
    #[error("certificate and private key cannot be used together: {0}")]
    Key(String),
}

/// Everything that proves who this process is, and whom it trusts.
#[derive(Clone)]
pub struct Credentials {
    identity: Identity,
    server: Arc<QuicServerConfig>,
    client: Arc<QuicClientConfig>,
    reset: ResetSecret,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.identity)
    }
}

impl Credentials {
    /// Reads three PEM files.
    ///
    /// # Errors
    /// [`CredentialsError`], one sentence that names file or reason.
    pub fn load(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, CredentialsError> {
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| CredentialsError::Unreadable {
                path: path.display().to_string(),
                source,
            })
        };
        let shown = |path: &Path| path.display().to_string();
        Self::build(
            (&read(ca)?, &shown(ca)),
            (&read(certificate)?, &shown(certificate)),
            (&read(key)?, &shown(key)),
        )
    }

    /// Uses PEM texts.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub fn from_pem(ca: &str, certificate: &str, key: &str) -> Result<Self, CredentialsError> {
        Self::build(
            (ca.as_bytes(), "CA"),
            (certificate.as_bytes(), "certificate"),
            (key.as_bytes(), "private key"),
        )
    }

    /// Who this process is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn server(&self) -> Arc<QuicServerConfig> {
        Arc::clone(&self.server)
    }

    pub(crate) fn client(&self) -> Arc<QuicClientConfig> {
        Arc::clone(&self.client)
    }

    pub(crate) const fn reset(&self) -> ResetSecret {
        self.reset
    }

    fn build(
        ca: (&[u8], &str),
        certificate: (&[u8], &str),
        key: (&[u8], &str),
    ) -> Result<Self, CredentialsError> {
        let ca = certificates(ca)?;
        let chain = certificates(certificate)?;
        let (key_bytes, key_path) = key;
        let key = PrivateKeyDer::from_pem_slice(key_bytes).map_err(|error| {
            let (path, reason) = (key_path.to_owned(), error.to_string());
            CredentialsError::NotPem { path, what: "private key", reason }
        })?;
        let reset = ResetSecret::of(key.secret_der());
        let identity = Identity::of_certificate(&chain[0])?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(&ca, &identity)?);
        check_issued(&chain, &roots, &provider, &identity)?;
        let key_error = |error: &dyn std::fmt::Display| CredentialsError::Key(error.to_string());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()
                .map_err(|error| key_error(&error))?;
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| key_error(&error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| key_error(&error))?;
        // A resumed session skips the certificates: an expired one would last.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| key_error(&error))?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(|error| key_error(&error))?;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        Ok(Self {
            identity,
            server: Arc::new(server.try_into().map_err(|error| key_error(&error))?),
            client: Arc::new(client.try_into().map_err(|error| key_error(&error))?),
            reset,
        })
    }
}

fn certificates(
    (bytes, path): (&[u8], &str),
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let not_pem = |reason: String| CredentialsError::NotPem {
        path: path.to_owned(),
        what: "certificate",
        reason,
    };
    let list: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match list {
        Ok(list) if list.is_empty() => Err(not_pem("nothing found".to_owned())),
        Ok(list) => Ok(list),
        Err(error) => Err(not_pem(error.to_string())),
    }
}

fn roots(
    ca: &[CertificateDer<'static>],
    identity: &Identity,
) -> Result<RootCertStore, CredentialsError> {
    let mut roots = RootCertStore::empty();
    for certificate in ca {
        roots.add(certificate.clone()).map_err(|error| CredentialsError::OtherAuthority {
            identity: identity.clone(),
            reason: error.to_string(),
        })?;
    }
    Ok(roots)
}

/// Peers would refuse a certificate that is expired or another CA's; better to
/// say so at the start.
fn check_issued(
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    identity: &Identity,
) -> Result<(), CredentialsError> {
    let other =
        |reason: String| CredentialsError::OtherAuthority { identity: identity.clone(), reason };
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .build()
            .map_err(|error| other(error.to_string()))?;
    let name = ServerName::try_from(SERVER_NAME).map_err(|error| other(error.to_string()))?;
    let checked = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now());
    match checked {
        Ok(_) => Ok(()),
        Err(rustls::Error::InvalidCertificate(error)) => Err(match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                CredentialsError::Expired(identity.clone())
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                CredentialsError::NotYetValid(identity.clone())
            }
            error => other(error.to_string()),
        }),
        Err(error) => Err(other(error.to_string())),
    }
}
