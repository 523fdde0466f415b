//! Binary search by time over headers that may have holes.
//!
//! Block time never goes back along a chain, so "is this header late enough"
//! changes once. Heights may be missing: a replica that was handed a snapshot
//! has no blocks below it.

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

#[cfg(test)]
mod tests {
    use super::*;

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
