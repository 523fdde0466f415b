//! Chance, all of it from one seed.
//!
//! A generator is forked by name, so that one more draw in one place does not
//! shift what another place draws.

/// xoshiro256++ by Blackman and Vigna (public domain), seeded through BLAKE3.
#[derive(Debug, Clone)]
pub struct Prng {
    state: [u64; 4],
    seed: [u8; 32],
}

impl Prng {
    /// The root of a run.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::from_bytes(blake3::derive_key("tributary sim seed", &seed.to_le_bytes()))
    }

    /// A generator of its own for what is called `name`. Independent of how
    /// many numbers were drawn from this one.
    #[must_use]
    pub fn fork(&self, name: &str) -> Self {
        Self::from_bytes(*blake3::keyed_hash(&self.seed, name.as_bytes()).as_bytes())
    }

    /// Another, for the `number`th of what is called `name`.
    #[must_use]
    pub fn fork_nth(&self, name: &str, number: u64) -> Self {
        self.fork(&format!("{name} {number}"))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number below `bound`; zero if that is zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.bits()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// An index of a list of `length` items; zero if it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        let bound = u64::try_from(length).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// Whether something happens that does so with probability `chance`.
    pub fn happens(&mut self, chance: Chance) -> bool {
        self.below(Chance::WHOLE) < chance.0
    }

    /// One of the items; none of an empty list.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.index(items.len()))
    }

    /// 32 bytes, for a key.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.bits().to_le_bytes());
        }
        bytes
    }

    fn from_bytes(seed: [u8; 32]) -> Self {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte));
        }
        Self { state, seed }
    }
}

/// A probability in millionths, so that no float rounds differently anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Chance(u64);

impl Chance {
    const WHOLE: u64 = 1_000_000;

    /// Never.
    pub const NEVER: Self = Self(0);

    /// `millionths` out of a million.
    #[must_use]
    pub const fn millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// `percent` out of a hundred.
    #[must_use]
    pub const fn percent(percent: u64) -> Self {
        Self(percent * (Self::WHOLE / 100))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fork_does_not_depend_on_what_was_drawn_before() {
        let (fresh, mut used) = (Prng::new(1), Prng::new(1));
        used.bits();
        assert_eq!(fresh.fork("disk").bits(), used.fork("disk").bits());
        assert_ne!(fresh.fork("disk").bits(), fresh.fork("network").bits());
    }

    #[test]
    fn numbers_stay_within_their_bounds() {
        let mut prng = Prng::new(2);
        for _ in 0..1_000 {
            assert!(prng.below(7) < 7);
            assert!((3..=5).contains(&prng.between(3, 5)));
        }
        assert_eq!(prng.below(0), 0);
        assert!(!prng.happens(Chance::NEVER) && prng.happens(Chance::percent(100)));
    }
}
