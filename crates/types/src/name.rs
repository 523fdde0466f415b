//! Names that accounts are derived from.
//!
//! A name is unique within its institution, not beyond. It is part of no
//! account id: the id holds a hash of it, so a name is checked against an id
//! and never read from one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::hash::Domain;
use crate::institution::InstitutionId;

/// A name that an account can be derived from: 1 to 32 bytes of printable
/// ASCII without blanks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName([u8; 32]);

/// Why a text is not an account name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// Empty or longer than [`AccountName::BYTES_MAX`].
    #[error("name {0:?} must have 1 to 32 characters")]
    Length(String),
    /// A blank, control or non-ASCII character.
    #[error("name {0:?} may contain only printable ASCII characters without blanks")]
    Character(String),
}

impl AccountName {
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = 32;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..length]).unwrap_or("")
    }

    /// The hash that slot and serial of the derived account come from.
    pub(crate) fn seed(&self, institution: InstitutionId) -> [u8; 32] {
        let institution = institution.get().to_le_bytes();
        *Domain::AccountName.hash_parts(&[&institution, &self.0]).as_bytes()
    }

    /// A uniform 16-bit number that placement rules map to a slot.
    #[must_use]
    pub fn placement_hash(&self, institution: InstitutionId) -> u16 {
        let seed = self.seed(institution);
        u16::from_le_bytes([seed[10], seed[11]])
    }
}

impl FromStr for AccountName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() || text.len() > Self::BYTES_MAX {
            return Err(NameError::Length(text.to_owned()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(NameError::Character(text.to_owned()));
        }
        let mut bytes = [0; Self::BYTES_MAX];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

impl Serialize for AccountName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AccountName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Encode for AccountName {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for AccountName {
    const BYTES_MIN: usize = Self::BYTES_MAX;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = Self(reader.array("account name")?);
        match name.as_str().parse::<Self>() {
            Ok(parsed) if parsed == name => Ok(name),
            _ => Err(DecodeError::Invalid { what: "account name", value: u64::from(name.0[0]) }),
        }
    }
}
