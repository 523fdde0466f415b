//! BLAKE3 hashes with a domain tag per use.
//!
//! Each [`Domain`] is one context of BLAKE3's `derive_key` mode (BLAKE3
//! specification, section 2.3), so a value hashed for one purpose never
//! collides with one hashed for another, and a Merkle leaf never looks like a
//! node.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use blake3::IncrementCounter;
use blake3::hazmat::{ContextKey, HasherExt, hash_derive_key_context};
use blake3::platform::{Platform, words_from_le_bytes_32};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zerocopy::{Immutable, IntoBytes};

use crate::codec::{Decode, DecodeError, Encode, Reader};

/// 32 bytes of BLAKE3.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, IntoBytes, Immutable)]
#[repr(transparent)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The all-zero value: "nothing yet" in digests and parents. Never the
    /// hash of anything known.
    pub const ZERO: Self = Self([0; 32]);

    /// Wraps raw bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of some hashes, one behind the other.
    #[must_use]
    pub fn bytes_of(hashes: &[Self]) -> &[u8] {
        hashes.as_bytes()
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0 {
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} hexadecimal digits")]
pub struct HexError {
    /// Digits required.
    pub expected: usize,
}

/// Parses lower- or upper-case hexadecimal into exactly `N` bytes.
///
/// # Errors
/// [`HexError`] for any other length or character.
pub fn parse_hex<const N: usize>(text: &str) -> Result<[u8; N], HexError> {
    let error = HexError { expected: 2 * N };
    if text.len() != 2 * N || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error);
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let digits = &text[2 * index..2 * index + 2];
        *byte = u8::from_str_radix(digits, 16).map_err(|_| error.clone())?;
    }
    Ok(bytes)
}

impl FromStr for Hash {
    type Err = HexError;
    fn from_str(text: &str) -> Result<Self, HexError> {
        parse_hex(text).map(Self)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            <[u8; 32]>::deserialize(deserializer).map(Self)
        }
    }
}

impl Encode for Hash {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl Decode for Hash {
    const BYTES_MIN: usize = 32;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("hash").map(Self)
    }
}

macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident = $context:literal),+ $(,)?) => {
        /// What a hash is for. The context strings never change meaning.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(usize)]
        pub enum Domain { $($(#[$doc])* $name),+ }

        const CONTEXTS: &[&str] = &[$($context),+];
    };
}

domains! {
    /// A genesis file: the identity of a cluster.
    Genesis = "tributary 2026 genesis v1",
    /// A block header: what validators sign.
    Header = "tributary 2026 header v1",
    /// A block body.
    Body = "tributary 2026 body v1",
    /// A batch: what an institution signs.
    Batch = "tributary 2026 batch v1",
    /// A payment: what an owner key signs.
    Payment = "tributary 2026 payment v1",
    /// Leaf of the receipts tree: a payment or operation with its receipt.
    Outcome = "tributary 2026 outcome leaf v1",
    /// Leaf of the accounts tree.
    Account = "tributary 2026 account leaf v1",
    /// Leaf of the proxies tree (user chain).
    Proxy = "tributary 2026 proxy leaf v1",
    /// Leaf of the merchants tree (HF chain).
    Merchant = "tributary 2026 merchant leaf v1",
    /// Leaf of the channels tree.
    Channel = "tributary 2026 channel leaf v1",
    /// An empty Merkle tree and the padding of one.
    Empty = "tributary 2026 merkle empty v1",
    /// Inner node of every Merkle tree.
    Node = "tributary 2026 merkle node v1",
    /// Root over the named parts of a state.
    State = "tributary 2026 state root v1",
    /// One small part of a state (registry, cursors, waiting refunds …).
    StatePart = "tributary 2026 state part v1",
    /// Running digest of one bucket of the id window.
    IdBucket = "tributary 2026 id window bucket v1",
    /// Running digest of a channel.
    Message = "tributary 2026 channel message v1",
    /// A settlement statement, for the link to its predecessor.
    Statement = "tributary 2026 statement v1",
    /// A validator set.
    ValidatorSet = "tributary 2026 validator set v1",
    /// Serial and slot of an account that is derived from a name.
    AccountName = "tributary 2026 account name v1",
    /// Fingerprint of a payment or operation in the id window.
    Content = "tributary 2026 content fingerprint v1",
    /// What a validator's indexes hash with.
    IndexKey = "tributary 2026 index key v1",
    /// The route table.
    Routes = "tributary 2026 route table v1",
    /// A page of a checkpoint.
    Page = "tributary 2026 state page v1",
}

static CONTEXT_KEYS: LazyLock<Vec<ContextKey>> =
    LazyLock::new(|| CONTEXTS.iter().map(|context| hash_derive_key_context(context)).collect());

impl Domain {
    /// Hashes one byte string.
    #[must_use]
    pub fn hash(self, bytes: &[u8]) -> Hash {
        let mut hasher = blake3::Hasher::new_from_context_key(&CONTEXT_KEYS[self as usize]);
        hasher.update(bytes);
        Hash(*hasher.finalize().as_bytes())
    }

    /// Hashes the concatenation of `parts`; callers make the split unambiguous
    /// by fixed lengths or length prefixes.
    #[must_use]
    pub fn hash_parts(self, parts: &[&[u8]]) -> Hash {
        let mut hasher = blake3::Hasher::new_from_context_key(&CONTEXT_KEYS[self as usize]);
        for part in parts {
            hasher.update(part);
        }
        Hash(*hasher.finalize().as_bytes())
    }

    /// Hashes many inputs of one size: what [`Domain::hash`] gives for each, in
    /// order, several times faster because the processor takes up to 16 at once.
    ///
    /// BLAKE3 offers this only as an unstable interface; that it gives the same
    /// hashes is a test, not a hope. The size is one of whole blocks of 64 bytes
    /// within one chunk of 1,024.
    #[must_use]
    pub fn hash_many<'a, const BYTES: usize>(
        self,
        inputs: impl ExactSizeIterator<Item = &'a [u8; BYTES]>,
    ) -> Vec<Hash> {
        let mut hashes = Vec::with_capacity(inputs.len());
        self.hash_each(inputs, |hash| hashes.push(hash));
        hashes
    }

    /// As [`Domain::hash_many`]; each hash is handed to `put`, in order.
    pub fn hash_each<'a, const BYTES: usize>(
        self,
        mut inputs: impl Iterator<Item = &'a [u8; BYTES]>,
        mut put: impl FnMut(Hash),
    ) {
        const { assert!(BYTES > 0 && BYTES <= 1_024 && BYTES.is_multiple_of(64)) };
        let key = words_from_le_bytes_32(&CONTEXT_KEYS[self as usize]);
        let platform = Platform::detect();
        let (mut lanes, mut bytes) = ([&[0; BYTES]; LANES], [0; 32 * LANES]);
        loop {
            let filled = lanes.iter_mut().zip(&mut inputs).map(|(lane, input)| *lane = input);
            let count = filled.count();
            platform.hash_many(
                &lanes[..count],
                &key,
                0,
                IncrementCounter::No,
                DERIVE_KEY_MATERIAL,
                CHUNK_START,
                CHUNK_END | ROOT,
                &mut bytes[..32 * count],
            );
            let (outputs, _) = bytes.as_chunks();
            outputs.iter().take(count).for_each(|output| put(Hash(*output)));
            if count < LANES {
                return;
            }
        }
    }

    /// As [`Domain::hash_each`] for inputs that stand one behind the other, each
    /// of so many blocks of 64 bytes; nothing for a size that is none or larger
    /// than a chunk of [`CHUNK_BLOCKS`]. What is left over at the end is no input.
    pub fn hash_blocks(self, blocks: usize, inputs: &[u8], put: impl FnMut(Hash)) {
        macro_rules! by_size {
            ($($size:literal)+) => {
                match blocks {
                    $($size => {
                        self.hash_each(inputs.as_chunks::<{ 64 * $size }>().0.iter(), put);
                    })+
                    _ => {}
                }
            };
        }
        by_size!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16);
    }

    /// Hashes the canonical encoding of a value.
    #[must_use]
    pub fn hash_value(self, value: &impl Encode) -> Hash {
        self.hash(&value.to_bytes())
    }
}

/// Most blocks of the inputs that [`Domain::hash_blocks`] takes: a chunk of BLAKE3.
pub const CHUNK_BLOCKS: usize = 16;
/// Inputs that the widest processors hash at once.
const LANES: usize = 16;

/// Flags of the BLAKE3 specification, section 2.2.
const CHUNK_START: u8 = 1 << 0;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const DERIVE_KEY_MATERIAL: u8 = 1 << 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_separate_equal_bytes() {
        assert_ne!(Domain::Header.hash(b"x"), Domain::Body.hash(b"x"));
        assert_eq!(Domain::Node.hash(b"ab"), Domain::Node.hash_parts(&[b"a", b"b"]));
    }

    #[test]
    fn hash_matches_the_derive_key_mode_of_blake3() {
        let ours = Domain::Header.hash(b"payment");
        assert_eq!(ours.0, blake3::derive_key("tributary 2026 header v1", b"payment"));
    }

    #[test]
    fn many_at_once_are_hashed_as_one_by_one() {
        fn check<const BYTES: usize>(count: u8) {
            let inputs: Vec<[u8; BYTES]> =
                (0..count).map(|n| std::array::from_fn(|at| n ^ at.to_le_bytes()[0])).collect();
            let singly: Vec<_> = inputs.iter().map(|input| Domain::Node.hash(input)).collect();
            assert_eq!(Domain::Node.hash_many(inputs.iter()), singly, "{count} of {BYTES} bytes");
        }
        for count in 0..40 {
            check::<64>(count);
            check::<128>(count);
            check::<1_024>(count);
        }
    }

    #[test]
    fn inputs_of_every_size_are_hashed_as_one_by_one() {
        for blocks in 1..=CHUNK_BLOCKS {
            let inputs: Vec<u8> = (0..64 * blocks * 20).map(|at| at.to_le_bytes()[0]).collect();
            let singly: Vec<_> =
                inputs.chunks(64 * blocks).map(|input| Domain::Node.hash(input)).collect();
            let mut together = Vec::new();
            Domain::Node.hash_blocks(blocks, &inputs, |hash| together.push(hash));
            assert_eq!(together, singly, "{blocks} blocks");
        }
        Domain::Node.hash_blocks(CHUNK_BLOCKS + 1, &[0; 4_096], |hash| panic!("{hash}"));
    }

    #[test]
    fn contexts_are_distinct() {
        let distinct: std::collections::BTreeSet<_> = CONTEXTS.iter().collect();
        assert_eq!(distinct.len(), CONTEXTS.len());
    }
}
