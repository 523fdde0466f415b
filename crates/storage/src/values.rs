//! What stands in the values of the database: a CRC-32C over key and value, and
//! behind it a checkpoint's record or the parts of a block. Headers and
//! certificates stand there as their canonical bytes.

use tributary_chain::Header;
use tributary_types::canonical;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader};

const CHECKSUM_BYTES: usize = 4;

/// A value as it is stored under `key`; `fill` appends it.
pub(crate) fn seal(key: &[u8], fill: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut stored = vec![0; CHECKSUM_BYTES];
    fill(&mut stored);
    let checksum = checksum(key, &stored[CHECKSUM_BYTES..]);
    stored[..CHECKSUM_BYTES].copy_from_slice(&checksum.to_le_bytes());
    stored
}

/// The value in what is stored under `key`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn open<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], String> {
    match stored.split_first_chunk::<CHECKSUM_BYTES>() {
        Some((found, value)) if u32::from_le_bytes(*found) == checksum(key, value) => Ok(value),
        Some(_) => Err("checksum does not match".to_owned()),
        None => Err(format!("only {} bytes", stored.len())),
    }
}

/// CRC-32C over key and value.
pub(crate) fn checksum(key: &[u8], value: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(key), value)
}

/// A checkpoint without its pages; their table stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CheckpointRecord {
    /// Index of the last entry executed.
    pub(crate) index: u64,
    /// Its term.
    pub(crate) term: u64,
    /// The header of the block that it became.
    pub(crate) header: Header,
}
canonical!(CheckpointRecord { index: u64, term: u64, header: Header });

/// Appends body and outcomes of a block.
pub(crate) fn put_parts(body: &[u8], outcomes: &[u8], out: &mut Vec<u8>) {
    out.reserve(body.len() + outcomes.len() + u64::BYTES_MIN);
    (body.len() as u64).encode(out);
    out.extend_from_slice(body);
    out.extend_from_slice(outcomes);
}

/// Body and outcomes of a stored block.
///
/// # Errors
/// [`DecodeError`] if the body is longer than what is there.
pub(crate) fn parts(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let mut reader = Reader::new(bytes);
    let length = u64::decode(&mut reader)?;
    let length = usize::try_from(length)
        .map_err(|_| DecodeError::Invalid { what: "body length", value: length })?;
    let body = reader.take(length, "body")?;
    let outcomes = reader.take(reader.remaining(), "outcomes")?;
    Ok((body, outcomes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_under_another_key_or_with_a_flipped_bit_is_noticed() {
        let stored = seal(b"key", |out| out.extend_from_slice(b"value"));
        assert_eq!(open(b"key", &stored), Ok(&b"value"[..]));
        for bit in 0..8 * stored.len() {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(open(b"key", &flipped), Err("checksum does not match".to_owned()));
        }
        assert!(open(b"kez", &stored).is_err());
        assert_eq!(open(b"key", &stored[..3]), Err("only 3 bytes".to_owned()));
    }

    #[test]
    fn a_body_longer_than_its_block_is_refused() {
        let mut bytes = Vec::new();
        put_parts(b"body", b"outcomes", &mut bytes);
        assert_eq!(parts(&bytes), Ok((&b"body"[..], &b"outcomes"[..])));
        assert!(parts(&bytes[..10]).is_err());
    }
}
