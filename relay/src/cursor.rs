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

    /// The source shows that the receiving chain has more than was known.
    #[must_use]
    pub fn raised_by(self, delivery: &Delivery) -> Self {
        let before_first = delivery.first_sequence.saturating_sub(1);
        Self { received: self.received.max(before_first), ..self }
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
