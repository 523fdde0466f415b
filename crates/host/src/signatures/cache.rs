//! Which signatures were found good a while ago: a bounded set of tags.
//!
//! A tag is a hash of key, message and signature under a secret of this
//! process, as in Bitcoin Core's signature cache, so nobody can aim at the tag
//! of a signature that holds. Only good signatures have tags here.
//!
//! The set has two generations: when the younger one is full it becomes the
//! older one, and what was older is forgotten. That keeps at least half of the
//! most, and forgetting costs nothing but verifying again.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tributary_types::SignatureCheck;

/// Length of a tag: two different checks share one with probability 2^-128.
const TAG_BYTES: usize = 16;

/// See the module head.
type Tag = [u8; TAG_BYTES];

/// See the module head.
#[derive(Debug)]
pub(super) struct SignatureCache {
    secret: [u8; blake3::KEY_LEN],
    generation_max: usize,
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    young: HashSet<Tag>,
    old: HashSet<Tag>,
}

impl SignatureCache {
    /// Remembers at most `tags_max` signatures, under a fresh secret.
    pub fn new(tags_max: usize) -> Self {
        let (secret, generation_max) = (rand::random(), tags_max / 2);
        Self { secret, generation_max, generations: Mutex::default() }
    }

    /// For each check whether it is known to hold.
    pub fn know(&self, checks: &[SignatureCheck]) -> Vec<bool> {
        if self.lock().is_empty() {
            return vec![false; checks.len()];
        }
        let tags: Vec<Tag> = checks.iter().map(|check| self.tag(check)).collect();
        let generations = self.lock();
        tags.iter().map(|tag| generations.contains(tag)).collect()
    }

    /// Remembers checks that were verified and hold.
    pub fn remember<'a>(&self, good: impl Iterator<Item = &'a SignatureCheck>) {
        if self.generation_max == 0 {
            return;
        }
        let tags: Vec<Tag> = good.map(|check| self.tag(check)).collect();
        let mut generations = self.lock();
        for tag in tags {
            if !generations.contains(&tag) {
                generations.insert(tag, self.generation_max);
            }
        }
    }

    fn tag(&self, check: &SignatureCheck) -> Tag {
        let mut hasher = blake3::Hasher::new_keyed(&self.secret);
        hasher.update(check.key.as_bytes());
        hasher.update(check.message.as_bytes());
        hasher.update(check.signature.as_bytes());
        let mut tag = [0; TAG_BYTES];
        hasher.finalize_xof().fill(&mut tag);
        tag
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.generations.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn is_empty(&self) -> bool {
        self.young.is_empty() && self.old.is_empty()
    }

    fn contains(&self, tag: &Tag) -> bool {
        self.young.contains(tag) || self.old.contains(tag)
    }

    fn insert(&mut self, tag: Tag, generation_max: usize) {
        if self.young.len() >= generation_max {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(tag);
    }
}

#[cfg(test)]
mod tests {
    use tributary_types::{Domain, SigningKey};

    use super::*;

    fn check(number: u8) -> SignatureCheck {
        let (signer, message) = (SigningKey::from_seed([1; 32]), Domain::Payment.hash(&[number]));
        SignatureCheck { key: signer.public(), message, signature: signer.sign(&message) }
    }

    #[test]
    fn what_is_remembered_is_known_and_nothing_like_it() {
        let cache = SignatureCache::new(8);
        assert_eq!(cache.know(&[check(1)]), [false]);
        cache.remember([check(1)].iter());
        let other_key = SigningKey::from_seed([2; 32]).public();
        let likenesses = [
            check(1),
            SignatureCheck { key: other_key, ..check(1) },
            SignatureCheck { message: check(2).message, ..check(1) },
            SignatureCheck { signature: check(2).signature, ..check(1) },
        ];
        assert_eq!(cache.know(&likenesses), [true, false, false, false]);
    }

    #[test]
    fn the_oldest_are_forgotten_and_the_bound_holds() {
        let cache = SignatureCache::new(8);
        for number in 0..100 {
            cache.remember([check(number)].iter());
            let generations = cache.lock();
            assert!(generations.young.len() + generations.old.len() <= 8);
        }
        let known = cache.know(&[check(0), check(91), check(96), check(99)]);
        assert_eq!(known, [false, false, true, true]);
    }

    #[test]
    fn a_cache_of_nothing_remembers_nothing() {
        let cache = SignatureCache::new(0);
        cache.remember([check(1)].iter());
        assert_eq!(cache.know(&[check(1)]), [false]);
    }
}
