//! The number of an institution: 24 bits, because it is part of account ids.
//!
//! Every value of [`InstitutionId`] fits; a larger number from a file or the
//! network is refused where it is read. Whether the institution is registered
//! is for the ledger to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{Decode, DecodeError, Encode, Reader};

/// A member bank or front-end.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u32")]
pub struct InstitutionId(u32);

/// A number or text is no institution id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("institution {0:?} is not a whole number from 0 to 16777215")]
pub struct InstitutionIdError(String);

impl InstitutionId {
    /// Largest number that fits an account id.
    pub const MAX: Self = Self(0x00ff_ffff);

    /// Wraps a number of the program's own.
    ///
    /// # Panics
    /// Beyond [`InstitutionId::MAX`]. Numbers from outside come in by
    /// `TryFrom<u32>`, [`FromStr`] or [`Decode`].
    #[must_use]
    pub const fn new(value: u32) -> Self {
        assert!(value <= Self::MAX.0, "an institution id has 24 bits");
        Self(value)
    }

    /// The number, at most [`InstitutionId::MAX`].
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for InstitutionId {
    type Error = InstitutionIdError;
    fn try_from(value: u32) -> Result<Self, InstitutionIdError> {
        if value <= Self::MAX.0 {
            Ok(Self(value))
        } else {
            Err(InstitutionIdError(value.to_string()))
        }
    }
}

impl FromStr for InstitutionId {
    type Err = InstitutionIdError;
    fn from_str(text: &str) -> Result<Self, InstitutionIdError> {
        let wrong = || InstitutionIdError(text.to_owned());
        text.parse::<u32>().map_err(|_| wrong())?.try_into().map_err(|_| wrong())
    }
}

impl fmt::Display for InstitutionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for InstitutionId {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for InstitutionId {
    const BYTES_MIN: usize = 4;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = u32::decode(reader)?;
        Self::try_from(value)
            .map_err(|_| DecodeError::Invalid { what: "institution", value: u64::from(value) })
    }
}
