//! Channels: the ordered, exactly-once message stream from one chain to another.
//!
//! The sender numbers messages 1, 2, 3… and keeps the running digest
//! `d(n) = H(d(n-1), source, destination, n, message(n))`, which its header
//! commits to. The receiver keeps a cursor `(n, d(n))`. A delivery is accepted
//! if its header is certified by the sender's *registered* validators and the
//! digest recomputed from the cursor equals the certified one: then these
//! messages exist, are all of them, and are in order. Nothing else that a relay
//! supplies is believed.
//!
//! ```text
//!  Outbox::send → pending ──delivery──▶ Inbox::examine → Inbox::advance
//!  Outbox::acknowledge ◀──the receiver's own certified leaf──┘
//! ```

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{BlockHeight, ChainId, Domain, Hash, canonical};

use crate::certificate::{Certificate, CertificateError, ValidatorSet};
use crate::header::Header;
use crate::merkle::{MerklePath, TreeCommitment};
use crate::message::Message;

/// Most messages of one delivery.
pub const DELIVERY_MESSAGES_MAX: usize = 1_024;
/// Most bytes of one delivery; the largest single message fits.
pub const DELIVERY_BYTES_MAX: usize = 768 << 10;
/// Certified headers of a peer whose hashes are kept to recognise equivocation.
pub const SEEN_HEADERS_MAX: usize = 64;

/// The digest after one more message.
#[must_use]
pub fn extend_digest(
    digest: &Hash,
    source: ChainId,
    destination: ChainId,
    sequence: u64,
    message: &Message,
) -> Hash {
    let mut bytes = digest.to_bytes();
    source.encode(&mut bytes);
    destination.encode(&mut bytes);
    sequence.encode(&mut bytes);
    message.encode(&mut bytes);
    Domain::Message.hash(&bytes)
}

/// What a chain's header commits to about one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLeaf {
    /// The other chain.
    pub peer: ChainId,
    /// Messages sent to it so far.
    pub sent_sequence: u64,
    /// Running digest over them.
    pub sent_digest: Hash,
    /// Messages received from it so far.
    pub received_sequence: u64,
}
canonical!(ChannelLeaf {
    peer: ChainId,
    sent_sequence: u64,
    sent_digest: Hash,
    received_sequence: u64
});

impl ChannelLeaf {
    /// The leaf of the channels tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Domain::Channel.hash_value(self)
    }
}

/// `channels_root` of a header: the channels tree with its count.
#[must_use]
pub fn channels_root(tree: &TreeCommitment) -> Hash {
    Domain::Channel.hash_value(tree)
}

/// Messages for one chain with everything that proves them. Also without
/// messages it proves how far the source has received: an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the first message carried.
    pub first_sequence: u64,
    /// Messages `first_sequence..=leaf.sent_sequence`; empty to acknowledge only.
    pub messages: Vec<Message>,
    /// The source's leaf about the receiving chain.
    pub leaf: ChannelLeaf,
    /// The leaf's place in the channels tree.
    pub path: MerklePath,
    /// Leaves in the source's channels tree.
    pub channels: TreeCommitment,
    /// The source's header that commits to the leaf.
    pub header: Header,
    /// The quorum's signatures over the header.
    pub certificate: Certificate,
}

impl Delivery {
    /// The chain that sent the messages.
    #[must_use]
    pub const fn source(&self) -> ChainId {
        self.header.chain
    }
}

impl Encode for Delivery {
    fn encode(&self, out: &mut Vec<u8>) {
        self.first_sequence.encode(out);
        encode_list(&self.messages, out);
        self.leaf.encode(out);
        self.path.encode(out);
        self.channels.encode(out);
        self.header.encode(out);
        self.certificate.encode(out);
    }
}

impl Decode for Delivery {
    const BYTES_MIN: usize = 8 + 4 + ChannelLeaf::BYTES_MIN + 12 + 40 + Header::BYTES_MIN + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            first_sequence: u64::decode(reader)?,
            messages: decode_list(reader, "messages", DELIVERY_MESSAGES_MAX)?,
            leaf: ChannelLeaf::decode(reader)?,
            path: MerklePath::decode(reader)?,
            channels: TreeCommitment::decode(reader)?,
            header: Header::decode(reader)?,
            certificate: Certificate::decode(reader)?,
        })
    }
}

/// The sending end of a channel: keep until acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outbox {
    /// Number of the last message sent.
    sent_sequence: u64,
    /// Digest after it.
    sent_digest: Hash,
    /// Sent and not acknowledged, in order; the last has `sent_sequence`.
    pending: VecDeque<Message>,
}

impl Outbox {
    /// Appends a message to the channel from `source` to `destination`.
    pub fn send(&mut self, source: ChainId, destination: ChainId, message: Message) {
        self.sent_sequence += 1;
        self.sent_digest =
            extend_digest(&self.sent_digest, source, destination, self.sent_sequence, &message);
        self.pending.push_back(message);
    }

    /// Drops what the receiver has proved to have received. Returns whether
    /// anything was dropped. An acknowledgement beyond what was sent is ignored.
    pub fn acknowledge(&mut self, received_sequence: u64) -> bool {
        if received_sequence > self.sent_sequence {
            return false;
        }
        let keep = usize::try_from(self.sent_sequence - received_sequence).unwrap_or(usize::MAX);
        let before = self.pending.len();
        while self.pending.len() > keep {
            self.pending.pop_front();
        }
        self.pending.len() < before
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

    /// Unacknowledged messages after number `after`, oldest first; `None` if
    /// some of them are pruned already (the receiver has them).
    #[must_use]
    pub fn messages_after(&self, after: u64) -> Option<impl Iterator<Item = &Message>> {
        let skip = after.checked_sub(self.acknowledged_sequence())?;
        Some(self.pending.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)))
    }

    /// All unacknowledged messages, oldest first.
    pub fn pending(&self) -> impl ExactSizeIterator<Item = &Message> {
        self.pending.iter()
    }
}

impl Encode for Outbox {
    fn encode(&self, out: &mut Vec<u8>) {
        self.sent_sequence.encode(out);
        self.sent_digest.encode(out);
        let pending: Vec<_> = self.pending.iter().cloned().collect();
        encode_list(&pending, out);
    }
}

impl Decode for Outbox {
    const BYTES_MIN: usize = 8 + 32 + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let sent_sequence = u64::decode(reader)?;
        let sent_digest = Hash::decode(reader)?;
        let pending: VecDeque<Message> = Vec::<Message>::decode(reader)?.into();
        if pending.len() as u64 > sent_sequence {
            return Err(DecodeError::Invalid { what: "outbox length", value: sent_sequence });
        }
        Ok(Self { sent_sequence, sent_digest, pending })
    }
}

/// Two different certified headers at one height: the peer's quorum lied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Equivocation {
    /// Where.
    pub height: BlockHeight,
    /// Hash of the header accepted first.
    pub first: Hash,
    /// The other header, in full.
    pub second: Header,
    /// Its certificate.
    pub certificate: Certificate,
}
canonical!(Equivocation {
    height: BlockHeight,
    first: Hash,
    second: Header,
    certificate: Certificate
});

/// The receiving end of a channel: a cursor that only moves forward.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inbox {
    /// The peer's registered validators. Rotates only by a message that the
    /// old set certified.
    validators: ValidatorSet,
    /// Number of the last message applied.
    sequence: u64,
    /// Digest after it.
    digest: Hash,
    /// Hashes of the last certified headers, by height.
    seen: BTreeMap<BlockHeight, Hash>,
    /// Set for ever once the peer contradicted itself; nothing of it is
    /// accepted from then on.
    equivocation: Option<Equivocation>,
}

/// Why a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InboxError {
    /// The peer's quorum signed two headers at one height.
    #[error("source is frozen: it certified two headers at height {0}")]
    Frozen(BlockHeight),
    /// The leaf is about another chain than the receiver.
    #[error("delivery is for chain {found}, this is chain {expected}")]
    WrongDestination {
        /// This chain.
        expected: ChainId,
        /// What the leaf names.
        found: ChainId,
    },
    /// Messages are missing between the cursor and the first one.
    #[error("gap: expected message {expected}, delivery begins at {found}")]
    Gap {
        /// The next number.
        expected: u64,
        /// The delivery's first.
        found: u64,
    },
    /// The number of messages does not fit the certified sequence.
    #[error("delivery carries messages {first}..{end}, the certified last is {certified}")]
    Length {
        /// First number carried.
        first: u64,
        /// Number after the last carried.
        end: u64,
        /// What the header commits to.
        certified: u64,
    },
    /// The certificate does not hold.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The leaf is not in the header's channels tree.
    #[error("the channel leaf is not in the certified channels tree")]
    WrongPath,
    /// The messages are not those that the header commits to.
    #[error("messages do not match the certified digest")]
    WrongDigest,
    /// The certified digest contradicts what was received before.
    #[error("source certified another header at height {0}")]
    Equivocation(BlockHeight),
}

/// What an examined delivery amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Examined {
    /// How many leading messages were applied before; skip them.
    pub skip: usize,
    /// Digest after the last message.
    digest: Hash,
    /// Hash of the certified header.
    header_hash: Hash,
}

impl Inbox {
    /// The receiving end for a peer with these registered validators.
    #[must_use]
    pub const fn new(validators: ValidatorSet) -> Self {
        Self {
            validators,
            sequence: 0,
            digest: Hash::ZERO,
            seen: BTreeMap::new(),
            equivocation: None,
        }
    }

    /// Number of the last message applied.
    #[must_use]
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Digest after the last message applied.
    #[must_use]
    pub const fn digest(&self) -> &Hash {
        &self.digest
    }

    /// The peer's registered validators.
    #[must_use]
    pub const fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// The evidence, if the peer contradicted itself.
    #[must_use]
    pub const fn equivocation(&self) -> Option<&Equivocation> {
        self.equivocation.as_ref()
    }

    /// Whether a delivery can bring nothing new: all its messages are applied.
    /// Needs no signature check; the first and cheapest test.
    #[must_use]
    pub fn is_known(&self, delivery: &Delivery) -> bool {
        delivery.leaf.sent_sequence <= self.sequence
    }

    /// Checks everything about a delivery to chain `own`, cheap checks first.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`InboxError`] names the rule that fails. On
    /// [`InboxError::Equivocation`] call [`Inbox::freeze`].
    pub fn examine(
        &self,
        cluster: &Hash,
        own: ChainId,
        delivery: &Delivery,
    ) -> Result<Examined, InboxError> {
        if let Some(evidence) = &self.equivocation {
            return Err(InboxError::Frozen(evidence.height));
        }
        if delivery.leaf.peer != own {
            return Err(InboxError::WrongDestination { expected: own, found: delivery.leaf.peer });
        }
        let skip = self.check_numbers(delivery)?;
        let leaf_hash = delivery.leaf.hash();
        if channels_root(&delivery.channels) != delivery.header.channels_root
            || !delivery.path.proves(&leaf_hash, &delivery.channels)
        {
            return Err(InboxError::WrongPath);
        }
        delivery.certificate.verify(cluster, &delivery.header, &self.validators)?;
        let header_hash = delivery.header.hash(cluster);
        let known = self.seen.get(&delivery.header.height);
        if known.is_some_and(|first| *first != header_hash) {
            return Err(InboxError::Equivocation(delivery.header.height));
        }
        let digest = self.check_digest(own, delivery, skip)?;
        Ok(Examined { skip, digest, header_hash })
    }

    /// Moves the cursor behind an examined delivery whose messages have been
    /// applied, and remembers its header.
    pub fn advance(&mut self, delivery: &Delivery, examined: &Examined) {
        if examined.skip < delivery.messages.len() {
            self.sequence = delivery.leaf.sent_sequence;
            self.digest = examined.digest;
        }
        self.seen.insert(delivery.header.height, examined.header_hash);
        while self.seen.len() > SEEN_HEADERS_MAX {
            self.seen.pop_first();
        }
    }

    /// Keeps the evidence and accepts nothing more from this peer.
    pub fn freeze(&mut self, delivery: &Delivery) {
        let height = delivery.header.height;
        if let (None, Some(first)) = (&self.equivocation, self.seen.get(&height)) {
            self.equivocation = Some(Equivocation {
                height,
                first: *first,
                second: delivery.header.clone(),
                certificate: delivery.certificate.clone(),
            });
        }
    }

    /// Registers the peer's next validators, as it announced in this channel.
    pub fn rotate(&mut self, validators: ValidatorSet) {
        self.validators = validators;
    }

    /// How many leading messages are known already.
    fn check_numbers(&self, delivery: &Delivery) -> Result<usize, InboxError> {
        let (first, count) = (delivery.first_sequence, delivery.messages.len() as u64);
        let certified = delivery.leaf.sent_sequence;
        if count == 0 {
            return Ok(0);
        }
        let end = first.saturating_add(count);
        if first == 0 || end.checked_sub(1) != Some(certified) {
            return Err(InboxError::Length { first, end, certified });
        }
        let expected = self.sequence + 1;
        if first > expected {
            return Err(InboxError::Gap { expected, found: first });
        }
        let known = (expected - first).min(count);
        Ok(usize::try_from(known).unwrap_or(delivery.messages.len()))
    }

    /// The digest after the delivery, recomputed from the cursor and compared
    /// with the certified one wherever both speak of the same message.
    fn check_digest(
        &self,
        own: ChainId,
        delivery: &Delivery,
        skip: usize,
    ) -> Result<Hash, InboxError> {
        let mut digest = self.digest;
        let mut sequence = self.sequence;
        for message in &delivery.messages[skip..] {
            sequence += 1;
            digest = extend_digest(&digest, delivery.source(), own, sequence, message);
        }
        if sequence == delivery.leaf.sent_sequence && digest != delivery.leaf.sent_digest {
            return Err(InboxError::WrongDigest);
        }
        Ok(digest)
    }
}

impl Encode for Inbox {
    fn encode(&self, out: &mut Vec<u8>) {
        self.validators.encode(out);
        self.sequence.encode(out);
        self.digest.encode(out);
        let seen: Vec<_> = self.seen.iter().map(|(height, hash)| (*height, *hash)).collect();
        encode_list(&seen, out);
        self.equivocation.encode(out);
    }
}

impl Decode for Inbox {
    const BYTES_MIN: usize = 12 + 8 + 32 + 4 + 1;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let validators = ValidatorSet::decode(reader)?;
        let sequence = u64::decode(reader)?;
        let digest = Hash::decode(reader)?;
        let seen: Vec<(BlockHeight, Hash)> = decode_list(reader, "headers", SEEN_HEADERS_MAX)?;
        if !seen.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            return Err(DecodeError::Invalid { what: "seen header order", value: sequence });
        }
        let equivocation = Option::<Equivocation>::decode(reader)?;
        Ok(Self { validators, sequence, digest, seen: seen.into_iter().collect(), equivocation })
    }
}
