//! Ed25519 keys and signatures under the ZIP-215 validity rules.
//!
//! One rule everywhere, so that verification one by one and of many at once
//! ([`crate::verify`]) always agree.
//! What is signed is always a domain-tagged [`struct@Hash`], never raw input.

use std::fmt;
use std::str::FromStr;

use ed25519_zebra as zebra;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::hash::{Domain, Hash, HexError, parse_hex};

/// An Ed25519 public key, as 32 bytes. Whether it is a valid point shows when
/// a signature is verified.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

/// An Ed25519 signature, as 64 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature([u8; 64]);

/// An Ed25519 private key. Shown nowhere: its `Debug` prints the public key.
#[derive(Clone)]
pub struct SigningKey(zebra::SigningKey);

macro_rules! hex_bytes {
    ($name:ident, $size:literal, $what:literal) => {
        impl $name {
            /// Wraps raw bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; $size]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; $size] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{self}")
            }
        }

        impl FromStr for $name {
            type Err = HexError;
            fn from_str(text: &str) -> Result<Self, HexError> {
                parse_hex(text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use serde::de::Error as _;
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
                } else {
                    let bytes = <&[u8]>::deserialize(deserializer)?;
                    bytes.try_into().map(Self).map_err(D::Error::custom)
                }
            }
        }

        impl Encode for $name {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
        }

        impl Decode for $name {
            const BYTES_MIN: usize = $size;
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                reader.array($what).map(Self)
            }
        }
    };
}
hex_bytes!(PublicKey, 32, "public key");
hex_bytes!(Signature, 64, "signature");

impl PublicKey {
    /// Whether `signature` is this key's over `message` (ZIP-215).
    #[must_use]
    pub fn verifies(&self, message: &Hash, signature: &Signature) -> bool {
        zebra::VerificationKey::try_from(self.0).is_ok_and(|key| {
            key.verify(&zebra::Signature::from_bytes(&signature.0), message.as_bytes()).is_ok()
        })
    }

    /// Whether anybody can sign for this key without a secret: it is one of the
    /// points of small order, the all-zero key among them, under which ZIP-215
    /// accepts one signature for every message. Such a key gives no authority
    /// to anyone and must not be registered.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        // R = identity and s = 0 satisfy [8][s]B = [8]R + [8][k]A for a random k
        // exactly if [8]A is the identity.
        let mut forged = [0; 64];
        forged[0] = 1;
        self.verifies(&Hash::ZERO, &Signature(forged))
    }
}

impl SigningKey {
    /// The key that grows from 32 secret bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(zebra::SigningKey::from(seed))
    }

    /// The matching public key.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(zebra::VerificationKey::from(&self.0).into())
    }

    /// Another secret of whoever holds this key, one for each domain: BLAKE3's
    /// `derive_key` of the seed, which says nothing of either.
    #[must_use]
    pub fn derive(&self, domain: Domain) -> Hash {
        domain.hash(self.0.as_ref())
    }

    /// Signs a domain-tagged hash.
    #[must_use]
    pub fn sign(&self, message: &Hash) -> Signature {
        Signature(self.0.sign(message.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(public {})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let key = SigningKey::from_seed([1; 32]);
        let message = Domain::Batch.hash(b"message");
        let signature = key.sign(&message);
        assert!(key.public().verifies(&message, &signature));
        assert!(!key.public().verifies(&Domain::Header.hash(b"message"), &signature));
        let other = SigningKey::from_seed([2; 32]);
        assert!(!other.public().verifies(&message, &signature));
    }
}
