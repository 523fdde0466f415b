//! What a relay knows of one channel. Pure; lost with the process, and read
//! again from the receiving chain.

use tributary_chain::{Delivery, Message};
use tributary_types::TimeMs;

/// How far the receiving chain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// Last message of the source that it has.
    pub received: u64,
    /// Last of its own messages that it knows the source to have.
    pub acknowledged: u64,
}

impl Cursor {
    /// Whether a delivery tells the receiving chain anything new.
    #[must_use]
    pub const fn is_news(&self, delivery: &Delivery) -> bool {
        let brings = !delivery.messages.is_empty() && delivery.last_sequence() > self.received;
        brings || delivery.leaf.received_sequence > self.acknowledged
    }

    /// The receiving chain has taken a delivery and its cursor is `received`.
    #[must_use]
    pub fn after(self, delivery: &Delivery, received: u64) -> Self {
        Self {
            received: self.received.max(received),
            acknowledged: self.acknowledged.max(delivery.leaf.received_sequence),
        }
    }

    /// Whether the source says that the receiving chain has more than is known
    /// here. It may be so, or the source may lie to have messages left out: ask
    /// the receiving chain.
    #[must_use]
    pub const fn is_behind(&self, delivery: &Delivery) -> bool {
        delivery.first_sequence.saturating_sub(1) > self.received
    }
}

/// Since when the oldest message that is not delivered yet exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oldest {
    waiting: Option<(u64, TimeMs)>,
}

impl Oldest {
    /// A delivery was seen, which may have been seen before.
    pub fn seen(&mut self, delivery: &Delivery, cursor: Cursor) {
        self.delivered(cursor);
        if self.waiting.is_some() || delivery.leaf.sent_sequence <= cursor.received {
            return;
        }
        self.waiting = Some((cursor.received + 1, sent_at(delivery)));
    }

    /// The receiving chain is this far.
    pub fn delivered(&mut self, cursor: Cursor) {
        self.waiting = self.waiting.filter(|(sequence, _)| *sequence > cursor.received);
    }

    /// Milliseconds from the oldest waiting message to `now`, both by wall
    /// clocks: good for an alarm, for nothing else.
    #[must_use]
    pub fn age_ms(&self, now: TimeMs) -> u64 {
        self.waiting.map_or(0, |(_, since)| now.since_ms(since))
    }
}

/// When the first message of a delivery was sent, as far as it tells.
fn sent_at(delivery: &Delivery) -> TimeMs {
    match delivery.messages.first() {
        Some(Message::Statement(statement)) => statement.time,
        _ => delivery.header.time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::samples::{delivery, keys, message, outbox, set};

    /// Messages `after + 1..=sent`; acknowledges 4, certified at 5,000 ms.
    fn sample(after: u64, sent: u128) -> Delivery {
        let outbox = outbox((1..=sent).map(message));
        delivery(&outbox, after, usize::MAX, &set(0, &keys(1)), &keys(1))
    }

    #[test]
    fn news_are_messages_or_an_acknowledgement() {
        let cursor = |received, acknowledged| Cursor { received, acknowledged };
        assert!(cursor(2, 4).is_news(&sample(2, 3)));
        assert!(!cursor(3, 4).is_news(&sample(2, 3)));
        assert!(cursor(3, 3).is_news(&sample(3, 3)));
        assert!(!cursor(3, 4).is_news(&sample(3, 3)));
    }

    #[test]
    fn a_cursor_only_moves_forward() {
        let start = Cursor { received: 7, acknowledged: 9 };
        assert_eq!(start.after(&sample(2, 3), 3), start);
        let next = start.after(&sample(7, 9), 9);
        assert_eq!((next.received, next.acknowledged), (9, 9));
    }

    #[test]
    fn a_source_that_begins_later_raises_a_question_and_no_cursor() {
        let cursor = Cursor { received: 7, acknowledged: 4 };
        assert!(cursor.is_behind(&sample(8, 9)));
        assert!(cursor.is_behind(&sample(9, 9)));
        assert!(!cursor.is_behind(&sample(7, 9)));
        assert!(!cursor.is_behind(&sample(6, 9)));
    }

    #[test]
    fn the_oldest_message_gives_the_age_until_it_is_delivered() {
        let mut oldest = Oldest::default();
        let at = |received| Cursor { received, acknowledged: 4 };
        let now = TimeMs::new(8_000);
        oldest.seen(&sample(0, 2), at(0));
        assert_eq!(oldest.age_ms(now), 3_000);
        oldest.delivered(at(0));
        assert_eq!(oldest.age_ms(now), 3_000);
        oldest.delivered(at(1));
        assert_eq!(oldest.age_ms(now), 0);
        oldest.seen(&sample(1, 2), at(2));
        assert_eq!(oldest.age_ms(now), 0);
    }
}
