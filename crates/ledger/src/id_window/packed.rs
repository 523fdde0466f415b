//! How a bucket keeps its entries: 26 bytes each, in chunks that never move. A
//! chunk that is full never changes either, so a checkpoint shares it.
//!
//! ```text
//!  12 bytes  id: 74 random bits, and its time since the bucket's begin (22 bits)
//!   8 bytes  content and outcome code, as in the entry
//!   6 bytes  position: blocks since the bucket's first (28 bits), index (20 bits)
//! ```
//!
//! Version and variant of an id are the same in all (RFC 9562, section 5.7) and
//! left out, and so is what all times and heights of a bucket have in common.

use std::ops::Range;
use std::sync::Arc;

use tributary_types::{BlockHeight, PaymentId, Position, TimeMs};

use super::entry::Entry;

/// Longest span of time of a bucket, in ms: 70 minutes.
pub(super) const SPAN_MS_MAX: u64 = 1 << OFFSET_BITS;
/// Entries of a chunk.
pub(super) const CHUNK_ENTRIES: usize = 8_192;
const OFFSET_BITS: u32 = 22;
/// Random bits of an id: 12 between version and variant, 62 behind.
const RANDOM_BITS: u32 = 12 + LOW_BITS;
const LOW_BITS: u32 = 62;
const _: () = assert!((OFFSET_BITS + RANDOM_BITS) as usize == 8 * ID_BYTES);

const ID_BYTES: usize = 12;
const CONTENT_BYTES: usize = 8;
const POSITION_BYTES: usize = 6;
const ENTRY_BYTES: usize = ID_BYTES + CONTENT_BYTES + POSITION_BYTES;
/// Of an outcome's index in its block: a body of at most 4 MiB, the log's limit
/// for an entry, has far fewer.
const INDEX_BITS: u32 = 20;
/// Of a block's distance to the bucket's first.
const BLOCKS_BITS: u32 = 28;
const _: () = assert!((BLOCKS_BITS + INDEX_BITS) as usize == 8 * POSITION_BYTES);

/// An id within its bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PackedId(u128);

/// An entry as it is kept.
type Bytes = [u8; ENTRY_BYTES];

/// What all entries of a bucket have in common.
#[derive(Debug, Clone, Copy)]
struct Base {
    /// Where the bucket's span of time begins.
    begin: TimeMs,
    /// Height of the first entry's block.
    first_height: BlockHeight,
}

/// Entries in order of arrival.
#[derive(Debug, Clone)]
pub(super) struct Packed {
    base: Base,
    /// Chunks that are full.
    full: Vec<Arc<Vec<Bytes>>>,
    /// The one behind them.
    last: Vec<Bytes>,
}

/// A chunk that is full, shared with its bucket.
#[derive(Debug, Clone)]
pub(super) struct FullChunk {
    base: Base,
    entries: Arc<Vec<Bytes>>,
}

impl FullChunk {
    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> {
        self.entries.iter().map(|bytes| self.base.entry(bytes))
    }
}

impl Packed {
    /// No entries yet; the bucket's span begins at `begin`.
    pub(super) const fn new(begin: TimeMs) -> Self {
        let base = Base { begin, first_height: BlockHeight::new(0) };
        Self { base, full: Vec::new(), last: Vec::new() }
    }

    pub(super) const fn len(&self) -> usize {
        self.full.len() * CHUNK_ENTRIES + self.last.len()
    }

    /// An id as it is kept here; `None` if its time is outside of the span.
    pub(super) fn pack_id(&self, id: PaymentId) -> Option<PackedId> {
        let offset = id.time().get().checked_sub(self.base.begin.get())?;
        let bits = id.get();
        let low = bits & ((1 << LOW_BITS) - 1);
        let high = bits >> 64 & 0xfff;
        let packed = u128::from(offset) << RANDOM_BITS | high << LOW_BITS | low;
        (offset < SPAN_MS_MAX).then_some(PackedId(packed))
    }

    /// Adds an entry, whose id is this one, at the end; `None` if its block is
    /// before the first one's or 2^28 blocks behind it, or its index in the block
    /// 2^20 or more.
    pub(super) fn push(&mut self, id: PackedId, entry: &Entry) -> Option<()> {
        if self.len() == 0 {
            self.base.first_height = entry.position.height();
        }
        let blocks = entry.position.height().get().checked_sub(self.base.first_height.get())?;
        let index = u64::from(entry.position.index());
        if blocks >> BLOCKS_BITS > 0 || index >> INDEX_BITS > 0 {
            return None;
        }
        let position = blocks << INDEX_BITS | index;
        let mut bytes: Bytes = [0; ENTRY_BYTES];
        let (head, rest) = bytes.split_at_mut(ID_BYTES);
        let (content, place) = rest.split_at_mut(CONTENT_BYTES);
        head.copy_from_slice(&id.0.to_le_bytes()[..ID_BYTES]);
        content.copy_from_slice(&entry.content_and_code.to_le_bytes());
        place.copy_from_slice(&position.to_le_bytes()[..POSITION_BYTES]);
        if self.last.capacity() == 0 {
            self.last.reserve_exact(CHUNK_ENTRIES);
        }
        self.last.push(bytes);
        if self.last.len() == CHUNK_ENTRIES {
            self.full.push(Arc::new(std::mem::take(&mut self.last)));
        }
        Some(())
    }

    /// The id at `row`.
    pub(super) fn id(&self, row: usize) -> PackedId {
        id(self.bytes(row))
    }

    /// The entry at `row`.
    pub(super) fn get(&self, row: usize) -> Entry {
        self.base.entry(self.bytes(row))
    }

    /// Entries of these rows.
    pub(super) fn range(&self, rows: Range<usize>) -> impl Iterator<Item = Entry> {
        rows.map(|row| self.get(row))
    }

    /// The chunk of that number, if there is one and it is full.
    pub(super) fn full_chunk(&self, number: usize) -> Option<FullChunk> {
        let entries = Arc::clone(self.full.get(number)?);
        Some(FullChunk { base: self.base, entries })
    }

    fn bytes(&self, row: usize) -> &Bytes {
        let (chunk, row) = (row / CHUNK_ENTRIES, row % CHUNK_ENTRIES);
        &self.full.get(chunk).map_or(&self.last, Arc::as_ref)[row]
    }
}

impl Base {
    /// What is kept in these bytes.
    fn entry(self, bytes: &Bytes) -> Entry {
        let (_, rest) = bytes.split_at(ID_BYTES);
        let (content, place) = rest.split_at(CONTENT_BYTES);
        let (mut content_and_code, mut position) = ([0; 8], [0; 8]);
        content_and_code.copy_from_slice(content);
        position[..POSITION_BYTES].copy_from_slice(place);
        let position = u64::from_le_bytes(position);
        let height = self.first_height.get() + (position >> INDEX_BITS);
        let index = position & ((1 << INDEX_BITS) - 1);
        let index = u32::try_from(index).unwrap_or_default();
        Entry {
            id: self.unpack_id(id(bytes)),
            content_and_code: u64::from_le_bytes(content_and_code),
            position: Position::new(BlockHeight::new(height), index).unwrap_or_default(),
        }
    }

    fn unpack_id(self, PackedId(packed): PackedId) -> PaymentId {
        let offset = u64::try_from(packed >> RANDOM_BITS).unwrap_or_default();
        let high = packed >> LOW_BITS & 0xfff;
        let low = packed & ((1 << LOW_BITS) - 1);
        PaymentId::of_bits(self.begin.plus_ms(offset), high << 64 | low)
    }
}

/// The id that is kept in these bytes.
fn id(bytes: &Bytes) -> PackedId {
    let (id, _) = bytes.split_at(ID_BYTES);
    let mut bytes = [0; 16];
    bytes[..ID_BYTES].copy_from_slice(id);
    PackedId(u128::from_le_bytes(bytes))
}

impl PackedId {
    /// The random bits, for hashing.
    pub(super) const fn bits(self) -> u128 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::OutcomeCode;

    const BEGIN: TimeMs = TimeMs::new(1_700_000_000_000);

    fn entry(ms: u64, entropy: [u8; 10], height: u64, index: u32) -> Entry {
        let id = PaymentId::new(BEGIN.plus_ms(ms), entropy);
        let content_and_code = 0x1122_3344_5566_7700 | OutcomeCode::Committed as u64;
        let position = Position::new(BlockHeight::new(height), index).unwrap();
        Entry { id, content_and_code, position }
    }

    fn push(packed: &mut Packed, entry: &Entry) -> Option<()> {
        packed.push(packed.pack_id(entry.id)?, entry)
    }

    #[test]
    fn entries_come_back_as_they_were() {
        let mut packed = Packed::new(BEGIN);
        let mut entries = Vec::new();
        for index in 0..u32::try_from(2 * CHUNK_ENTRIES + 5).unwrap() {
            let random = u128::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            let entropy = *random.to_le_bytes().first_chunk().unwrap();
            let number = u64::from(index);
            entries.push(entry(number % SPAN_MS_MAX, entropy, 7 + number / 100, index));
        }
        entries.push(entry(SPAN_MS_MAX - 1, [0xff; 10], 7 + (1 << 28) - 1, (1 << 20) - 1));
        entries.push(entry(0, [0; 10], 7, 0));
        for entry in &entries {
            push(&mut packed, entry).unwrap();
        }
        assert!(packed.range(0..packed.len()).eq(entries.iter().copied()));
        for (row, entry) in entries.iter().enumerate() {
            assert_eq!(Some(packed.id(row)), packed.pack_id(entry.id));
        }
    }

    #[test]
    fn what_does_not_fit_the_bucket_is_not_taken() {
        let mut packed = Packed::new(BEGIN);
        push(&mut packed, &entry(0, [1; 10], 7, 0)).unwrap();
        assert_eq!(push(&mut packed, &entry(SPAN_MS_MAX, [1; 10], 7, 0)), None);
        assert_eq!(push(&mut packed, &entry(1, [1; 10], 6, 0)), None);
        assert_eq!(push(&mut packed, &entry(1, [1; 10], 7 + (1 << 28), 0)), None);
        assert_eq!(push(&mut packed, &entry(1, [1; 10], 7, 1 << 20)), None);
        let early =
            Entry { id: PaymentId::new(TimeMs::new(5), [1; 10]), ..entry(0, [1; 10], 7, 0) };
        assert_eq!(push(&mut packed, &early), None);
        assert_eq!(packed.len(), 1);
    }
}
