//! Small parts of a state that keep their hash until they change.

use tributary_types::{Domain, Encode, Hash};

/// A value with the hash of its canonical bytes.
#[derive(Debug, Clone)]
pub(crate) struct Hashed<T> {
    value: T,
    hash: Hash,
    /// Changed since the last commit.
    stale: bool,
    /// Changed since it was last written to a page.
    dirty: bool,
}

impl<T: Encode> Hashed<T> {
    pub(crate) fn new(value: T) -> Self {
        let hash = Domain::StatePart.hash_value(&value);
        Self { value, hash, stale: false, dirty: true }
    }

    pub(crate) const fn get(&self) -> &T {
        &self.value
    }

    /// The value, to be changed.
    pub(crate) const fn change(&mut self) -> &mut T {
        self.stale = true;
        self.dirty = true;
        &mut self.value
    }

    /// Brings the hash up to date.
    pub(crate) fn commit(&mut self) -> Hash {
        if self.stale {
            self.hash = Domain::StatePart.hash_value(&self.value);
            self.stale = false;
        }
        self.hash
    }

    /// Whether it changed since this was last asked.
    pub(crate) const fn take_dirty(&mut self) -> bool {
        std::mem::replace(&mut self.dirty, false)
    }
}
