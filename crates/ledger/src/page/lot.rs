//! Pages that are taken together are encoded one behind the other, into one piece of
//! memory that they share: a checkpoint takes tens of megabytes at once.

use std::ops::Range;

use bytes::Bytes;

use super::{Page, PageBytes, PageKey};
use crate::id_window::IdPage;

/// From this size on a lot is given [`ROOM_BYTES`] at least.
const LARGE_BYTES: usize = 1 << 20;
/// More than 32 MiB, the largest piece that glibc's malloc keeps for others when it is
/// freed (`DEFAULT_MMAP_THRESHOLD_MAX`). What is larger it takes from the system, in huge
/// pages where the process asks for them, and gives back; room that is not filled is
/// never touched.
const ROOM_BYTES: usize = 33 << 20;

/// See the module head.
pub(super) struct Lot {
    bytes: Vec<u8>,
    pages: Vec<(PageKey, Form)>,
}

enum Form {
    Encoded(Range<usize>),
    Ids(IdPage),
}

impl Lot {
    /// An empty one, of which so many bytes are expected.
    pub(super) fn new(bytes: usize) -> Self {
        let room = if bytes < LARGE_BYTES { bytes } else { bytes.max(ROOM_BYTES) };
        Self { bytes: Vec::with_capacity(room), pages: Vec::new() }
    }

    /// Adds the page of the bytes that `encode` appends.
    pub(super) fn put(&mut self, key: PageKey, encode: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        encode(&mut self.bytes);
        self.pages.push((key, Form::Encoded(start..self.bytes.len())));
    }

    /// Adds a page of ids that is encoded by whoever reads it.
    pub(super) fn share(&mut self, key: PageKey, page: IdPage) {
        self.pages.push((key, Form::Ids(page)));
    }

    /// All pages, in the order in which they were added.
    pub(super) fn finish(self) -> Vec<Page> {
        let bytes = Bytes::from(self.bytes);
        let pages = self.pages.into_iter().map(|(key, form)| {
            let bytes = match form {
                Form::Encoded(range) => bytes.slice(range).into(),
                Form::Ids(page) => PageBytes::of_ids(page),
            };
            Page { key, bytes }
        });
        pages.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_stand_in_one_piece_of_memory_and_are_read_one_by_one() {
        for expected in [0, LARGE_BYTES] {
            let mut lot = Lot::new(expected);
            let contents: [&[u8]; 4] = [b"first", b"", b"the third", &[7; 100_000]];
            for (number, content) in (0..).zip(contents) {
                let key = PageKey { section: 1, number };
                lot.put(key, |out| out.extend_from_slice(content));
            }
            assert_eq!(lot.bytes.capacity() >= ROOM_BYTES, expected >= LARGE_BYTES);
            let pages = lot.finish();
            assert_eq!(pages.iter().map(|page| page.key.number).collect::<Vec<_>>(), [0, 1, 2, 3]);
            for (page, content) in pages.iter().zip(contents) {
                assert_eq!(page.bytes.read(&mut Vec::new()), content);
            }
        }
    }
}
