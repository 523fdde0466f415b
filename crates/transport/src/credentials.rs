//! Credentials: the cluster's CA, the own certificate and its key, checked
//! before anything listens or dials.

use std::path::Path;
use std::sync::Arc;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::RootCertStore;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use thiserror::Error;
use time::OffsetDateTime;

use crate::authority::SERVER_NAME;
use crate::identity::{Identity, IdentityError};
use crate::pem::{Fingerprint, PemFiles, PemPaths};
use crate::reset::ResetSecret;
use crate::validity::{Names, Outside, Shown, Validity};
use crate::verifier::{ClientVerifier, ServerVerifier};

/// The application protocol; peers of another version do not connect.
const PROTOCOL: &[u8] = b"tributary/2";

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
    /// A certificate does not hold now.
    #[error("the certificate of {whose} {outside}")]
    OutOfDate {
        /// The process's identity, or the CA and where it was read.
        whose: String,
        /// Since or until when.
        outside: Outside,
    },
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
    /// A running process is to become another one.
    #[error("the new certificate is of {found}, this is {expected}")]
    OtherIdentity {
        /// Who the process is.
        expected: Identity,
        /// Whose certificate it is.
        found: Identity,
    },
}

/// Everything that proves who this process is, and whom it trusts.
#[derive(Clone)]
pub struct Credentials {
    identity: Identity,
    server: Arc<QuicServerConfig>,
    client: Arc<QuicClientConfig>,
    reset: ResetSecret,
    periods: Arc<[Period]>,
    files: Option<Arc<PemPaths>>,
    fingerprint: Fingerprint,
}

/// How long a certificate holds that this process stands on.
#[derive(Debug)]
struct Period {
    whose: String,
    validity: Validity,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({})", self.identity)
    }
}

impl Credentials {
    /// Reads three PEM files, which [`crate::Renewal`] reads again when they
    /// change.
    ///
    /// # Errors
    /// [`CredentialsError`], one sentence that names file or reason.
    pub fn load(ca: &Path, certificate: &Path, key: &Path) -> Result<Self, CredentialsError> {
        let paths = PemPaths([ca, certificate, key].map(Path::to_owned));
        Self::build(&PemFiles::read(&Arc::new(paths))?)
    }

    /// Uses PEM texts.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub fn from_pem(ca: &str, certificate: &str, key: &str) -> Result<Self, CredentialsError> {
        let contents = [ca, certificate, key].map(|text| text.as_bytes().to_vec());
        Self::build(&PemFiles { contents, paths: None })
    }

    /// Who this process is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether its certificate and that of its CA hold at a moment. Peers go by
    /// their own clocks.
    ///
    /// # Errors
    /// [`CredentialsError::OutOfDate`], one sentence with the date.
    pub fn check_at(&self, now: OffsetDateTime) -> Result<(), CredentialsError> {
        self.periods.iter().try_for_each(|period| {
            period.validity.check(now).map_err(|outside| {
                let whose = period.whose.clone();
                CredentialsError::OutOfDate { whose, outside }
            })
        })
    }

    /// What to say if one of them ends soon.
    pub(crate) fn ends_soon(&self, now: OffsetDateTime) -> Option<String> {
        let soon = self.periods.iter().filter(|period| period.validity.ends_soon(now));
        let Period { whose, validity } = soon.min_by_key(|period| period.validity.not_after)?;
        let date = Shown(validity.not_after);
        Some(format!("the certificate of {whose} expires on {date} and must be replaced"))
    }

    /// When the first of them ends.
    pub(crate) fn expires(&self) -> OffsetDateTime {
        let ends = self.periods.iter().map(|period| period.validity.not_after);
        ends.min().unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    /// Whether a running process may go on with other credentials.
    pub(crate) fn check_successor(&self, new: &Self) -> Result<(), CredentialsError> {
        let (expected, found) = (self.identity.clone(), new.identity.clone());
        if expected == found {
            Ok(())
        } else {
            Err(CredentialsError::OtherIdentity { expected, found })
        }
    }

    /// Where it was read, if from files.
    pub(crate) const fn files(&self) -> Option<&Arc<PemPaths>> {
        self.files.as_ref()
    }

    /// Tells whether files hold these credentials.
    pub(crate) const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
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

    /// Checks everything.
    ///
    /// # Errors
    /// As [`Credentials::load`].
    pub(crate) fn build(pem: &PemFiles) -> Result<Self, CredentialsError> {
        let [ca, certificate, (key_bytes, key_path)] = pem.named();
        let ca_path = ca.1.clone();
        let ca = certificates(ca)?;
        let chain = certificates(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key_bytes).map_err(|error| {
            let (path, reason) = (key_path.clone(), error.to_string());
            CredentialsError::NotPem { path, what: "private key", reason }
        })?;
        let reset = ResetSecret::of(key.secret_der());
        let identity = Identity::of_certificate(&chain[0])?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(&ca, &identity)?);
        let servers = check_issued(&chain, &roots, &provider, &identity)?;
        let periods = periods(&chain, &ca, &identity, &ca_path).into();
        let key_error = |error: &dyn std::fmt::Display| CredentialsError::Key(error.to_string());
        let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| key_error(&error))?;
        let mut server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| key_error(&error))?
            .with_client_cert_verifier(Arc::new(ClientVerifier(clients)))
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(|error| key_error(&error))?;
        // A resumed session skips the certificates: an expired one would last.
        server.send_tls13_tickets = 0;
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.alpn_protocols = vec![PROTOCOL.to_vec()];
        let mut client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| key_error(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ServerVerifier(servers)))
            .with_client_auth_cert(chain, key)
            .map_err(|error| key_error(&error))?;
        client.resumption = Resumption::disabled();
        client.alpn_protocols = vec![PROTOCOL.to_vec()];
        let credentials = Self {
            identity,
            server: Arc::new(server.try_into().map_err(|error| key_error(&error))?),
            client: Arc::new(client.try_into().map_err(|error| key_error(&error))?),
            reset,
            periods,
            files: pem.paths.clone(),
            fingerprint: pem.fingerprint(),
        };
        credentials.check_at(OffsetDateTime::now_utc())?;
        Ok(credentials)
    }
}

fn certificates(
    (bytes, path): (&[u8], String),
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let not_pem = |reason: String| CredentialsError::NotPem {
        path: path.clone(),
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

/// The periods of a process's certificate and of the CAs that may have signed
/// it, which TLS does not look at. The longest of several CAs of one name is
/// what counts.
fn periods(
    chain: &[CertificateDer<'static>],
    ca: &[CertificateDer<'static>],
    identity: &Identity,
    ca_path: &str,
) -> Vec<Period> {
    let own: Vec<Names> = chain.iter().filter_map(Names::of).collect();
    let issuer = own.last().map(|last| last.issuer.as_slice());
    let authority = ca
        .iter()
        .filter_map(Names::of)
        .filter(|ca| Some(ca.subject.as_slice()) == issuer)
        .map(|ca| Period { whose: format!("the CA in {ca_path}"), validity: ca.validity })
        .max_by_key(|period| period.validity.not_after);
    let own = own
        .into_iter()
        .map(|names| Period { whose: identity.to_string(), validity: names.validity });
    own.chain(authority).collect()
}

/// Peers would refuse a certificate that is another CA's; better to say so at
/// the start. Returns what checks the certificates of servers.
fn check_issued(
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    provider: &Arc<CryptoProvider>,
    identity: &Identity,
) -> Result<Arc<WebPkiServerVerifier>, CredentialsError> {
    let other =
        |reason: String| CredentialsError::OtherAuthority { identity: identity.clone(), reason };
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::clone(roots), Arc::clone(provider))
            .build()
            .map_err(|error| other(error.to_string()))?;
    let name = ServerName::try_from(SERVER_NAME).map_err(|error| other(error.to_string()))?;
    let checked = verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], UnixTime::now());
    match checked {
        Ok(_) => Ok(verifier),
        Err(rustls::Error::InvalidCertificate(error)) => Err(match Outside::of(&error) {
            Some(outside) => CredentialsError::OutOfDate { whose: identity.to_string(), outside },
            None => other(error.to_string()),
        }),
        Err(error) => Err(other(error.to_string())),
    }
}
