//! The cluster's certificate authority, for development and small clusters.
//!
//! Larger ones bring their own; all that matters is the one URI that
//! [`crate::identity`] describes and the DNS name [`SERVER_NAME`].

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use thiserror::Error;
use time::{Duration, OffsetDateTime};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::identity::Identity;

/// The DNS name in every certificate. Who a peer is stands in its URI; this
/// name only satisfies TLS, because trust is pinned to the cluster's CA.
pub const SERVER_NAME: &str = "tributary.internal";

/// How far before now a certificate begins to hold: clocks differ.
const BACKDATE_HOURS: i64 = 1;

/// A certificate could not be made or read.
#[derive(Debug, Error)]
pub enum AuthorityError {
    /// No certificate, or the system's entropy fails.
    #[error("certificate authority: {0}")]
    Unusable(#[from] rcgen::Error),
    /// No key. What was found is not shown.
    #[error("certificate authority: its private key is no PEM of a key")]
    NotKey,
    /// Nobody would accept what they issue together.
    #[error("certificate authority: its certificate is not of its private key")]
    OtherKey,
}

/// A CA with its private key.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
}

/// A certificate with its private key, both PEM.
pub struct Issued {
    /// The certificate.
    pub certificate_pem: String,
    /// PKCS #8.
    pub key_pem: String,
}

impl CertificateAuthority {
    /// A new CA for `cluster`.
    ///
    /// # Errors
    /// [`AuthorityError`] if the system's entropy fails.
    pub fn create(cluster: &str, validity_days: u32) -> Result<Self, AuthorityError> {
        let (not_before, not_after) = from_now(validity_days);
        Self::create_for(cluster, not_before, not_after)
    }

    /// A new CA for `cluster` and a period.
    ///
    /// # Errors
    /// [`AuthorityError`] if the system's entropy fails.
    pub fn create_for(
        cluster: &str,
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Self, AuthorityError> {
        Self::certify(cluster, KeyPair::generate()?, (not_before, not_after))
    }

    /// The CA of an earlier key, with a new certificate that holds from now.
    /// What it has issued is still its own.
    ///
    /// # Errors
    /// [`AuthorityError`] if the text is no key.
    pub fn renew(cluster: &str, key_pem: &str, validity_days: u32) -> Result<Self, AuthorityError> {
        Self::certify(cluster, key_pair(key_pem)?, from_now(validity_days))
    }

    fn certify(
        cluster: &str,
        key: KeyPair,
        (not_before, not_after): (OffsetDateTime, OffsetDateTime),
    ) -> Result<Self, AuthorityError> {
        let mut params = params(&format!("Tributary {cluster} CA"), not_before, not_after);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate_pem = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate_pem })
    }

    /// A CA that was created earlier.
    ///
    /// # Errors
    /// [`AuthorityError`] if the texts are not its certificate and key.
    pub fn load(certificate_pem: &str, key_pem: &str) -> Result<Self, AuthorityError> {
        let unreadable = rcgen::Error::CouldNotParseCertificate;
        let key = key_pair(key_pem)?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_| unreadable.clone())?;
        let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|_| unreadable)?;
        if *parsed.public_key().subject_public_key.data != *key.public_key_raw() {
            return Err(AuthorityError::OtherKey);
        }
        let issuer = Issuer::from_ca_cert_der(&certificate, key)?;
        Ok(Self { issuer, certificate_pem: certificate_pem.to_owned() })
    }

    /// The CA's certificate.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// The CA's private key.
    #[must_use]
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A certificate for one peer, valid from now.
    ///
    /// # Errors
    /// [`AuthorityError`] if the system's entropy fails.
    pub fn issue(&self, identity: &Identity, validity_days: u32) -> Result<Issued, AuthorityError> {
        let (not_before, not_after) = from_now(validity_days);
        self.issue_for(identity, not_before, not_after)
    }

    /// A certificate for one peer and a period.
    ///
    /// # Errors
    /// [`AuthorityError`] if the system's entropy fails.
    pub fn issue_for(
        &self,
        identity: &Identity,
        not_before: OffsetDateTime,
        not_after: OffsetDateTime,
    ) -> Result<Issued, AuthorityError> {
        let mut params = params(&identity.name, not_before, not_after);
        params.subject_alt_names = vec![
            SanType::DnsName(SERVER_NAME.try_into()?),
            SanType::URI(identity.to_string().try_into()?),
        ];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate_pem = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Issued { certificate_pem, key_pem: key.serialize_pem() })
    }
}

/// The error of the library would quote the text.
fn key_pair(pem: &str) -> Result<KeyPair, AuthorityError> {
    KeyPair::from_pem(pem).map_err(|_| AuthorityError::NotKey)
}

fn params(
    common_name: &str,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    (params.not_before, params.not_after) = (not_before, not_after);
    params
}

fn from_now(validity_days: u32) -> (OffsetDateTime, OffsetDateTime) {
    let now = OffsetDateTime::now_utc();
    (now - Duration::hours(BACKDATE_HOURS), now + Duration::days(i64::from(validity_days)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_loaded_with_its_own_key_only() {
        let [one, other] =
            ["one", "other"].map(|name| CertificateAuthority::create(name, 1).unwrap());
        let loaded = CertificateAuthority::load(one.certificate_pem(), &one.key_pem()).unwrap();
        assert_eq!(loaded.certificate_pem(), one.certificate_pem());
        let mixed = CertificateAuthority::load(one.certificate_pem(), &other.key_pem());
        assert!(matches!(mixed, Err(AuthorityError::OtherKey)));
        assert!(CertificateAuthority::load(&one.key_pem(), &one.key_pem()).is_err());
    }

    #[test]
    fn a_damaged_key_is_refused_without_showing_it() {
        let own = CertificateAuthority::create("one", 1).unwrap();
        let key = own.key_pem();
        let [begin, digits, ..] = key.lines().collect::<Vec<_>>()[..] else {
            panic!("a key of several lines")
        };
        let damaged = format!("{begin}\n-----END {digits}-----\n");
        for refused in [
            CertificateAuthority::load(own.certificate_pem(), &damaged),
            CertificateAuthority::renew("one", &damaged, 1),
        ] {
            let said = refused.err().unwrap().to_string();
            assert_eq!(said, "certificate authority: its private key is no PEM of a key");
        }
    }
}
