//! Small ids: chains, assets, heights and moments.
//!
//! Each wraps a number of which every value is valid; which of them exist is
//! for the registry and the ledger to say.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::codec::{Decode, DecodeError, Encode, Reader};

macro_rules! integer_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number.
            #[must_use]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = std::num::ParseIntError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }

        impl Encode for $name {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
        }

        impl Decode for $name {
            const BYTES_MIN: usize = <$inner>::BYTES_MIN;
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                <$inner>::decode(reader).map(Self)
            }
        }
    };
}

integer_id!(
    /// One replicated ledger. User chains and HF chains share this number space.
    ChainId(u16)
);
integer_id!(
    /// Position of a block in its chain; the genesis state is height 0.
    BlockHeight(u64)
);
integer_id!(
    /// An entry of the asset registry.
    AssetId(u32)
);
integer_id!(
    /// Milliseconds since the Unix epoch, UTC.
    TimeMs(u64)
);

impl BlockHeight {
    /// The height after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl TimeMs {
    /// This moment moved forward by `milliseconds`, at most to the end of time.
    #[must_use]
    pub const fn plus_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_add(milliseconds))
    }

    /// This moment moved back by `milliseconds`, at most to the epoch.
    #[must_use]
    pub const fn minus_ms(self, milliseconds: u64) -> Self {
        Self(self.0.saturating_sub(milliseconds))
    }

    /// Milliseconds from `earlier` to this moment; zero if it is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Code of an asset: three capital letters of ISO 4217, or `X-` and up to six
/// capital letters or digits for a private one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AssetCode([u8; 8]);

/// The text is no asset code.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("asset code {0:?} is neither three capital letters nor X- and 1 to 6 letters or digits")]
pub struct AssetCodeError(String);

impl AssetCode {
    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        std::str::from_utf8(&self.0[..length]).unwrap_or("")
    }
}

impl FromStr for AssetCode {
    type Err = AssetCodeError;
    fn from_str(text: &str) -> Result<Self, AssetCodeError> {
        let capital = |byte: u8| byte.is_ascii_uppercase();
        let valid = match text.strip_prefix("X-") {
            Some(rest) => {
                (1..=6).contains(&rest.len())
                    && rest.bytes().all(|byte| capital(byte) || byte.is_ascii_digit())
            }
            None => text.len() == 3 && text.bytes().all(capital),
        };
        if !valid {
            return Err(AssetCodeError(text.to_owned()));
        }
        let mut bytes = [0; 8];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }
}

impl fmt::Display for AssetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for AssetCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for AssetCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for AssetCode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl Encode for AssetCode {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for AssetCode {
    const BYTES_MIN: usize = 8;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes: [u8; 8] = reader.array("asset code")?;
        let invalid = DecodeError::Invalid { what: "asset code", value: u64::from_le_bytes(bytes) };
        let code = Self(bytes);
        match code.as_str().parse::<Self>() {
            Ok(parsed) if parsed == code => Ok(code),
            _ => Err(invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asset_codes_are_iso_4217_or_marked_private() {
        let check = |text: &str, ok| assert_eq!(text.parse::<AssetCode>().is_ok(), ok, "{text}");
        check("GBP", true);
        check("X-POINT1", true);
        check("gbp", false);
        check("GBPX", false);
        check("X-", false);
        check("X-TOOLONG", false);
    }
}
