//! Search over headers that may have holes: by time, and for the holes.
//!
//! Block time never goes back along a chain, so "is this header late enough"
//! changes once. Heights may be missing: a replica that was handed a snapshot
//! has no blocks below it.

use std::ops::RangeInclusive;

use tributary_replica::store::StorageFault;
use tributary_types::{BlockHeight, TimeMs};

/// The lowest height, at most `last`, whose time is at least `time`.
/// `at_or_above` gives the first header that is present from a height on.
///
/// # Errors
/// Whatever `at_or_above` reports.
pub(crate) fn first_height_from(
    time: TimeMs,
    last: BlockHeight,
    mut at_or_above: impl FnMut(BlockHeight) -> Result<Option<(BlockHeight, TimeMs)>, StorageFault>,
) -> Result<Option<BlockHeight>, StorageFault> {
    let mut found = None;
    // The answer, if there is a better one than `found`, is in low..high.
    let (mut low, mut high) = (0_u64, last.get().saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        match at_or_above(BlockHeight::new(middle))? {
            Some((height, block_time)) if height.get() < high => {
                if block_time >= time {
                    found = Some(height);
                    high = middle;
                } else {
                    low = height.get() + 1;
                }
            }
            _ => high = middle,
        }
    }
    Ok(found)
}

/// Looks for the lowest run of missing heights among those that are here.
#[derive(Debug)]
pub(crate) struct GapSearch {
    next: BlockHeight,
    last: BlockHeight,
}

impl GapSearch {
    pub(crate) fn new(within: &RangeInclusive<BlockHeight>) -> Self {
        Self { next: *within.start(), last: *within.end() }
    }

    /// The next height that is here, in ascending order. True if the search is
    /// over.
    pub(crate) fn is_over_at(&mut self, present: BlockHeight) -> bool {
        if present == self.next && present < self.last {
            self.next = present.next();
            return false;
        }
        if present == self.next {
            // The last one is here: nothing is left that could be missing.
            self.next = self.last.next();
        } else {
            self.last = self.last.min(BlockHeight::new(present.get().saturating_sub(1)));
        }
        true
    }

    /// What was found, when the search is over or no more heights are here.
    pub(crate) fn gap(self) -> Option<RangeInclusive<BlockHeight>> {
        (self.next <= self.last).then_some(self.next..=self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hole_is_found_from_every_height_to_every_other() {
        let present = [1_u64, 2, 5, 6, 9];
        for first in 1..=11 {
            for last in first..=11 {
                let missing: Vec<u64> =
                    (first..=last).filter(|height| !present.contains(height)).collect();
                let runs = missing.first().map(|low| {
                    let run = missing.iter().zip(*low..).take_while(|(found, next)| *found == next);
                    *low..=*low + run.count() as u64 - 1
                });
                let within = BlockHeight::new(first)..=BlockHeight::new(last);
                let mut search = GapSearch::new(&within);
                let mut heights = present.iter().filter(|height| **height >= first);
                let _ = heights.any(|height| search.is_over_at(BlockHeight::new(*height)));
                let found = search.gap().map(|gap| gap.start().get()..=gap.end().get());
                assert_eq!(found, runs, "{first} to {last}");
            }
        }
    }

    fn check(headers: &[(u64, u64)], time: u64, last: u64, expected: Option<u64>) {
        let at_or_above = |from: BlockHeight| {
            let header = headers.iter().find(|(height, _)| *height >= from.get());
            Ok(header.map(|(height, time)| (BlockHeight::new(*height), TimeMs::new(*time))))
        };
        let found = first_height_from(TimeMs::new(time), BlockHeight::new(last), at_or_above);
        assert_eq!(found.unwrap().map(BlockHeight::get), expected, "{headers:?} {time} {last}");
    }

    #[test]
    fn every_time_in_every_hole_finds_its_height() {
        let headers = [(1, 10), (2, 10), (3, 20), (7, 50), (8, 50), (20, 90)];
        for last in 0..=22 {
            for time in 0..=100 {
                let expected = headers
                    .iter()
                    .find(|(height, block)| *height <= last && *block >= time)
                    .map(|(height, _)| *height);
                check(&headers, time, last, expected);
            }
        }
        check(&[], 5, 9, None);
        check(&[(3, 4)], 0, u64::MAX, Some(3));
    }
}
