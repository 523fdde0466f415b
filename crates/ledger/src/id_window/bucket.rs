//! The ids of one span of time: a log in order of arrival under a running
//! digest, with an index by id.

use tributary_types::codec::{Decode, Encode};
use tributary_types::{Domain, Hash, PaymentId, TimeMs};

use super::entry::Entry;
use super::packed::{Packed, PackedId};
use crate::index::{Index, Vacancy};
use crate::index_key::IndexKey;

/// Ids of one span of time.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    /// In order of arrival.
    pub(super) entries: Packed,
    index: Index,
    /// Running digest over the first `digested` entries.
    pub(super) digest: Hash,
    digested: usize,
    /// Entries that are in no page yet.
    unsaved_from: usize,
}

impl Bucket {
    /// An empty bucket whose span begins at `begin`, with an index for as many
    /// ids as are expected.
    pub(super) fn new(begin: TimeMs, expected: usize, key: IndexKey) -> Self {
        Self {
            entries: Packed::new(begin),
            index: Index::with_capacity(expected, key),
            digest: Hash::ZERO,
            digested: 0,
            unsaved_from: 0,
        }
    }

    /// Ids that there are.
    pub(super) const fn ids(&self) -> usize {
        self.index.len()
    }

    /// The latest entry of an id.
    pub(super) fn find(&self, id: PaymentId) -> Option<Entry> {
        let id = self.entries.pack_id(id)?;
        self.row_of(id).map(|row| self.entries.get(row as usize))
    }

    /// The latest entry of an id, or where it would be found if the bucket had
    /// one; `None` for one that does not fit.
    pub(super) fn search(&self, id: PaymentId) -> Result<Entry, Option<Vacancy>> {
        let id = self.entries.pack_id(id).ok_or(None)?;
        let row = self.index.search(self.hash(id), |row| self.entries.id(row as usize) == id)?;
        Ok(self.entries.get(row as usize))
    }

    /// Prefetches where the search for an id begins.
    pub(super) fn prefetch(&self, id: PaymentId) {
        if let Some(id) = self.entries.pack_id(id) {
            self.index.prefetch(self.hash(id));
        }
    }

    /// Appends an entry whose id is not there yet, as a search has found;
    /// `None` if it does not fit.
    pub(super) fn push_new(&mut self, entry: &Entry, vacancy: Option<Vacancy>) -> Option<()> {
        let (id, row) = (self.entries.pack_id(entry.id)?, self.next_row());
        self.entries.push(id, entry)?;
        let (entries, key) = (&self.entries, self.index.key());
        let hash_of = |row| key.hash(entries.id(row as usize).bits());
        match vacancy {
            Some(vacancy) => self.index.fill(vacancy, row, hash_of),
            None => self.index.insert(key.hash(id.bits()), row, hash_of),
        }
        Some(())
    }

    /// Appends an entry that replaces an earlier one of its id, if there is one;
    /// `None` if it does not fit.
    pub(super) fn push(&mut self, entry: &Entry) -> Option<()> {
        let (id, row) = (self.entries.pack_id(entry.id)?, self.next_row());
        let Some(old) = self.row_of(id) else { return self.push_new(entry, None) };
        self.entries.push(id, entry)?;
        let (entries, key) = (&self.entries, self.index.key());
        let hash_of = |row| key.hash(entries.id(row as usize).bits());
        self.index.replace(key.hash(id.bits()), old, row, hash_of);
        Some(())
    }

    /// Whether the digest covers all entries.
    pub(super) const fn is_digested(&self) -> bool {
        self.digested == self.entries.len()
    }

    /// Brings the digest up to date.
    pub(super) fn extend_digest(&mut self) {
        self.digest = digest(self.digest, self.entries.range(self.digested..self.entries.len()));
        self.digested = self.entries.len();
    }

    /// The digest, computed from all entries.
    pub(super) fn rebuilt_digest(&self) -> Hash {
        digest(Hash::ZERO, self.entries.range(0..self.entries.len()))
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

    fn hash(&self, id: PackedId) -> u64 {
        self.index.key().hash(id.bits())
    }

    fn row_of(&self, id: PackedId) -> Option<u32> {
        self.index.find(self.hash(id), |row| self.entries.id(row as usize) == id)
    }

    fn next_row(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("a bucket holds seconds of ids")
    }
}

/// The digest after more entries: one step for those of each block.
fn digest(mut digest: Hash, entries: impl Iterator<Item = Entry>) -> Hash {
    let mut bytes = Vec::with_capacity(32 + entries.size_hint().0 * Entry::BYTES_MIN);
    // Entries know their block by the position of the outcome.
    let mut height = None;
    for entry in entries {
        let own = Some(entry.position.height());
        if height != own {
            if height.is_some() {
                digest = Domain::IdBucket.hash(&bytes);
            }
            bytes.clear();
            digest.encode(&mut bytes);
            height = own;
        }
        entry.encode(&mut bytes);
    }
    if height.is_some() { Domain::IdBucket.hash(&bytes) } else { digest }
}
