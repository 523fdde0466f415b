//! The receiving end of a channel: a cursor that only moves forward.
//!
//! An inbox accepts nothing that its peer's registered validators did not
//! certify. When they certified what cannot be (two headers at one height, a
//! message that breaks a rule) the evidence is kept and the peer is frozen;
//! other peers are not touched.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{BlockHeight, ChainId, Hash, canonical, canonical_enum};

use super::{Delivery, SEEN_HEADERS_MAX, channels_root, extend_digest, message_hash};
use crate::certificate::{Certificate, CertificateError, ValidatorSet, ValidatorSetError};
use crate::header::Header;

/// What is kept of one peer.
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
    /// Set for ever once the peer's quorum lied; nothing of it is accepted
    /// from then on.
    evidence: Option<Evidence>,
}

/// Why a peer is frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// It certified two headers at one height.
    Equivocation(Equivocation),
    /// It certified a message that no execution of the rules can send.
    BrokenRule(BrokenRule),
}
canonical_enum!(Evidence, "evidence", { 1 => Equivocation(Equivocation), 2 => BrokenRule(BrokenRule) });

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

/// A certified message that breaks a rule. It was not applied; the block that
/// carries the delivery has it in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokenRule {
    /// Number of the message.
    pub sequence: u64,
    /// Its hash, as in the channel's digest.
    pub message: Hash,
    /// The header that commits to it.
    pub header: Header,
    /// The header's certificate.
    pub certificate: Certificate,
}
canonical!(BrokenRule { sequence: u64, message: Hash, header: Header, certificate: Certificate });

impl Evidence {
    /// The height of the peer's header that shows it.
    #[must_use]
    pub const fn height(&self) -> BlockHeight {
        match self {
            Self::Equivocation(evidence) => evidence.height,
            Self::BrokenRule(evidence) => evidence.header.height,
        }
    }
}

/// Why a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InboxError {
    /// No channel leads here from that chain.
    #[error("chain {0} is no peer of this chain")]
    UnknownSource(ChainId),
    /// The peer's quorum lied before.
    #[error("source is frozen: its quorum lied at height {0}")]
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
    #[error("delivery speaks of messages {first}..{end}, the certified last is {certified}")]
    Length {
        /// First number carried.
        first: u64,
        /// Number after the last one, carried or known by its hash.
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
    /// The source's quorum signed two headers at one height.
    #[error("source certified another header at height {0}")]
    Equivocation(BlockHeight),
    /// A certified message that no execution of the rules can send.
    #[error("message {sequence} breaks a rule: {rule}")]
    BrokenRule {
        /// Number of the message.
        sequence: u64,
        /// Which rule.
        rule: String,
    },
}

/// Why a validator set does not follow the registered one.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RotationError {
    /// Its version is not the next one.
    #[error("validator set version {found} does not follow version {current}")]
    Version {
        /// Of the registered set.
        current: u64,
        /// Of the announced one.
        found: u64,
    },
    /// A key of it cannot be registered.
    #[error(transparent)]
    Keys(#[from] ValidatorSetError),
}

/// What an examined delivery amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examined {
    /// How many leading messages were applied before; skip them.
    pub skip: usize,
    /// Digests after each message that is new, in order.
    digests: Vec<Hash>,
    /// Hash of the certified header.
    header_hash: Hash,
}

impl Inbox {
    /// The receiving end for a peer with these registered validators.
    #[must_use]
    pub const fn new(validators: ValidatorSet) -> Self {
        Self { validators, sequence: 0, digest: Hash::ZERO, seen: BTreeMap::new(), evidence: None }
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

    /// The evidence, if the peer's quorum lied.
    #[must_use]
    pub const fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// The evidence, if the peer contradicted itself.
    #[must_use]
    pub const fn equivocation(&self) -> Option<&Equivocation> {
        match &self.evidence {
            Some(Evidence::Equivocation(equivocation)) => Some(equivocation),
            _ => None,
        }
    }

    /// Whether a delivery carries no new message: all are applied. Needs no
    /// signature check; the first and cheapest test.
    #[must_use]
    pub fn is_known(&self, delivery: &Delivery) -> bool {
        delivery.messages.is_empty() || delivery.last_sequence() <= self.sequence
    }

    /// Whether this very header was examined before, with a valid certificate.
    #[must_use]
    pub fn has_seen(&self, height: BlockHeight, header_hash: &Hash) -> bool {
        self.seen.get(&height) == Some(header_hash)
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
        if let Some(evidence) = &self.evidence {
            return Err(InboxError::Frozen(evidence.height()));
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
        let digests = self.check_digest(own, delivery, skip)?;
        Ok(Examined { skip, digests, header_hash })
    }

    /// Moves the cursor behind an examined delivery whose messages have been
    /// applied, and remembers its header.
    pub fn advance(&mut self, delivery: &Delivery, examined: &Examined) {
        self.advance_by(examined.digests.len(), examined);
        self.seen.insert(delivery.header.height, examined.header_hash);
        while self.seen.len() > SEEN_HEADERS_MAX {
            self.seen.pop_first();
        }
    }

    /// Moves the cursor behind the first `applied` new messages of an examined
    /// delivery, keeps the next one as evidence, and accepts nothing more from
    /// this peer.
    pub fn condemn(&mut self, delivery: &Delivery, examined: &Examined, applied: usize) {
        self.advance_by(applied, examined);
        if let (None, Some(message)) =
            (&self.evidence, delivery.messages.get(examined.skip + applied))
        {
            self.evidence = Some(Evidence::BrokenRule(BrokenRule {
                sequence: self.sequence + 1,
                message: message_hash(message),
                header: delivery.header.clone(),
                certificate: delivery.certificate.clone(),
            }));
        }
    }

    /// Keeps a second certified header at a height as evidence and accepts
    /// nothing more from this peer.
    pub fn freeze(&mut self, delivery: &Delivery) {
        let height = delivery.header.height;
        if let (None, Some(first)) = (&self.evidence, self.seen.get(&height)) {
            self.evidence = Some(Evidence::Equivocation(Equivocation {
                height,
                first: *first,
                second: delivery.header.clone(),
                certificate: delivery.certificate.clone(),
            }));
        }
    }

    /// Registers the peer's next validators, as it announced in this channel.
    ///
    /// # Errors
    /// [`RotationError`] for a set that cannot follow the registered one; that
    /// stays in force.
    pub fn rotate(&mut self, validators: ValidatorSet) -> Result<(), RotationError> {
        let (current, found) = (self.validators.version(), validators.version());
        if current.checked_add(1) != Some(found) {
            return Err(RotationError::Version { current, found });
        }
        validators.check_keys()?;
        self.validators = validators;
        Ok(())
    }

    fn advance_by(&mut self, applied: usize, examined: &Examined) {
        if let Some(last) = examined.digests.iter().take(applied).next_back() {
            self.sequence += applied.min(examined.digests.len()) as u64;
            self.digest = *last;
        }
    }

    /// How many leading messages are known already.
    fn check_numbers(&self, delivery: &Delivery) -> Result<usize, InboxError> {
        let (first, count) = (delivery.first_sequence, delivery.messages.len() as u64);
        let certified = delivery.leaf.sent_sequence;
        let end = first.saturating_add(count).saturating_add(delivery.tail.len() as u64);
        if count == 0 && delivery.tail.is_empty() {
            return Ok(0);
        }
        if count == 0 || first == 0 || end.checked_sub(1) != Some(certified) {
            return Err(InboxError::Length { first, end, certified });
        }
        let expected = self.sequence + 1;
        if first > expected {
            return Err(InboxError::Gap { expected, found: first });
        }
        let known = (expected - first).min(count);
        Ok(usize::try_from(known).unwrap_or(delivery.messages.len()))
    }

    /// The digests after each new message, recomputed from the cursor; over the
    /// tail they must lead to the certified one.
    fn check_digest(
        &self,
        own: ChainId,
        delivery: &Delivery,
        skip: usize,
    ) -> Result<Vec<Hash>, InboxError> {
        let mut digest = self.digest;
        let mut sequence = self.sequence;
        let mut extend = |hash: &Hash| {
            sequence += 1;
            digest = extend_digest(&digest, delivery.source(), own, sequence, hash);
            digest
        };
        let new = &delivery.messages[skip..];
        let digests = new.iter().map(|message| extend(&message_hash(message))).collect();
        let carried_end = delivery.first_sequence.saturating_add(delivery.messages.len() as u64);
        let known_tail = (self.sequence + 1).saturating_sub(carried_end);
        let known_tail = usize::try_from(known_tail).unwrap_or(usize::MAX);
        for hash in delivery.tail.iter().skip(known_tail) {
            extend(hash);
        }
        if sequence == delivery.leaf.sent_sequence && digest != delivery.leaf.sent_digest {
            return Err(InboxError::WrongDigest);
        }
        Ok(digests)
    }
}

impl Encode for Inbox {
    fn encode(&self, out: &mut Vec<u8>) {
        self.validators.encode(out);
        self.sequence.encode(out);
        self.digest.encode(out);
        let seen: Vec<_> = self.seen.iter().map(|(height, hash)| (*height, *hash)).collect();
        encode_list(&seen, out);
        self.evidence.encode(out);
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
        let evidence = Option::<Evidence>::decode(reader)?;
        Ok(Self { validators, sequence, digest, seen: seen.into_iter().collect(), evidence })
    }
}
