//! What happens when: events in order of virtual time, and of the order in
//! which they were scheduled where times are equal.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// See the module head. Times are microseconds since the run began.
#[derive(Debug)]
pub struct Schedule<E> {
    queue: BinaryHeap<Reverse<Entry<E>>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at_us: u64,
    number: u64,
    event: E,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self { queue: BinaryHeap::new(), scheduled: 0 }
    }
}

impl<E> Schedule<E> {
    /// Has `event` happen at a time.
    pub fn push(&mut self, at_us: u64, event: E) {
        self.scheduled += 1;
        self.queue.push(Reverse(Entry { at_us, number: self.scheduled, event }));
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        self.queue.pop().map(|Reverse(entry)| (entry.at_us, entry.event))
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at_us(&self) -> Option<u64> {
        self.queue.peek().map(|Reverse(entry)| entry.at_us)
    }

    /// Events that have not happened yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing will happen any more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

impl<E> Entry<E> {
    const fn key(&self) -> (u64, u64) {
        (self.at_us, self.number)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_given() {
        let mut schedule = Schedule::default();
        for (at_us, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (1, 'b')] {
            schedule.push(at_us, event);
        }
        let events: String =
            std::iter::from_fn(|| schedule.pop()).map(|(_, event)| event).collect();
        assert_eq!(events, "abcd");
    }
}
