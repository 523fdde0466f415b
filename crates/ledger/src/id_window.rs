//! The id window: no id executes twice, without a set that grows for ever.
//!
//! An id carries its time. One outside the window around block time is refused;
//! one inside is looked up, and remembered with its outcome until the window
//! has passed it. Ids are kept in buckets by their own time, so that forgetting
//! drops whole buckets. Within a bucket the entries are a log in order of
//! arrival under a running digest, extended once per block; a later entry of
//! the same id (a pending outcome that became final) replaces what is found,
//! not what was logged. An entry takes 32 bytes and its index entry about six.

use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;

use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{Amount, Domain, Hash, OutcomeCode, PaymentId, Position, TimeMs};

use crate::genesis::Parameters;
use crate::index::{Index, hash_u128};
use crate::leaves::Leaves;
use crate::outcome::Subject;
use crate::refusal::Refusal;
use crate::view::Remembered;

/// Buckets that the window is divided into, about.
const BUCKETS: u64 = 256;
/// Shortest time span of a bucket.
const BUCKET_MS_MIN: u64 = 1_000;
/// Entries of one page of a checkpoint.
const PAGE_ENTRIES: usize = 8_192;
/// Bits of a page number that count the pages of a bucket; those above are the
/// bucket's number modulo [`PAGE_BUCKETS`].
const PAGE_BITS: u32 = 23;
const PAGE_BUCKETS: u64 = 1 << (u32::BITS - PAGE_BITS);
const _: () = assert!(PAGE_BUCKETS > BUCKETS + 2, "live buckets have distinct page numbers");

/// Recent ids with their outcomes.
#[derive(Debug, Clone)]
pub(crate) struct IdWindow {
    back_ms: u64,
    ahead_ms: u64,
    bucket_ms: u64,
    buckets: BTreeMap<u64, Bucket>,
    /// Buckets with entries that their digest lacks.
    open: BTreeSet<u64>,
    /// Hash over all buckets, as of the last commit.
    hash: Hash,
    stale: bool,
    /// Pages of buckets that were forgotten since pages were last taken.
    gone_pages: BTreeSet<u32>,
}

/// Ids of one span of time.
#[derive(Debug, Clone, Default)]
struct Bucket {
    entries: Vec<Entry>,
    index: Index,
    /// Running digest over the first `digested` entries.
    digest: Hash,
    digested: usize,
    /// Entries that are in no page yet.
    unsaved_from: usize,
}

/// One outcome. 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    id: PaymentId,
    /// 56 bits of the content's hash, and the outcome code in the low 8 bits.
    content_and_code: u64,
    position: Position,
}

/// What is asked under an id: 56 bits of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    /// The fingerprint of each payment or operation, in order.
    pub(crate) fn of_all<'a>(subjects: impl ExactSizeIterator<Item = Subject<'a>>) -> Vec<Self> {
        let mut leaves = Leaves::new(Domain::Content, subjects.len());
        subjects.for_each(|subject| leaves.push(|out| subject.encode(out)));
        leaves.finish().iter().map(Self::of_hash).collect()
    }

    fn of_hash(hash: &Hash) -> Self {
        let [a, b, c, d, e, f, g, ..] = *hash.as_bytes();
        Self(u64::from_le_bytes([0, a, b, c, d, e, f, g]))
    }
}

/// What the window says about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Never seen: execute.
    New,
    /// Seen with the same content: this was the outcome.
    Replay(Remembered),
}

impl IdWindow {
    pub(crate) fn new(parameters: &Parameters) -> Self {
        let (back_ms, ahead_ms) = (parameters.id_window_back_ms, parameters.id_window_ahead_ms);
        let bucket_ms = (back_ms.saturating_add(ahead_ms) / BUCKETS + 1).max(BUCKET_MS_MIN);
        let mut window = Self {
            back_ms,
            ahead_ms,
            bucket_ms,
            buckets: BTreeMap::new(),
            open: BTreeSet::new(),
            hash: Hash::ZERO,
            stale: true,
            gone_pages: BTreeSet::new(),
        };
        window.commit();
        window
    }

    /// Forgets the buckets that the window has passed at `time`.
    pub(crate) fn expire(&mut self, time: TimeMs) {
        let oldest = time.minus_ms(self.back_ms).get();
        while let Some(entry) = self.buckets.first_entry() {
            let number = *entry.key();
            if (number + 1).saturating_mul(self.bucket_ms) > oldest {
                break;
            }
            let pages = 0..entry.get().page_count();
            self.gone_pages.extend(pages.map(|page| page_number(number, page)));
            entry.remove();
            self.stale = true;
        }
    }

    /// What is known of an id at block time `time`.
    ///
    /// # Errors
    /// `expired` and `from_future` with the block time; `id_reused`.
    pub(crate) fn look(
        &self,
        id: PaymentId,
        content: Fingerprint,
        time: TimeMs,
    ) -> Result<Known, Refusal> {
        let detail = Amount::new(u128::from(time.get()));
        if id.time() < time.minus_ms(self.back_ms) {
            return Err(Refusal { code: OutcomeCode::Expired, detail });
        }
        if id.time() > time.plus_ms(self.ahead_ms) {
            return Err(Refusal { code: OutcomeCode::FromFuture, detail });
        }
        match self.find(id) {
            None => Ok(Known::New),
            Some(entry) if entry.content() == content => Ok(Known::Replay(entry.remembered())),
            Some(_) => Err(OutcomeCode::IdReused.into()),
        }
    }

    /// Reads where the search for each id begins; see [`crate::read_ahead`].
    pub(crate) fn read_ahead(&self, ids: impl Iterator<Item = PaymentId>) {
        let bucket = |id| self.buckets.get(&self.bucket_of(id));
        let rows = ids.filter_map(|id| bucket(id)?.index.first(hash_id(id)));
        black_box(rows.fold(0, |all, row| all ^ row));
    }

    /// The latest outcome of an id.
    pub(crate) fn get(&self, id: PaymentId) -> Option<Remembered> {
        self.find(id).map(Entry::remembered)
    }

    /// Remembers the outcome of a new id.
    pub(crate) fn insert(
        &mut self,
        id: PaymentId,
        content: Fingerprint,
        code: OutcomeCode,
        position: Position,
    ) {
        self.open_bucket(id).push_new(Entry::new(id, content, code, position));
    }

    /// Remembers what became of a pending outcome, if the window still has it.
    pub(crate) fn update(&mut self, id: PaymentId, code: OutcomeCode, position: Position) {
        if let Some(entry) = self.find(id) {
            let entry = Entry::new(id, entry.content(), code, position);
            self.open_bucket(id).push(entry);
        }
    }

    /// Brings the digests up to date.
    pub(crate) fn commit(&mut self) -> Hash {
        while let Some(number) = self.open.pop_first() {
            if let Some(bucket) = self.buckets.get_mut(&number) {
                bucket.extend_digest();
            }
        }
        if std::mem::take(&mut self.stale) {
            let mut bytes = Vec::with_capacity(self.buckets.len() * 48);
            for (number, bucket) in &self.buckets {
                number.encode(&mut bytes);
                bucket.digest.encode(&mut bytes);
                (bucket.entries.len() as u64).encode(&mut bytes);
            }
            self.hash = Domain::StatePart.hash(&bytes);
        }
        self.hash
    }

    /// Whether every digest is that of its entries.
    pub(crate) fn is_consistent(&self) -> bool {
        self.buckets.values().all(|bucket| {
            let rebuilt = bucket.entries.chunk_by(same_block).fold(Hash::ZERO, extend);
            rebuilt == bucket.digest
        })
    }

    /// The bucket that an entry for `id` is about to be added to.
    fn open_bucket(&mut self, id: PaymentId) -> &mut Bucket {
        let number = self.bucket_of(id);
        let bucket = self.buckets.entry(number).or_default();
        if bucket.digested == bucket.entries.len() {
            self.open.insert(number);
        }
        self.stale = true;
        bucket
    }

    fn bucket_of(&self, id: PaymentId) -> u64 {
        id.time().get() / self.bucket_ms
    }

    fn find(&self, id: PaymentId) -> Option<&Entry> {
        self.buckets.get(&self.bucket_of(id))?.find(id)
    }
}

/// Pages: slices of buckets, each with its bucket's number.
impl IdWindow {
    /// The numbers of all pages that there are.
    pub(crate) fn pages(&self) -> Vec<u32> {
        let pages = |(number, bucket): (&u64, &Bucket)| {
            let number = *number;
            (0..bucket.page_count()).map(move |page| page_number(number, page))
        };
        self.buckets.iter().flat_map(pages).collect()
    }

    /// The numbers of the pages that changed since this was last asked.
    pub(crate) fn take_dirty_pages(&mut self) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.gone_pages);
        for (number, bucket) in &mut self.buckets {
            if bucket.unsaved_from < bucket.entries.len() {
                let first = page_of(bucket.unsaved_from);
                dirty.extend((first..bucket.page_count()).map(|page| page_number(*number, page)));
                bucket.unsaved_from = bucket.entries.len();
            }
        }
        dirty.into_iter().collect()
    }

    /// The canonical bytes of a page; empty if there is no such page.
    pub(crate) fn page(&self, page: u32) -> Vec<u8> {
        let residue = u64::from(page >> PAGE_BITS);
        let found = self.buckets.iter().find(|(number, _)| *number % PAGE_BUCKETS == residue);
        let start = (page & ((1 << PAGE_BITS) - 1)) as usize * PAGE_ENTRIES;
        let mut bytes = Vec::new();
        if let Some((number, bucket)) = found {
            let end = (start + PAGE_ENTRIES).min(bucket.entries.len());
            if let Some(entries) = bucket.entries.get(start..end).filter(|page| !page.is_empty()) {
                number.encode(&mut bytes);
                encode_list(entries, &mut bytes);
            }
        }
        bytes
    }

    /// Adds the entries of a page; the pages of one bucket come in order.
    pub(crate) fn restore_page(&mut self, page: u32, bytes: &[u8]) -> Result<(), String> {
        let mut reader = Reader::new(bytes);
        let decoded = u64::decode(&mut reader).and_then(|number| {
            let entries: Vec<Entry> = decode_list(&mut reader, "ids", PAGE_ENTRIES)?;
            Ok((number, entries))
        });
        let (number, entries) = decoded.map_err(|error| error.to_string())?;
        reader.finish().map_err(|error| error.to_string())?;
        let bucket = self.buckets.entry(number).or_default();
        if page_number(number, page_of(bucket.entries.len())) != page
            || !bucket.entries.len().is_multiple_of(PAGE_ENTRIES)
        {
            return Err(format!("ids of bucket {number} are not where they belong"));
        }
        entries.into_iter().for_each(|entry| bucket.push(entry));
        Ok(())
    }

    /// Recomputes all digests after the last page.
    pub(crate) fn restored(&mut self) {
        for bucket in self.buckets.values_mut() {
            bucket.digest = bucket.entries.chunk_by(same_block).fold(Hash::ZERO, extend);
            bucket.digested = bucket.entries.len();
            bucket.unsaved_from = bucket.entries.len();
        }
        self.stale = true;
    }
}

impl Bucket {
    fn find(&self, id: PaymentId) -> Option<&Entry> {
        let found = self.index.find(hash_id(id), |row| self.entries[row as usize].id == id);
        found.map(|row| &self.entries[row as usize])
    }

    /// Appends an entry whose id is not there yet.
    fn push_new(&mut self, entry: Entry) {
        let (row, entries) = (self.next_row(), &self.entries);
        self.index.insert(hash_id(entry.id), row, |row| hash_id(entries[row as usize].id));
        self.entries.push(entry);
    }

    /// Appends an entry that replaces an earlier one of its id, if there is one.
    fn push(&mut self, entry: Entry) {
        let (hash, row) = (hash_id(entry.id), self.next_row());
        match self.index.find(hash, |other| self.entries[other as usize].id == entry.id) {
            Some(old) => {
                self.index.replace(hash, old, row);
                self.entries.push(entry);
            }
            None => self.push_new(entry),
        }
    }

    fn next_row(&self) -> u32 {
        u32::try_from(self.entries.len()).expect("a bucket holds seconds of ids")
    }

    fn extend_digest(&mut self) {
        let new = &self.entries[self.digested..];
        self.digest = new.chunk_by(same_block).fold(self.digest, extend);
        self.digested = self.entries.len();
    }

    fn page_count(&self) -> u32 {
        page_of(self.entries.len() + PAGE_ENTRIES - 1)
    }
}

impl Entry {
    fn new(id: PaymentId, content: Fingerprint, code: OutcomeCode, position: Position) -> Self {
        Self { id, content_and_code: content.0 | u64::from(code as u8), position }
    }

    const fn content(&self) -> Fingerprint {
        Fingerprint(self.content_and_code & !0xff)
    }

    fn remembered(&self) -> Remembered {
        let byte = self.content_and_code & 0xff;
        let code = OutcomeCode::ALL.iter().find(|code| **code as u64 == byte);
        let code = code.copied().expect("entries are made from codes, or decoded as such");
        Remembered { code, position: self.position }
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        self.id.encode(out);
        self.content_and_code.encode(out);
        self.position.encode(out);
    }
}

impl Decode for Entry {
    const BYTES_MIN: usize = 32;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = PaymentId::decode(reader)?;
        let content_and_code = u64::decode(reader)?;
        let byte = content_and_code & 0xff;
        if !OutcomeCode::ALL.iter().any(|code| *code as u64 == byte) {
            return Err(DecodeError::Invalid { what: "remembered outcome code", value: byte });
        }
        Ok(Self { id, content_and_code, position: Position::decode(reader)? })
    }
}

/// Every code fits the byte that an entry has for it.
const _: () = {
    let mut index = 0;
    while index < OutcomeCode::ALL.len() {
        assert!((OutcomeCode::ALL[index] as u16) < 256);
        index += 1;
    }
};

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

fn hash_id(id: PaymentId) -> u64 {
    hash_u128(u128::from_le_bytes(*id.as_bytes()))
}

fn page_of(entry: usize) -> u32 {
    u32::try_from(entry / PAGE_ENTRIES).expect("a bucket holds seconds of ids")
}

fn page_number(bucket: u64, page: u32) -> u32 {
    let residue = u32::try_from(bucket % PAGE_BUCKETS).expect("the modulus is below 2^32");
    residue << PAGE_BITS | page
}
