//! Amounts: unsigned 128-bit integers in the asset's minor unit.
//!
//! There is no wrapping, saturating or floating-point arithmetic on money:
//! every operation is checked. Text and JSON show plain decimal integers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::codec::{Decode, DecodeError, Encode, Reader};

/// A number of minor units (pence, cents); never negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Amount(u128);

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Wraps a number of minor units.
    #[must_use]
    pub const fn new(minor_units: u128) -> Self {
        Self(minor_units)
    }

    /// The number of minor units.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// Whether this is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Sum, or `None` beyond 128 bits.
    #[must_use]
    pub const fn checked_add(self, other: Self) -> Option<Self> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Self(sum)),
            None => None,
        }
    }

    /// Difference, or `None` below zero.
    #[must_use]
    pub const fn checked_sub(self, other: Self) -> Option<Self> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Self(difference)),
            None => None,
        }
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a text is not an amount.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AmountError {
    /// Anything but decimal digits: signs, points, separators, blanks.
    #[error("amount {0:?} is not a whole number of minor units (digits only)")]
    NotDigits(String),
    /// More than 2^128 - 1.
    #[error("amount {0} does not fit in 128 bits")]
    TooLarge(String),
}

impl FromStr for Amount {
    type Err = AmountError;
    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AmountError::NotDigits(text.to_owned()));
        }
        text.parse().map(Self).map_err(|_| AmountError::TooLarge(text.to_owned()))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(&self.0)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            u128::deserialize(deserializer).map(Self)
        }
    }
}

impl Encode for Amount {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Amount {
    const BYTES_MIN: usize = 16;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u128::decode(reader).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_digits_only() {
        let check = |text: &str, ok: bool| assert_eq!(text.parse::<Amount>().is_ok(), ok, "{text}");
        check("0", true);
        check("340282366920938463463374607431768211455", true);
        check("340282366920938463463374607431768211456", false);
        check("12.50", false);
        check("-1", false);
        check("+1", false);
        check("", false);
        check(" 1", false);
    }
}
