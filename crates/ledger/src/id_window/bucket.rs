//! The ids of one span of time: a log in order of arrival under a running
//! digest, with an index by id.

use tributary_types::codec::{Decode, Encode};
use tributary_types::{Domain, Hash, PaymentId};

use super::entry::Entry;
use crate::index::{Index, hash_u128};

/// Ids of one span of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Bucket {
    /// In order of arrival.
    pub(super) entries: Vec<Entry>,
    index: Index,
    /// Running digest over the first `digested` entries.
    pub(super) digest: Hash,
    digested: usize,
    /// Entries that are in no page yet.
    unsaved_from: usize,
}

impl Bucket {
    /// The latest entry of an id.
    pub(super) fn find(&self, id: PaymentId) -> Option<&Entry> {
        let found = self.index.find(hash_id(id), |row| self.entries[row as usize].id == id);
        found.map(|row| &self.entries[row as usize])
    }

    /// The row that most often is that of an id, if it is there.
    pub(super) fn probable_row(&self, id: PaymentId) -> Option<u32> {
        self.index.probable(hash_id(id))
    }

    /// Appends an entry whose id is not there yet.
    pub(super) fn push_new(&mut self, entry: Entry) {
        let (row, entries) = (self.next_row(), &self.entries);
        self.index.insert(hash_id(entry.id), row, |row| hash_id(entries[row as usize].id));
        self.entries.push(entry);
    }

    /// Appends an entry that replaces an earlier one of its id, if there is one.
    pub(super) fn push(&mut self, entry: Entry) {
        let (hash, row) = (hash_id(entry.id), self.next_row());
        match self.index.find(hash, |other| self.entries[other as usize].id == entry.id) {
            Some(old) => {
                let entries = &self.entries;
                self.index.replace(hash, old, row, |row| hash_id(entries[row as usize].id));
                self.entries.push(entry);
            }
            None => self.push_new(entry),
        }
    }

    /// Whether the digest covers all entries.
    pub(super) const fn is_digested(&self) -> bool {
        self.digested == self.entries.len()
    }

    /// Brings the digest up to date.
    pub(super) fn extend_digest(&mut self) {
        let new = &self.entries[self.digested..];
        self.digest = new.chunk_by(same_block).fold(self.digest, extend);
        self.digested = self.entries.len();
    }

    /// The digest, computed from all entries.
    pub(super) fn rebuilt_digest(&self) -> Hash {
        self.entries.chunk_by(same_block).fold(Hash::ZERO, extend)
    }

    /// All entries have come from pages.
    pub(super) fn restored(&mut self) {
        self.digest = self.rebuilt_digest();
        self.digested = self.entries.len();
        self.unsaved_from = self.entries.len();
    }

    /// The first entry that was in no page when this was last asked.
    pub(super) const fn take_unsaved(&mut self) -> Option<usize> {
        let end = self.entries.len();
        let first = std::mem::replace(&mut self.unsaved_from, end);
        if first < end { Some(first) } else { None }
    }

    fn next_row(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("a bucket holds seconds of ids")
    }
}

fn hash_id(id: PaymentId) -> u64 {
    hash_u128(u128::from_le_bytes(*id.as_bytes()))
}

/// The digest after the entries of one more block.
fn extend(digest: Hash, entries: &[Entry]) -> Hash {
    let mut bytes = Vec::with_capacity(32 + entries.len() * Entry::BYTES_MIN);
    digest.encode(&mut bytes);
    entries.iter().for_each(|entry| entry.encode(&mut bytes));
    Domain::IdBucket.hash(&bytes)
}

/// Entries know their block by the position of the outcome.
fn same_block(one: &Entry, other: &Entry) -> bool {
    one.position.height() == other.position.height()
}
