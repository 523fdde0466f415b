//! Pages: the form in which a state is checkpointed and sent to a replica that
//! fell behind.
//!
//! A state is a set of pages, each the canonical bytes of a slice of one table.
//! Execution marks pages dirty, so a checkpoint rewrites only what changed, and
//! a snapshot is simply all pages. The certified `state_root` is the check.

use tributary_types::canonical;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};

/// Most bytes of one page.
pub const PAGE_BYTES_MAX: usize = 16 << 20;

/// Which slice of which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// The table.
    pub section: u8,
    /// The slice.
    pub number: u32,
}
canonical!(PageKey { section: u8, number: u32 });

/// One slice of the state. Empty bytes mean that the slice is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it belongs.
    pub key: PageKey,
    /// Canonical bytes of the slice.
    pub bytes: Vec<u8>,
}

impl Encode for Page {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        encode_list(&self.bytes, out);
    }
}

impl Decode for Page {
    const BYTES_MIN: usize = 9;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            key: PageKey::decode(reader)?,
            bytes: decode_list(reader, "page", PAGE_BYTES_MAX)?,
        })
    }
}
