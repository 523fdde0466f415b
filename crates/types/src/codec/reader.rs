//! The cursor that decoding moves along bytes, and what it finds wrong with them.

use bytes::Bytes;
use thiserror::Error;

use super::Decode;

/// Why bytes are not the canonical encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ended early.
    #[error("{needed} bytes needed for {what}, {left} left")]
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes required.
        needed: usize,
        /// Bytes available.
        left: usize,
    },
    /// A tag, flag or enumeration value that no version defines.
    #[error("{value} is not a valid {what}")]
    Invalid {
        /// What was being read.
        what: &'static str,
        /// The offending value.
        value: u64,
    },
    /// A list longer than its named limit.
    #[error("{what} has {found} elements, at most {limit} are allowed")]
    TooMany {
        /// What was being read.
        what: &'static str,
        /// Elements announced.
        found: usize,
        /// The named limit.
        limit: usize,
    },
    /// Bytes after the end of the value.
    #[error("{0} bytes after the end of the value")]
    Trailing(usize),
}

/// A cursor over bytes that are being decoded.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    /// What the bytes are a part of, if parts of it may be kept.
    whole: Option<&'a Bytes>,
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, whole: None }
    }

    /// Starts at the first byte of what is shared: long byte strings in it
    /// ([`Reader::take_shared`]) are then parts of it, and no copies. Whoever
    /// keeps one keeps all of it in memory.
    #[must_use]
    pub fn shared(bytes: &'a Bytes) -> Self {
        Self { bytes, whole: Some(bytes) }
    }

    /// Takes the next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    #[inline]
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        match self.bytes.split_at_checked(count) {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(head)
            }
            None => Err(DecodeError::Truncated { what, needed: count, left: self.bytes.len() }),
        }
    }

    /// Takes the next `count` bytes, to be kept: as a part of what is shared, or
    /// a copy.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    pub fn take_shared(&mut self, count: usize, what: &'static str) -> Result<Bytes, DecodeError> {
        let taken = self.take(count, what)?;
        Ok(self.whole.map_or_else(|| Bytes::copy_from_slice(taken), |whole| whole.slice_ref(taken)))
    }

    /// Takes a fixed-size array.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer than `N` bytes are left.
    #[inline]
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let left = self.bytes.len();
        match self.bytes.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.bytes = tail;
                Ok(*head)
            }
            None => Err(DecodeError::Truncated { what, needed: N, left }),
        }
    }

    /// Reads a `u32` element count and checks it against `limit` and against
    /// the bytes left, given that an element takes at least `element_bytes_min`.
    ///
    /// # Errors
    /// [`DecodeError::TooMany`] or [`DecodeError::Truncated`].
    #[inline]
    pub fn count(
        &mut self,
        what: &'static str,
        limit: usize,
        element_bytes_min: usize,
    ) -> Result<usize, DecodeError> {
        let found = u32::decode(self)? as usize;
        if found > limit {
            return Err(DecodeError::TooMany { what, found, limit });
        }
        let needed = found.saturating_mul(element_bytes_min);
        if needed > self.bytes.len() {
            return Err(DecodeError::Truncated { what, needed, left: self.bytes.len() });
        }
        Ok(found)
    }

    /// Bytes not read yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the value.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] if bytes are left.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.bytes.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.bytes.len())) }
    }
}
