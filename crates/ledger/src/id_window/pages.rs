//! Pages of a checkpoint: slices of buckets, each with its bucket's number. The
//! page of a full chunk shares it and is encoded by whoever writes it down: that
//! way the chain's thread does not wait for memory that only the page needs.

use tributary_types::codec::{Decode, Encode, Reader, decode_list, encode_count};

use super::bucket::Bucket;
use super::entry::Entry;
use super::packed::{CHUNK_ENTRIES, FullChunk, SPAN_MS_MAX};
use super::{BUCKETS, IdWindow};
use crate::limits::ID_WINDOW_MS_MAX;

/// Entries of one page of a checkpoint: those of a chunk.
const PAGE_ENTRIES: usize = CHUNK_ENTRIES;
/// Bits of a page number that count the pages of a bucket; those above are the
/// bucket's number modulo [`PAGE_BUCKETS`].
const PAGE_BITS: u32 = 23;
const PAGE_BUCKETS: u64 = 1 << (u32::BITS - PAGE_BITS);
const LONGEST_BUCKETS: u64 = 2 * ID_WINDOW_MS_MAX / SPAN_MS_MAX;
const _: () = assert!(PAGE_BUCKETS > BUCKETS + 2, "live buckets have distinct page numbers");
const _: () = assert!(PAGE_BUCKETS > LONGEST_BUCKETS + 3, "also those of the longest window");

impl IdWindow {
    /// The numbers of all pages that there are.
    pub(crate) fn pages(&self) -> Vec<u32> {
        self.buckets.iter().flat_map(|(number, bucket)| numbers(*number, bucket)).collect()
    }

    /// The numbers of the pages that changed since this was last asked.
    pub(crate) fn take_dirty_pages(&mut self) -> Vec<u32> {
        let mut dirty = std::mem::take(&mut self.gone_pages);
        for (number, bucket) in &mut self.buckets {
            if let Some(first) = bucket.take_unsaved() {
                let pages = page_of(first)..page_count(bucket);
                dirty.extend(pages.map(|page| page_number(*number, page)));
            }
        }
        dirty.into_iter().collect()
    }

    /// The page of a full chunk.
    pub(crate) fn full_page(&self, page: u32) -> Option<IdPage> {
        let (bucket, slice) = self.slice(page)?;
        let chunk = self.buckets.get(&bucket)?.entries.full_chunk(slice)?;
        Some(IdPage { bucket, chunk })
    }

    /// Appends the canonical bytes of a page whose chunk is not full; nothing if there
    /// is no such page.
    pub(crate) fn encode_page(&self, page: u32, out: &mut Vec<u8>) {
        let Some((number, slice)) = self.slice(page) else { return };
        let entries = &self.buckets[&number].entries;
        let rows = slice * PAGE_ENTRIES..entries.len();
        if !rows.is_empty() {
            encode_page(number, rows.len(), entries.range(rows), out);
        }
    }

    /// The bucket that a page is of, and which of its slices it is.
    fn slice(&self, page: u32) -> Option<(u64, usize)> {
        let residue = u64::from(page >> PAGE_BITS);
        let number = self.buckets.keys().find(|number| *number % PAGE_BUCKETS == residue)?;
        Some((*number, (page & ((1 << PAGE_BITS) - 1)) as usize))
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
        let begin = self.begin_of(number);
        let new = || Bucket::new(begin, entries.len(), self.index_key);
        let bucket = self.buckets.entry(number).or_insert_with(new);
        if page_number(number, page_of(bucket.entries.len())) != page
            || !bucket.entries.len().is_multiple_of(PAGE_ENTRIES)
        {
            return Err(format!("ids of bucket {number} are not where they belong"));
        }
        let pushed = entries.iter().try_for_each(|entry| bucket.push(entry));
        pushed.ok_or_else(|| format!("an id of bucket {number} is not of its time or order"))
    }

    /// Recomputes all digests after the last page.
    pub(crate) fn restored(&mut self) {
        self.buckets.values_mut().for_each(Bucket::restored);
        self.stale = true;
    }
}

/// The page of a full chunk.
#[derive(Debug, Clone)]
pub(crate) struct IdPage {
    bucket: u64,
    chunk: FullChunk,
}

impl IdPage {
    /// How many bytes it takes, the same for each.
    pub(crate) const BYTES: usize = page_bytes(PAGE_ENTRIES);

    /// Appends its canonical bytes.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        encode_page(self.bucket, PAGE_ENTRIES, self.chunk.entries(), out);
    }
}

/// Appends the page of these entries of a bucket, of which there are `count`.
fn encode_page(bucket: u64, count: usize, entries: impl Iterator<Item = Entry>, out: &mut Vec<u8>) {
    out.reserve(page_bytes(count));
    bucket.encode(out);
    encode_count(count, out);
    entries.for_each(|entry| entry.encode(out));
}

/// Bytes of a page of so many entries.
const fn page_bytes(entries: usize) -> usize {
    u64::BYTES_MIN + u32::BYTES_MIN + entries * Entry::BYTES_MIN
}

/// The numbers of a bucket's pages.
pub(super) fn numbers(number: u64, bucket: &Bucket) -> impl Iterator<Item = u32> + use<> {
    (0..page_count(bucket)).map(move |page| page_number(number, page))
}

fn page_count(bucket: &Bucket) -> u32 {
    page_of(bucket.entries.len() + PAGE_ENTRIES - 1)
}

fn page_of(entry: usize) -> u32 {
    u32::try_from(entry / PAGE_ENTRIES).expect("a bucket holds seconds of ids")
}

fn page_number(bucket: u64, page: u32) -> u32 {
    let residue = u32::try_from(bucket % PAGE_BUCKETS).expect("the modulus is below 2^32");
    residue << PAGE_BITS | page
}
