//! Payment ids: UUIDs of version 7.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::id::TimeMs;

/// A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then entropy.
/// Sorting ids sorts them by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId(u128);

/// The text or bytes are no UUIDv7.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not a UUID of version 7")]
pub struct PaymentIdError(String);

/// Where the fields of a UUIDv7 stand in its 128 bits.
const TIME_SHIFT: u32 = 80;
const VERSION_BITS: u128 = 0xf << 76;
const VERSION_7: u128 = 7 << 76;
const VARIANT_BITS: u128 = 0b11 << 62;
const VARIANT: u128 = 0b10 << 62;
const RANDOM_BITS: u128 = !(VERSION_BITS | VARIANT_BITS) & ((1 << TIME_SHIFT) - 1);

impl PaymentId {
    /// Builds an id from a moment and 74 bits of entropy. Of the moment the low
    /// 48 bits are kept: enough until the year 10889.
    #[must_use]
    #[inline]
    pub fn new(time: TimeMs, entropy: [u8; 10]) -> Self {
        let [a, b, low @ ..] = entropy;
        let high = u128::from(u16::from_be_bytes([a, b]));
        Self::of_bits(time, high << 64 | u128::from(u64::from_be_bytes(low)))
    }

    /// As [`PaymentId::new`] of the low 80 bits of a number, of which those that
    /// tell version and variant do not matter.
    #[inline]
    #[must_use]
    pub fn of_bits(time: TimeMs, random: u128) -> Self {
        let random = random & RANDOM_BITS;
        Self(u128::from(time.get()) << TIME_SHIFT | random | VERSION_7 | VARIANT)
    }

    /// Checks version and variant.
    ///
    /// # Errors
    /// [`PaymentIdError`] if the bytes are another kind of UUID.
    #[inline]
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, PaymentIdError> {
        let bits = u128::from_be_bytes(bytes);
        if bits & (VERSION_BITS | VARIANT_BITS) == VERSION_7 | VARIANT {
            Ok(Self(bits))
        } else {
            Err(PaymentIdError(uuid::Uuid::from_u128(bits).to_string()))
        }
    }

    /// The bytes, most significant first.
    #[must_use]
    pub const fn to_be_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The bits as a number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The moment inside the id.
    #[must_use]
    pub const fn time(&self) -> TimeMs {
        TimeMs::new((self.0 >> TIME_SHIFT) as u64)
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_u128(self.0).fmt(f)
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PaymentId {
    type Err = PaymentIdError;
    fn from_str(text: &str) -> Result<Self, PaymentIdError> {
        let uuid: uuid::Uuid = text.parse().map_err(|_| PaymentIdError(text.to_owned()))?;
        Self::from_bytes(uuid.into_bytes())
    }
}

impl Serialize for PaymentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.to_be_bytes().serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PaymentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Self::from_bytes(<[u8; 16]>::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

impl Encode for PaymentId {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.to_be_bytes().encode(out);
    }
}

impl Decode for PaymentId {
    const BYTES_MIN: usize = 16;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes: [u8; 16] = reader.array("payment id")?;
        Self::from_bytes(bytes).map_err(|_| DecodeError::Invalid {
            what: "payment id version",
            value: u64::from(bytes[6] >> 4),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_carry_it() {
        let early = PaymentId::new(TimeMs::new(5), [255; 10]);
        let late = PaymentId::new(TimeMs::new(6), [0; 10]);
        assert!(early < late);
        assert_eq!(late.time(), TimeMs::new(6));
        assert!("3f2504e0-4f89-41d3-9a0c-0305e82c3301".parse::<PaymentId>().is_err());
    }

    #[test]
    fn an_id_is_the_uuid_of_its_time_and_entropy() {
        for entropy in [[0; 10], [0xff; 10], [0x5a; 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
            for time in [0, 1_700_000_000_000, (1 << 48) - 1, (1 << 48) + 7, u64::MAX] {
                let builder = uuid::Builder::from_unix_timestamp_millis(time, &entropy);
                let id = PaymentId::new(TimeMs::new(time), entropy);
                assert_eq!(id.to_be_bytes(), builder.into_uuid().into_bytes());
                assert_eq!(PaymentId::from_bytes(id.to_be_bytes()), Ok(id));
            }
        }
    }
}
