//! A value that crosses the wire as its canonical bytes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tributary_types::codec::{Decode, Encode, decode_exact};

/// Wraps a value whose one encoding is the canonical one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical<T>(pub T);

impl<T: Encode> Serialize for Canonical<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.to_bytes().serialize(serializer)
    }
}

impl<'de, T: Decode> Deserialize<'de> for Canonical<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = <Vec<u8>>::deserialize(deserializer)?;
        decode_exact(&bytes).map(Self).map_err(serde::de::Error::custom)
    }
}
