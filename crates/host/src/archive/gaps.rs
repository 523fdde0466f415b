//! Which blocks are known to be missing: runs of heights, in the order in which
//! they are to be fetched.

use std::collections::VecDeque;

use tributary_types::{BlockHeight, Hash};

/// Runs that are kept. A search for more waits until some are filled.
pub const GAPS_MAX: usize = 256;

/// Consecutive heights without a block; filled from above.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The lowest.
    pub low: BlockHeight,
    /// The highest.
    pub high: BlockHeight,
    /// The hash of the header at `high`, once it is known.
    pub top: Option<Hash>,
}

/// The queue.
#[derive(Debug, Default)]
pub struct Gaps {
    queue: VecDeque<Gap>,
}

impl Gap {
    /// How many blocks it lacks.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.high.get() - self.low.get() + 1
    }

    /// Whether it lacks the block at a height.
    #[must_use]
    pub fn contains(&self, height: BlockHeight) -> bool {
        (self.low..=self.high).contains(&height)
    }

    /// What is left after its highest `count` blocks have come, the lowest of
    /// which follows `parent`.
    #[must_use]
    pub fn without(self, count: u64, parent: Hash) -> Option<Self> {
        let high = BlockHeight::new(self.high.get().checked_sub(count)?);
        (high >= self.low).then_some(Self { low: self.low, high, top: Some(parent) })
    }
}

impl Gaps {
    /// Blocks missing in all of them.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.queue.iter().map(Gap::blocks).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// How many runs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.queue.clear();
    }

    /// The one to be filled next.
    pub fn pop(&mut self) -> Option<Gap> {
        self.queue.pop_front()
    }

    /// To be filled next.
    pub fn push_first(&mut self, gap: Gap) {
        self.queue.push_front(gap);
    }

    /// To be filled last. One that lies right below the last one prolongs it.
    pub fn push_last(&mut self, gap: Gap) {
        match self.queue.back_mut() {
            Some(last) if gap.high.next() == last.low => last.low = gap.low,
            _ => self.queue.push_back(gap),
        }
    }

    /// Moves the one that lacks this block to the front. False if there is
    /// none.
    pub fn prefer(&mut self, height: BlockHeight) -> bool {
        let found = self.queue.iter().position(|gap| gap.contains(height));
        if let Some(gap) = found.and_then(|index| self.queue.remove(index)) {
            self.queue.push_front(gap);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gap(low: u64, high: u64) -> Gap {
        Gap { low: BlockHeight::new(low), high: BlockHeight::new(high), top: None }
    }

    #[test]
    fn runs_that_touch_are_one_and_a_wanted_one_goes_first() {
        let mut gaps = Gaps::default();
        for (low, high) in [(80, 90), (60, 79), (20, 30)] {
            gaps.push_last(gap(low, high));
        }
        assert_eq!((gaps.len(), gaps.blocks()), (2, 42));
        assert!(gaps.prefer(BlockHeight::new(25)) && !gaps.prefer(BlockHeight::new(50)));
        assert_eq!(gaps.pop(), Some(gap(20, 30)));
        assert_eq!(gaps.pop(), Some(gap(60, 90)));
        assert!(gaps.pop().is_none() && gaps.is_empty());
    }

    #[test]
    fn a_run_shrinks_from_above() {
        let left = gap(5, 9).without(3, Hash::ZERO);
        assert_eq!(left, Some(Gap { top: Some(Hash::ZERO), ..gap(5, 6) }));
        assert_eq!(gap(5, 9).without(5, Hash::ZERO), None);
    }
}
