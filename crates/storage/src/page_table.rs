//! Which pages a checkpoint has, and where they stand. Pure.
//!
//! Pages stand in *segments*: files that hold what one checkpoint wrote of one
//! section of the state, and are never changed. A table leads from each page to
//! its place; what no table leads to is waste, and goes with its segment.

use std::collections::BTreeMap;

use tributary_ledger::PageKey;
use tributary_types::canonical;

/// Waste of a section that is not worth writing anything again, in bytes.
const WASTE_BYTES_FREE: u64 = 1 << 20;

/// What one checkpoint wrote of one section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Segment {
    /// Of the pages.
    pub(crate) section: u8,
    /// Number of the checkpoint.
    pub(crate) sequence: u64,
}

/// Where a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PagePlace {
    /// The page.
    pub(crate) key: PageKey,
    /// Number of the checkpoint that wrote it.
    pub(crate) sequence: u64,
    /// Where it begins in its segment, in bytes.
    pub(crate) offset: u64,
    /// Its bytes.
    pub(crate) length: u32,
    /// CRC-32C of the page's key in the database and its bytes.
    pub(crate) checksum: u32,
}
canonical!(PagePlace { key: PageKey, sequence: u64, offset: u64, length: u32, checksum: u32 });

impl PagePlace {
    /// The segment that it stands in.
    pub(crate) const fn segment(&self) -> Segment {
        Segment { section: self.key.section, sequence: self.sequence }
    }
}

/// All pages of a checkpoint, ascending by key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PageTable {
    /// Number of the checkpoint; 0 is none.
    pub(crate) sequence: u64,
    /// Where its pages stand.
    pub(crate) pages: Vec<PagePlace>,
}
canonical!(PageTable { sequence: u64, pages: Vec<PagePlace> });

/// Segments whose pages are to be written again, so that of each section's
/// segments at most half is waste, and [`WASTE_BYTES_FREE`]. Those go first that
/// are waste for the most part, so no more is written again than becomes free.
///
/// `sizes` are those of all segments in bytes; `live` are the pages that stay in
/// them, `fresh` the bytes of those that are about to be written, by section.
pub(crate) fn wasteful(
    sizes: &BTreeMap<Segment, u64>,
    live: &BTreeMap<PageKey, PagePlace>,
    fresh: &BTreeMap<u8, u64>,
) -> Vec<Segment> {
    let mut used = BTreeMap::<Segment, u64>::new();
    for place in live.values() {
        *used.entry(place.segment()).or_default() += u64::from(place.length);
    }
    let mut sections = BTreeMap::<u8, Vec<(Segment, u64, u64)>>::new();
    for (segment, live) in used {
        let waste = sizes.get(&segment).map_or(0, |size| size.saturating_sub(live));
        sections.entry(segment.section).or_default().push((segment, live, waste));
    }
    let mut carried = Vec::new();
    for (section, mut segments) in sections {
        let staying: u64 = segments.iter().map(|(_, live, _)| live).sum();
        let needed = staying + fresh.get(&section).copied().unwrap_or(0);
        let mut waste: u64 = segments.iter().map(|(_, _, waste)| waste).sum();
        // The one of the greatest share of waste is last.
        segments.sort_by_key(|(_, live, waste)| waste * 1_024 / (live + waste).max(1));
        while waste > needed + WASTE_BYTES_FREE
            && let Some((segment, _, freed)) = segments.pop()
        {
            carried.push(segment);
            waste -= freed;
        }
    }
    carried
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn segment(sequence: u64) -> Segment {
        Segment { section: 2, sequence }
    }

    /// Segments of so many pages of 1 MiB, of which so many are live.
    fn carried(segments: &[(u64, u32)], fresh: u64) -> Vec<Segment> {
        let (mut sizes, mut live) = (BTreeMap::new(), BTreeMap::new());
        for (sequence, (pages, live_pages)) in (1..).zip(segments) {
            sizes.insert(segment(sequence), pages * MIB);
            for page in 0..*live_pages {
                let number = u32::try_from(sequence).unwrap() * 1_000 + page;
                let key = PageKey { section: 2, number };
                let place = PagePlace { key, sequence, offset: 0, length: 1 << 20, checksum: 0 };
                live.insert(key, place);
            }
        }
        wasteful(&sizes, &live, &BTreeMap::from([(2, fresh * MIB)]))
    }

    #[test]
    fn what_is_mostly_waste_is_written_again_and_no_more_than_needed() {
        assert_eq!(carried(&[], 5), []);
        assert_eq!(carried(&[(10, 10), (10, 10)], 0), [], "nothing is waste");
        assert_eq!(carried(&[(10, 4)], 0), [segment(1)], "6 of waste, 4 needed");
        assert_eq!(carried(&[(10, 4)], 5), [], "6 of waste, 9 needed");
        assert_eq!(carried(&[(9, 4)], 0), [], "5 of waste, 4 needed, 1 is free");
        assert_eq!(carried(&[(10, 8), (10, 1), (10, 3), (10, 2)], 0), [segment(2), segment(4)]);
        assert_eq!(carried(&[(10, 0), (10, 10)], 0), [], "what is all waste goes anyway");
    }

    #[test]
    fn other_sections_do_not_count() {
        let place = |section, number, sequence| {
            let key = PageKey { section, number };
            (key, PagePlace { key, sequence, offset: 0, length: 1, checksum: 0 })
        };
        let live = BTreeMap::from([place(1, 0, 4), place(2, 0, 4)]);
        let size = |section, size| (Segment { section, sequence: 4 }, size);
        let sizes = BTreeMap::from([size(1, 1), size(2, 3 * MIB)]);
        let carried = wasteful(&sizes, &live, &BTreeMap::new());
        assert_eq!(carried, [Segment { section: 2, sequence: 4 }]);
    }
}
