//! Channels: what a chain sent to another, and how far it received.

use std::collections::VecDeque;

use tributary_chain::channel::{channels_root, message_hash};
use tributary_chain::{Delivery, Message, ValidatorSet};
use tributary_types::Hash;

use super::chain::Chain;
use super::rules::{OUTBOX_MAX, UNANSWERED_MAX};

/// Both ends that one chain has of its channels with another.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Number of the last message sent.
    pub sent: u64,
    /// Those that are not acknowledged, up to the last one sent.
    pub kept: VecDeque<Message>,
    /// Number of the last message received.
    pub received: u64,
    pub(super) validators: ValidatorSet,
}

impl Channel {
    pub(super) const fn new(validators: ValidatorSet) -> Self {
        Self { sent: 0, kept: VecDeque::new(), received: 0, validators }
    }

    /// Number of the last message that is known to have arrived.
    #[must_use]
    pub fn acknowledged(&self) -> u64 {
        self.sent - self.kept.len() as u64
    }

    pub(super) fn send(&mut self, message: Message) {
        self.sent += 1;
        self.kept.push_back(message);
    }

    /// Whether a new exchange may begin; the rest is kept for answers.
    pub(super) fn may_begin(&self) -> bool {
        self.kept.len() < OUTBOX_MAX - UNANSWERED_MAX
    }

    pub(super) fn acknowledge(&mut self, received: u64) {
        while received <= self.sent && self.acknowledged() < received {
            self.kept.pop_front();
        }
    }

    fn message(&self, number: u64) -> Option<&Message> {
        let index = number.checked_sub(self.acknowledged() + 1)?;
        self.kept.get(usize::try_from(index).ok()?)
    }
}

impl Chain {
    /// The new messages of a delivery of `source`; `None` if it is refused. It
    /// is accepted if the source's registered validators certified it and it
    /// says exactly what the source sent, from behind the cursor on.
    pub(super) fn accepted(&self, source: &Self, delivery: &Delivery) -> Option<Vec<Message>> {
        let sent = source.channels.get(&self.id)?;
        let own = self.channels.get(&source.id)?;
        let leaf = &delivery.leaf;
        let (first, count) = (delivery.first_sequence, delivery.messages.len() as u64);
        let genuine = leaf.peer == self.id
            && is_certified(&self.rules.cluster, delivery, &own.validators)
            && channels_root(&delivery.channels) == delivery.header.channels_root
            && delivery.path.proves(&leaf.hash(), &delivery.channels);
        if !genuine {
            return None;
        }
        if count == 0 && delivery.tail.is_empty() {
            return Some(Vec::new());
        }
        let end = first.checked_add(count)?.checked_add(delivery.tail.len() as u64)?;
        let next = own.received + 1;
        if count == 0 || first == 0 || first > next || end != leaf.sent_sequence + 1 {
            return None;
        }
        let mut new = Vec::new();
        for number in next..end {
            let message = sent.message(number)?;
            let index = usize::try_from(number - first).ok()?;
            match delivery.messages.get(index) {
                Some(carried) if carried == message => new.push(message.clone()),
                Some(_) => return None,
                None if delivery.tail.get(index - delivery.messages.len())
                    == Some(&message_hash(message)) => {}
                None => return None,
            }
        }
        Some(new)
    }
}

/// Whether more than half of the registered validators signed the header.
fn is_certified(cluster: &Hash, delivery: &Delivery, registered: &ValidatorSet) -> bool {
    let votes = &delivery.certificate.votes;
    let header = delivery.header.hash(cluster);
    let ascending = votes.iter().zip(votes.iter().skip(1)).all(|(a, b)| a.validator < b.validator);
    let signed = votes.iter().all(|vote| {
        let key = registered.keys().get(usize::from(vote.validator));
        key.is_some_and(|key| key.verifies(&header, &vote.signature))
    });
    delivery.header.validator_set == registered.hash()
        && ascending
        && signed
        && 2 * votes.len() > registered.keys().len()
}
