//! A value that crosses the wire as its canonical bytes.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tributary_types::codec::{Decode, Encode, decode_exact};

/// Wraps a value whose one encoding is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical<T>(pub T);

impl<T: Encode> Serialize for Canonical<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        bytes::serialize(&self.0, serializer)
    }
}

impl<'de, T: Decode> Deserialize<'de> for Canonical<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(CanonicalVisitor(PhantomData))
    }
}

/// For fields of other types, `#[serde(with = "canonical::bytes")]`.
pub mod bytes {
    use super::{Canonical, Decode, Deserialize, Deserializer, Encode, Serializer};

    /// As [`Canonical`].
    ///
    /// # Errors
    /// The serializer's.
    pub fn serialize<T: Encode, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&value.to_bytes())
    }

    /// As [`Canonical`].
    ///
    /// # Errors
    /// The deserializer's, also for other bytes than the canonical ones.
    pub fn deserialize<'de, T: Decode, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<T, D::Error> {
        Canonical::deserialize(deserializer).map(|Canonical(value)| value)
    }
}

/// Decodes in place, without a copy of the bytes.
struct CanonicalVisitor<T>(PhantomData<T>);

impl<T: Decode> Visitor<'_> for CanonicalVisitor<T> {
    type Value = Canonical<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("canonical bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        decode_exact(bytes).map(Canonical).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{decode, encode};

    #[test]
    fn canonical_bytes_travel_behind_their_length() {
        let value = Canonical(vec![0x0201_u16, 0x0403]);
        let bytes = encode(&value);
        assert_eq!(bytes, [8, 2, 0, 0, 0, 1, 2, 3, 4]);
        assert_eq!(decode(&bytes), Ok(value));
    }

    #[test]
    fn other_bytes_than_the_canonical_ones_are_refused() {
        let check = |bytes: &[u8]| assert!(decode::<Canonical<bool>>(bytes).is_err(), "{bytes:?}");
        assert_eq!(decode(&[1, 1]), Ok(Canonical(true)));
        check(&[1, 2]);
        check(&[2, 1, 0]);
        check(&[0]);
        check(&[1]);
    }
}
