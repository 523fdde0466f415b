//! The sending end of a channel: keep every message until it is acknowledged.
//!
//! An outbox does not bound itself: whoever sends asks [`Outbox::len`] first,
//! because what to do when it is full differs from message to message.

use std::collections::VecDeque;

use tributary_types::codec::{Decode, DecodeError, Encode, Reader};
use tributary_types::{ChainId, Hash};

use super::{DELIVERY_MESSAGES_MAX, HASH_BYTES, OUTBOX_MESSAGES_MAX};
use super::{extend_digest, message_bytes_hash};
use crate::message::Message;

/// Unacknowledged messages under their running digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    /// Number of the last message sent.
    sent_sequence: u64,
    /// Digest after it.
    sent_digest: Hash,
    /// Digest after the last message acknowledged.
    acknowledged_digest: Hash,
    /// Sent and not acknowledged, in order; the last has `sent_sequence`.
    pending: VecDeque<Pending>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pending {
    message: Message,
    /// Size of its encoding.
    bytes: usize,
    hash: Hash,
    /// The running digest after it.
    digest: Hash,
}

/// What one delivery carries of an outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portion {
    /// Number of the first message.
    pub first_sequence: u64,
    /// As many as fit, at least one if there is any.
    pub messages: Vec<Message>,
    /// Hashes of all the later ones; empty without messages.
    pub tail: Vec<Hash>,
}

impl Outbox {
    /// Appends a message to the channel from `source` to `destination`.
    pub fn send(&mut self, source: ChainId, destination: ChainId, message: Message) {
        let bytes = message.to_bytes();
        let hash = message_bytes_hash(&bytes);
        self.sent_sequence += 1;
        self.sent_digest =
            extend_digest(&self.sent_digest, source, destination, self.sent_sequence, &hash);
        let (bytes, digest) = (bytes.len(), self.sent_digest);
        self.pending.push_back(Pending { message, bytes, hash, digest });
    }

    /// Drops what the receiver has proved to have received. Returns whether
    /// anything was dropped. An acknowledgement beyond what was sent is ignored.
    pub fn acknowledge(&mut self, received_sequence: u64) -> bool {
        let Some(keep) = self.sent_sequence.checked_sub(received_sequence) else {
            return false;
        };
        let keep = usize::try_from(keep).unwrap_or(usize::MAX);
        let acknowledged = self.pending.len().saturating_sub(keep);
        if let Some(last) = self.pending.drain(..acknowledged).next_back() {
            self.acknowledged_digest = last.digest;
        }
        acknowledged > 0
    }

    /// Messages sent and not acknowledged.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether everything sent is acknowledged.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// Number of the last message sent.
    #[must_use]
    pub const fn sent_sequence(&self) -> u64 {
        self.sent_sequence
    }

    /// Digest after the last message sent.
    #[must_use]
    pub const fn sent_digest(&self) -> &Hash {
        &self.sent_digest
    }

    /// Number of the last message acknowledged.
    #[must_use]
    pub fn acknowledged_sequence(&self) -> u64 {
        self.sent_sequence - self.pending.len() as u64
    }

    /// Digest after the last message acknowledged.
    #[must_use]
    pub const fn acknowledged_digest(&self) -> &Hash {
        &self.acknowledged_digest
    }

    /// Unacknowledged messages after number `after`, oldest first; `None` if
    /// some of them are pruned already (the receiver has them).
    #[must_use]
    pub fn messages_after(&self, after: u64) -> Option<impl Iterator<Item = &Message>> {
        Some(self.pending.iter().skip(self.skip_to(after)?).map(|pending| &pending.message))
    }

    /// What a delivery of about `bytes_max` carries of the messages after
    /// number `after`; `None` if some of them are pruned already.
    #[must_use]
    pub fn portion(&self, after: u64, bytes_max: usize) -> Option<Portion> {
        let skip = self.skip_to(after)?;
        let mut rest = self.pending.iter().skip(skip).peekable();
        let mut bytes = rest.len() * HASH_BYTES;
        let mut messages = Vec::new();
        while let Some(next) = rest.peek() {
            bytes = bytes - HASH_BYTES + next.bytes;
            let full = messages.len() == DELIVERY_MESSAGES_MAX || bytes > bytes_max;
            if full && !messages.is_empty() {
                break;
            }
            messages.push(next.message.clone());
            rest.next();
        }
        let tail = rest.map(|pending| pending.hash).collect();
        Some(Portion { first_sequence: after.saturating_add(1), messages, tail })
    }

    /// All unacknowledged messages, oldest first.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Message> {
        self.pending.iter().map(|pending| &pending.message)
    }

    /// Whether the pending messages are those between the acknowledged and the
    /// sent digest. Decoding does not know the channel, so it cannot check this.
    #[must_use]
    pub fn is_consistent(&self, source: ChainId, destination: ChainId) -> bool {
        let mut sequence = self.acknowledged_sequence();
        let mut digest = self.acknowledged_digest;
        for pending in &self.pending {
            sequence += 1;
            digest = extend_digest(&digest, source, destination, sequence, &pending.hash);
            if digest != pending.digest {
                return false;
            }
        }
        digest == self.sent_digest
    }

    /// Index in `pending` of the message after number `after`.
    fn skip_to(&self, after: u64) -> Option<usize> {
        let skip = after.checked_sub(self.acknowledged_sequence())?;
        Some(usize::try_from(skip).unwrap_or(usize::MAX).min(self.pending.len()))
    }
}

impl Encode for Outbox {
    fn encode(&self, out: &mut Vec<u8>) {
        self.sent_sequence.encode(out);
        self.sent_digest.encode(out);
        self.acknowledged_digest.encode(out);
        let count = u32::try_from(self.pending.len()).expect("an outbox is bounded below 2^32");
        count.encode(out);
        for pending in &self.pending {
            pending.message.encode(out);
            pending.digest.encode(out);
        }
    }
}

impl Decode for Outbox {
    const BYTES_MIN: usize = 8 + 32 + 32 + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let sent_sequence = u64::decode(reader)?;
        let sent_digest = Hash::decode(reader)?;
        let acknowledged_digest = Hash::decode(reader)?;
        let count = reader.count("outbox", OUTBOX_MESSAGES_MAX, Message::BYTES_MIN + HASH_BYTES)?;
        if count as u64 > sent_sequence {
            return Err(DecodeError::Invalid { what: "outbox length", value: sent_sequence });
        }
        let mut pending = VecDeque::with_capacity(count);
        for _ in 0..count {
            let message = Message::decode(reader)?;
            let digest = Hash::decode(reader)?;
            let bytes = message.to_bytes();
            let hash = message_bytes_hash(&bytes);
            pending.push_back(Pending { message, bytes: bytes.len(), hash, digest });
        }
        Ok(Self { sent_sequence, sent_digest, acknowledged_digest, pending })
    }
}
