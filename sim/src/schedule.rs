//! What happens when: events in order of virtual time, and of the order in
//! which they were scheduled where times are equal.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// See the module head. Times are microseconds since the run began.
#[derive(Debug)]
pub struct Schedule<E> {
    /// Time, number in the order of scheduling, and place of each event: small,
    /// since a heap moves what it holds many times.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<E>>,
    /// Places without an event.
    free: Vec<usize>,
    scheduled: u64,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        let (queue, events, free) = (BinaryHeap::new(), Vec::new(), Vec::new());
        Self { queue, events, free, scheduled: 0 }
    }
}

impl<E> Schedule<E> {
    /// Has `event` happen at a time.
    pub fn push(&mut self, at_us: u64, event: E) {
        self.scheduled += 1;
        let place = self.free.pop().unwrap_or(self.events.len());
        match self.events.get_mut(place) {
            Some(free) => *free = Some(event),
            None => self.events.push(Some(event)),
        }
        self.queue.push(Reverse((at_us, self.scheduled, place)));
    }

    /// The next event and its time.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        let Reverse((at_us, _, place)) = self.queue.pop()?;
        self.free.push(place);
        Some((at_us, self.events.get_mut(place)?.take()?))
    }

    /// When the next event happens.
    #[must_use]
    pub fn next_at_us(&self) -> Option<u64> {
        self.queue.peek().map(|Reverse((at_us, _, _))| *at_us)
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
