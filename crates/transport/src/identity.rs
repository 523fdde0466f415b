//! Who a peer is: role and name, as its certificate says.
//!
//! The certificate carries exactly one URI among its alternative names:
//! `tributary:node/NAME`, `tributary:relay/NAME`,
//! `tributary:router/INSTITUTION/NAME` or
//! `tributary:institution/INSTITUTION/NAME`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;
use tributary_types::InstitutionId;

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// What a peer may be asked and may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Hosts replicas.
    Node,
    /// Carries deliveries.
    Relay,
    /// Signs batches for an institution.
    Router(InstitutionId),
    /// A front-end of an institution.
    Institution(InstitutionId),
}

impl Role {
    /// The role's word, without the institution.
    #[must_use]
    pub const fn kind(self) -> RoleKind {
        match self {
            Self::Node => RoleKind::Node,
            Self::Relay => RoleKind::Relay,
            Self::Router(_) => RoleKind::Router,
            Self::Institution(_) => RoleKind::Institution,
        }
    }
}

/// A role without its institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RoleKind {
    /// See [`Role::Node`].
    Node,
    /// See [`Role::Relay`].
    Relay,
    /// See [`Role::Router`].
    Router,
    /// See [`Role::Institution`].
    Institution,
}

impl fmt::Display for RoleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Node => "node",
            Self::Relay => "relay",
            Self::Router => "router",
            Self::Institution => "institution",
        })
    }
}

/// Who a peer is. Two peers with one identity are the same peer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What it may do.
    pub role: Role,
    /// Its name, unique among its role.
    pub name: String,
}

/// Why a certificate gives no identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IdentityError {
    /// Not exactly one `tributary:` URI.
    #[error("the certificate carries {0} tributary URIs, expected one")]
    Count(usize),
    /// The URI is of another form.
    #[error("{0:?} names no role: expected tributary:ROLE[/INSTITUTION]/NAME")]
    Form(String),
    /// The certificate cannot be read.
    #[error("the certificate cannot be read: {0}")]
    Certificate(String),
}

/// Scheme of the identity URI.
const SCHEME: &str = "tributary:";

impl Identity {
    /// Reads the identity out of a certificate that was verified already.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub fn of_certificate(
        certificate: &rustls_pki_types::CertificateDer<'_>,
    ) -> Result<Self, IdentityError> {
        let parsed = webpki::EndEntityCert::try_from(certificate)
            .map_err(|error| IdentityError::Certificate(error.to_string()))?;
        let uris: Vec<_> = parsed.valid_uri_names().filter(|uri| uri.starts_with(SCHEME)).collect();
        match uris.as_slice() {
            [uri] => uri.parse(),
            other => Err(IdentityError::Count(other.len())),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/", self.role.kind())?;
        match self.role {
            Role::Node | Role::Relay => {}
            Role::Router(institution) | Role::Institution(institution) => {
                write!(f, "{institution}/")?;
            }
        }
        f.write_str(&self.name)
    }
}

impl FromStr for Identity {
    type Err = IdentityError;
    fn from_str(uri: &str) -> Result<Self, IdentityError> {
        let form = || IdentityError::Form(uri.to_owned());
        let parts: Vec<_> = uri.strip_prefix(SCHEME).ok_or_else(form)?.split('/').collect();
        let institution = |number: &str| number.parse::<InstitutionId>().ok();
        let (role, name) = match parts.as_slice() {
            ["node", name] => (Some(Role::Node), *name),
            ["relay", name] => (Some(Role::Relay), *name),
            ["router", number, name] => (institution(number).map(Role::Router), *name),
            ["institution", number, name] => (institution(number).map(Role::Institution), *name),
            _ => (None, ""),
        };
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let well_named = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(valid);
        let identity = role.filter(|_| well_named).map(|role| Self { role, name: name.to_owned() });
        // One identity has one text: `01` or `+1` would be a second one.
        identity.filter(|identity| identity.to_string() == uri).ok_or_else(form)
    }
}

/// Who a dialled server must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Its role.
    pub role: RoleKind,
    /// Its name, if it matters.
    pub name: Option<String>,
}

impl Expected {
    /// Any peer of a role.
    #[must_use]
    pub const fn any(role: RoleKind) -> Self {
        Self { role, name: None }
    }

    /// One peer of a role.
    #[must_use]
    pub fn named(role: RoleKind, name: impl Into<String>) -> Self {
        Self { role, name: Some(name.into()) }
    }

    /// Whether `found` is meant.
    #[must_use]
    pub fn admits(&self, found: &Identity) -> bool {
        found.role.kind() == self.role && self.name.as_ref().is_none_or(|name| *name == found.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_round_trip_through_their_uri() {
        let router = Role::Router(InstitutionId::new(7));
        for (role, uri) in [
            (Role::Node, "tributary:node/a-1"),
            (Role::Relay, "tributary:relay/a-1"),
            (router, "tributary:router/7/a-1"),
            (Role::Institution(InstitutionId::new(9)), "tributary:institution/9/a-1"),
        ] {
            let identity = Identity { role, name: "a-1".to_owned() };
            assert_eq!(identity.to_string(), uri);
            assert_eq!(uri.parse(), Ok(identity));
        }
    }

    #[test]
    fn other_uris_are_no_identity() {
        for uri in [
            "node/a",
            "tributary:node/",
            "tributary:node/a/b",
            "tributary:router/a",
            "tributary:router/x/a",
            "tributary:router/16777216/a",
            "tributary:router/07/a",
            "tributary:router/+7/a",
            "tributary:king/a",
            "tributary:node/a b",
        ] {
            assert!(uri.parse::<Identity>().is_err(), "{uri}");
        }
    }
}
