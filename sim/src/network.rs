//! The network between all places: delay, loss, duplicates, partitions in both
//! or one direction, slow links. No order between two messages is promised.

use std::collections::BTreeMap;

use crate::prng::Prng;
use crate::profile::NetworkManners;
use crate::trace::Place;

/// See the module head.
#[derive(Debug)]
pub struct Network {
    manners: NetworkManners,
    prng: Prng,
    /// Nothing gets from the first to the second as long as so many cuts last.
    cut: BTreeMap<(Place, Place), u32>,
    /// Messages from the first to the second take this much longer.
    slow_us: BTreeMap<(Place, Place), u64>,
}

/// Copies of a message that arrive, by their delay.
pub type Delays = [Option<u64>; 2];

impl Network {
    /// A network in which everybody reaches everybody.
    #[must_use]
    pub const fn new(manners: NetworkManners, prng: Prng) -> Self {
        Self { manners, prng, cut: BTreeMap::new(), slow_us: BTreeMap::new() }
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
        from != to && self.cut.contains_key(&(from, to))
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

    /// Nothing gets from `from` to `to` any more; once more if nothing did
    /// before.
    pub fn cut(&mut self, from: Place, to: Place) {
        *self.cut.entry((from, to)).or_insert(0) += 1;
    }

    /// One cut is over: messages get through if it was the last one.
    pub fn join(&mut self, from: Place, to: Place) {
        let Some(cuts) = self.cut.get_mut(&(from, to)) else { return };
        *cuts -= 1;
        if *cuts == 0 {
            self.cut.remove(&(from, to));
        }
    }

    /// Messages from `from` to `to` take so much longer than they did.
    pub fn slow_down(&mut self, from: Place, to: Place, longer_us: u64) {
        *self.slow_us.entry((from, to)).or_insert(0) += longer_us;
    }

    /// What [`Self::slow_down`] did is over.
    pub fn speed_up(&mut self, from: Place, to: Place, shorter_us: u64) {
        if let Some(slow_us) = self.slow_us.get_mut(&(from, to)) {
            *slow_us = slow_us.saturating_sub(shorter_us);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    #[test]
    fn the_end_of_one_cut_leaves_another_of_the_same_pair() {
        let (here, there) = (Place::Node(0), Place::Client(1));
        let mut network = Network::new(Profile::none().network, Prng::new(1));
        network.cut(here, there);
        network.cut(here, there);
        network.join(here, there);
        assert_eq!(network.carry(here, there), [None, None]);
        assert!(network.carry(there, here)[0].is_some(), "the way back works");
        network.join(here, there);
        network.join(here, there);
        assert!(!network.is_cut(here, there));
    }
}
