//! The network between all places: delay, loss, duplicates, partitions in both
//! or one direction, slow links. No order between two messages is promised.

use std::collections::{BTreeMap, BTreeSet};

use crate::prng::Prng;
use crate::profile::NetworkManners;
use crate::trace::Place;

/// See the module head.
#[derive(Debug)]
pub struct Network {
    manners: NetworkManners,
    prng: Prng,
    /// Nothing gets from the first to the second.
    cut: BTreeSet<(Place, Place)>,
    /// Messages from the first to the second take this much longer.
    slow_us: BTreeMap<(Place, Place), u64>,
}

/// Copies of a message that arrive, by their delay.
pub type Delays = [Option<u64>; 2];

impl Network {
    /// A network in which everybody reaches everybody.
    #[must_use]
    pub const fn new(manners: NetworkManners, prng: Prng) -> Self {
        Self { manners, prng, cut: BTreeSet::new(), slow_us: BTreeMap::new() }
    }

    /// Sends a message: after which delays copies of it arrive.
    pub fn carry(&mut self, from: Place, to: Place) -> Delays {
        if self.is_cut(from, to) || self.prng.happens(self.manners.loss) {
            return [None, None];
        }
        let first = self.delay_us(from, to);
        let again = self.prng.happens(self.manners.duplicate);
        [Some(first), again.then(|| self.delay_us(from, to))]
    }

    /// Whether one cannot reach the other.
    #[must_use]
    pub fn is_cut(&self, from: Place, to: Place) -> bool {
        from != to && self.cut.contains(&(from, to))
    }

    /// Whether a byte of a message changes under way.
    pub fn garbles(&mut self) -> bool {
        self.prng.happens(self.manners.garble)
    }

    /// Changes one byte.
    pub fn garble(&mut self, bytes: &mut [u8]) {
        let place = self.prng.index(bytes.len());
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << self.prng.below(8);
        }
    }

    /// Nothing gets from `from` to `to` any more.
    pub fn cut(&mut self, from: Place, to: Place) {
        self.cut.insert((from, to));
    }

    /// Messages get through again.
    pub fn join(&mut self, from: Place, to: Place) {
        self.cut.remove(&(from, to));
    }

    /// Messages between the two take longer, or as long as others with zero.
    pub fn slow_down(&mut self, from: Place, to: Place, longer_us: u64) {
        if longer_us == 0 {
            self.slow_us.remove(&(from, to));
        } else {
            self.slow_us.insert((from, to), longer_us);
        }
    }

    /// Everything works from now on.
    pub fn heal(&mut self, manners: NetworkManners) {
        self.manners = manners;
        self.cut.clear();
        self.slow_us.clear();
    }

    fn delay_us(&mut self, from: Place, to: Place) -> u64 {
        let manners = self.manners;
        let most = if self.prng.happens(manners.straggler) {
            manners.straggler_us_max
        } else {
            manners.delay_us_max
        };
        let extra = self.slow_us.get(&(from, to)).copied().unwrap_or(0);
        self.prng.between(manners.delay_us_min, most) + extra
    }
}
