//! First-in-first-out queues that a state commits to without holding a tree.
//!
//! A running digest is kept at both ends: after everything that left, and after
//! everything that came. What is between them is the queue, so its contents are
//! checked by recomputation, and adding or removing an item costs one hash. An
//! empty queue begins anew: all empty queues are equal.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader};
use tributary_types::{Domain, Hash, canonical};

/// Items in order of arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queue<T> {
    before: Hash,
    after: Hash,
    items: VecDeque<T>,
}

/// What commits to a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueCommitment {
    /// Running digest after the last item that left.
    pub before: Hash,
    /// Running digest after the last item that came.
    pub after: Hash,
    /// Items between the two.
    pub count: u64,
}
canonical!(QueueCommitment { before: Hash, after: Hash, count: u64 });

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { before: Hash::ZERO, after: Hash::ZERO, items: VecDeque::new() }
    }
}

impl<T: Encode> Queue<T> {
    /// Appends an item.
    pub(crate) fn push(&mut self, item: T) {
        self.after = extend(&self.after, &item);
        self.items.push_back(item);
    }

    /// Removes the oldest item.
    pub(crate) fn pop(&mut self) -> Option<T> {
        let item = self.items.pop_front()?;
        if self.items.is_empty() {
            *self = Self::default();
        } else {
            self.before = extend(&self.before, &item);
        }
        Some(item)
    }

    /// The oldest item.
    pub(crate) fn front(&self) -> Option<&T> {
        self.items.front()
    }

    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there are no items.
    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// All items, oldest first.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &T> {
        self.items.iter()
    }

    /// What commits to the queue; `None` for an empty one.
    pub(crate) fn commitment(&self) -> Option<QueueCommitment> {
        let (before, after, count) = (self.before, self.after, self.items.len() as u64);
        (count > 0).then_some(QueueCommitment { before, after, count })
    }

    /// Whether the items are those between the two digests.
    pub(crate) fn is_consistent(&self) -> bool {
        let recomputed = self.items.iter().fold(self.before, |digest, item| extend(&digest, item));
        recomputed == self.after && (!self.items.is_empty() || self.before == Hash::ZERO)
    }
}

fn extend<T: Encode>(digest: &Hash, item: &T) -> Hash {
    let mut bytes = digest.to_bytes();
    item.encode(&mut bytes);
    Domain::StatePart.hash(&bytes)
}

impl<T: Encode> Encode for Queue<T> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.before.encode(out);
        self.after.encode(out);
        let count = u32::try_from(self.items.len()).expect("queues are bounded below 2^32");
        count.encode(out);
        self.items.iter().for_each(|item| item.encode(out));
    }
}

impl<T: Decode> Decode for Queue<T> {
    const BYTES_MIN: usize = 32 + 32 + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (before, after) = (Hash::decode(reader)?, Hash::decode(reader)?);
        let items: Vec<T> = Vec::decode(reader)?;
        Ok(Self { before, after, items: items.into() })
    }
}
