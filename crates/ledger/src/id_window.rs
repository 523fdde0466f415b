//! The id window: no id executes twice, without a set that grows for ever.
//!
//! An id carries its time. One outside the window around block time is refused;
//! one inside is looked up, and remembered with its outcome until the window
//! has passed it. Ids are kept in buckets by their own time, so that forgetting
//! drops whole buckets. Within a bucket the entries are a log in order of
//! arrival under a running digest, extended once per block; a later entry of
//! the same id (a pending outcome that became final) replaces what is found,
//! not what was logged. An entry takes 26 bytes and its index entry about five.

mod bucket;
mod entry;
mod packed;
mod pages;

use std::collections::{BTreeMap, BTreeSet};

use tributary_types::codec::Encode;
use tributary_types::{Amount, Domain, Hash, OutcomeCode, PaymentId, Position, TimeMs};

pub(crate) use self::entry::{Fingerprint, Fingerprints};
pub(crate) use self::pages::IdPage;

use self::bucket::Bucket;
use self::entry::Entry;
use self::packed::SPAN_MS_MAX;
use crate::genesis::Parameters;
use crate::index::Vacancy;
use crate::index_key::IndexKey;
use crate::refusal::Refusal;
use crate::view::Remembered;

/// Buckets that the window is divided into, about; more if they would be longer
/// than [`SPAN_MS_MAX`].
const BUCKETS: u64 = 256;
/// Shortest time span of a bucket.
const BUCKET_MS_MIN: u64 = 1_000;

/// Why an entry is taken by the bucket of its time.
const FITS: &str =
    "a bucket has room for its span of time, for 2^28 blocks and 2^20 outcomes of each";

/// Recent ids with their outcomes.
#[derive(Debug, Clone)]
pub(crate) struct IdWindow {
    index_key: IndexKey,
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

/// What the window says about an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Never seen: execute. Where its entry goes, if its bucket is there.
    New(Option<Vacancy>),
    /// Seen with the same content: this was the outcome.
    Replay(Remembered),
}

impl IdWindow {
    pub(crate) fn new(parameters: &Parameters, index_key: IndexKey) -> Self {
        let (back_ms, ahead_ms) = (parameters.id_window_back_ms, parameters.id_window_ahead_ms);
        let bucket_ms = back_ms.saturating_add(ahead_ms) / BUCKETS + 1;
        let bucket_ms = bucket_ms.clamp(BUCKET_MS_MIN, SPAN_MS_MAX);
        let mut window = Self {
            index_key,
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
            self.gone_pages.extend(pages::numbers(number, entry.get()));
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
        let bucket = self.buckets.get(&self.bucket_of(id));
        match bucket.map_or(Err(None), |bucket| bucket.search(id)) {
            Err(vacancy) => Ok(Known::New(vacancy)),
            Ok(entry) if entry.content() == content => Ok(Known::Replay(entry.remembered())),
            Ok(_) => Err(OutcomeCode::IdReused.into()),
        }
    }

    /// Prefetches where the search for an id begins, if these bytes are one.
    pub(crate) fn prefetch(&self, id: &[u8; 16]) {
        if let Ok(id) = PaymentId::from_bytes(*id)
            && let Some(bucket) = self.buckets.get(&self.bucket_of(id))
        {
            bucket.prefetch(id);
        }
    }

    /// The latest outcome of an id.
    pub(crate) fn get(&self, id: PaymentId) -> Option<Remembered> {
        self.find(id).as_ref().map(Entry::remembered)
    }

    /// Remembers the outcome of an id that [`IdWindow::look`] has found to be new;
    /// `vacancy` is what it told.
    pub(crate) fn insert(
        &mut self,
        id: PaymentId,
        content: Fingerprint,
        code: OutcomeCode,
        position: Position,
        vacancy: Option<Vacancy>,
    ) {
        if vacancy.is_none() {
            self.make_bucket(id);
        }
        let entry = Entry::new(id, content, code, position);
        let bucket = self.open_bucket(id).expect("there is one, or one was made");
        bucket.push_new(&entry, vacancy).expect(FITS);
    }

    /// Remembers what became of a pending outcome, if the window still has it.
    pub(crate) fn update(&mut self, id: PaymentId, code: OutcomeCode, position: Position) {
        if let Some(entry) = self.find(id)
            && let Some(bucket) = self.open_bucket(id)
        {
            let entry = Entry::new(id, entry.content(), code, position);
            bucket.push(&entry).expect(FITS);
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
        self.buckets.values().all(|bucket| bucket.rebuilt_digest() == bucket.digest)
    }

    /// Makes the bucket of an id, if it is missing.
    fn make_bucket(&mut self, id: PaymentId) {
        let number = self.bucket_of(id);
        if !self.buckets.contains_key(&number) {
            // As many ids as in the span of time before, and some more.
            let before = self.buckets.range(..number).next_back();
            let expected = before.map_or(0, |(_, bucket)| bucket.ids() + bucket.ids() / 8);
            let bucket = Bucket::new(self.begin_of(number), expected, self.index_key);
            self.buckets.insert(number, bucket);
        }
    }

    /// The bucket that an entry for `id` is about to be added to.
    fn open_bucket(&mut self, id: PaymentId) -> Option<&mut Bucket> {
        let number = self.bucket_of(id);
        let bucket = self.buckets.get_mut(&number)?;
        if bucket.is_digested() {
            self.open.insert(number);
        }
        self.stale = true;
        Some(bucket)
    }

    fn bucket_of(&self, id: PaymentId) -> u64 {
        id.time().get() / self.bucket_ms
    }

    fn begin_of(&self, bucket: u64) -> TimeMs {
        TimeMs::new(bucket.saturating_mul(self.bucket_ms))
    }

    fn find(&self, id: PaymentId) -> Option<Entry> {
        self.buckets.get(&self.bucket_of(id))?.find(id)
    }
}
