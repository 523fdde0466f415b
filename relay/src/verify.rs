//! What a relay checks before it submits a delivery. Pure.
//!
//! Nobody believes a relay, so this protects nobody: it keeps worthless
//! deliveries of a faulty replica away from the receiving chain, which checks
//! everything again in execution. Validator sets begin with the genesis and
//! follow the `ValidatorSet` messages that pass. A relay that starts after a
//! rotation does not know the set in force: then the receiver judges alone.

use thiserror::Error;
use tributary_chain::channel::{channels_root, extend_digest, message_hash};
use tributary_chain::{CertificateError, Delivery, Message, ValidatorSet};
use tributary_types::{ChainId, Hash};

/// The relay's end of one channel.
#[derive(Debug, Clone)]
pub struct Verifier {
    cluster: Hash,
    source: ChainId,
    destination: ChainId,
    /// The source's validators, as far as this relay knows.
    validators: ValidatorSet,
    /// Number and digest of a message that passed; the next ones are checked
    /// against it. `None` until the relay has seen the end of the channel.
    known: Option<(u64, Hash)>,
}

/// How sure the relay is of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Certified by the validators that the relay knows.
    Certified,
    /// Certified by a set that the relay does not know.
    OtherSet,
}

/// Why a delivery is not submitted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// It is of another channel.
    #[error(
        "delivery is of channel {found_source} to {found_destination}, asked was {source_chain} to {destination}"
    )]
    OtherChannel {
        /// Asked for.
        source_chain: ChainId,
        /// Asked for.
        destination: ChainId,
        /// In the header.
        found_source: ChainId,
        /// In the leaf.
        found_destination: ChainId,
    },
    /// The numbers do not lead to the certified last one.
    #[error("delivery speaks of {found} messages up to {end}, the certified last is {certified}")]
    Length {
        /// Messages and hashes.
        found: u64,
        /// Number of the last.
        end: u64,
        /// What the leaf says.
        certified: u64,
    },
    /// The leaf is not what the header commits to.
    #[error("the channel leaf is not in the certified channels tree")]
    WrongPath,
    /// The signatures do not hold.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The messages are not those that the header commits to.
    #[error("messages do not match the certified digest")]
    WrongDigest,
}

impl Verifier {
    /// The channel from `source`, whose first validators are `validators`, to
    /// `destination`.
    #[must_use]
    pub const fn new(
        cluster: Hash,
        source: ChainId,
        destination: ChainId,
        validators: ValidatorSet,
    ) -> Self {
        Self { cluster, source, destination, validators, known: None }
    }

    /// Checks a delivery.
    ///
    /// # Errors
    /// [`VerifyError`] names the rule that fails.
    pub fn verify(&self, delivery: &Delivery) -> Result<Verdict, VerifyError> {
        let (found_source, found_destination) = (delivery.source(), delivery.leaf.peer);
        if (found_source, found_destination) != (self.source, self.destination) {
            return Err(VerifyError::OtherChannel {
                source_chain: self.source,
                destination: self.destination,
                found_source,
                found_destination,
            });
        }
        check_length(delivery)?;
        let is_committed = channels_root(&delivery.channels) == delivery.header.channels_root
            && delivery.path.proves(&delivery.leaf.hash(), &delivery.channels);
        if !is_committed {
            return Err(VerifyError::WrongPath);
        }
        self.check_digest(delivery)?;
        let certified =
            delivery.certificate.verify(&self.cluster, &delivery.header, &self.validators);
        match certified {
            Ok(()) => Ok(Verdict::Certified),
            Err(CertificateError::WrongSet { .. }) => Ok(Verdict::OtherSet),
            Err(error) => Err(error.into()),
        }
    }

    /// The receiver has accepted a delivery: its digest and its validator sets
    /// are true.
    pub fn accepted(&mut self, delivery: &Delivery) {
        if delivery.tail.is_empty() {
            self.known = Some((delivery.leaf.sent_sequence, delivery.leaf.sent_digest));
        } else if let Some(digest) = self.digest_after(delivery) {
            self.known = Some((delivery.last_sequence(), digest));
        }
        for message in &delivery.messages {
            if let Message::ValidatorSet(next) = message
                && next.version() > self.validators.version()
            {
                self.validators = next.clone();
            }
        }
    }

    /// The digest after the messages carried, if it can be computed.
    fn digest_after(&self, delivery: &Delivery) -> Option<Hash> {
        let (sequence, digest) = self.known?;
        let skip = (sequence + 1).checked_sub(delivery.first_sequence)?;
        let skip = usize::try_from(skip).ok()?;
        let new = delivery.messages.get(skip..)?;
        Some(self.extend(sequence, digest, new.iter().map(message_hash)).1)
    }

    fn check_digest(&self, delivery: &Delivery) -> Result<(), VerifyError> {
        let Some((sequence, digest)) = self.known else { return Ok(()) };
        let Some(skip) = (sequence + 1).checked_sub(delivery.first_sequence) else {
            return Ok(());
        };
        let hashes = delivery.messages.iter().map(message_hash);
        let hashes = hashes.chain(delivery.tail.iter().copied());
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        let (end, digest) = self.extend(sequence, digest, hashes.skip(skip));
        if end == delivery.leaf.sent_sequence && digest != delivery.leaf.sent_digest {
            return Err(VerifyError::WrongDigest);
        }
        Ok(())
    }

    fn extend(
        &self,
        sequence: u64,
        digest: Hash,
        hashes: impl Iterator<Item = Hash>,
    ) -> (u64, Hash) {
        hashes.fold((sequence, digest), |(sequence, digest), hash| {
            let next = sequence + 1;
            (next, extend_digest(&digest, self.source, self.destination, next, &hash))
        })
    }
}

fn check_length(delivery: &Delivery) -> Result<(), VerifyError> {
    let found = delivery.messages.len() as u64 + delivery.tail.len() as u64;
    let end = delivery.first_sequence.saturating_add(found).saturating_sub(1);
    let certified = delivery.leaf.sent_sequence;
    if found == 0 || (delivery.first_sequence > 0 && end == certified) {
        Ok(())
    } else {
        Err(VerifyError::Length { found, end, certified })
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! Deliveries as a source would make them.

    use super::*;
    use tributary_chain::certificate::Vote;
    use tributary_chain::merkle::DenseTree;
    use tributary_chain::message::FundRequest;
    use tributary_chain::{Certificate, ChannelLeaf, Header, Outbox};
    use tributary_types::{
        AccountClass, AccountId, Amount, AssetId, BlockHeight, InstitutionId, SigningKey, Slot,
        TimeMs,
    };

    pub const SOURCE: ChainId = ChainId::new(1);
    pub const DESTINATION: ChainId = ChainId::new(9);
    pub const CLUSTER: Hash = Hash::ZERO;

    pub fn keys(first: u8) -> Vec<SigningKey> {
        (first..first + 3).map(|seed| SigningKey::from_seed([seed; 32])).collect()
    }

    pub fn set(version: u64, keys: &[SigningKey]) -> ValidatorSet {
        ValidatorSet::new(version, keys.iter().map(SigningKey::public).collect()).unwrap()
    }

    pub fn message(amount: u128) -> Message {
        let name = "shop".parse().unwrap();
        let slot = Slot::new(1).unwrap();
        let account = AccountId::named(AccountClass::Hf, InstitutionId::new(1), &name, slot);
        let (asset, amount) = (AssetId::new(1), Amount::new(amount));
        Message::FundRequest(FundRequest { account, asset, amount })
    }

    /// Sends messages and shows everything after `after`, in deliveries of
    /// which each carries at most `bytes_max`.
    pub fn delivery(
        outbox: &Outbox,
        after: u64,
        bytes_max: usize,
        validators: &ValidatorSet,
        signers: &[SigningKey],
    ) -> Delivery {
        let leaf = ChannelLeaf {
            peer: DESTINATION,
            sent_sequence: outbox.sent_sequence(),
            sent_digest: *outbox.sent_digest(),
            received_sequence: 4,
        };
        let mut tree = DenseTree::from_leaves(vec![leaf.hash()]);
        let channels = tree.commit();
        let header = Header {
            chain: SOURCE,
            height: BlockHeight::new(7),
            parent: Hash::ZERO,
            time: TimeMs::new(5_000),
            validator_set: validators.hash(),
            body_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            state_root: Hash::ZERO,
            channels_root: channels_root(&channels),
        };
        let hash = header.hash(&CLUSTER);
        let votes = (0..).zip(signers).map(|(index, key)| Vote::sign(index, key, &hash)).collect();
        let portion = outbox.portion(after, bytes_max).unwrap();
        Delivery {
            first_sequence: portion.first_sequence,
            messages: portion.messages,
            tail: portion.tail,
            leaf,
            path: tree.path(0).unwrap(),
            channels,
            header,
            certificate: Certificate { votes },
        }
    }

    pub fn outbox(messages: impl IntoIterator<Item = Message>) -> Outbox {
        let mut outbox = Outbox::default();
        for message in messages {
            outbox.send(SOURCE, DESTINATION, message);
        }
        outbox
    }
}

#[cfg(test)]
mod tests {
    use super::samples::*;
    use super::*;

    fn verifier() -> Verifier {
        Verifier::new(CLUSTER, SOURCE, DESTINATION, set(0, &keys(1)))
    }

    fn sample(after: u64, bytes_max: usize) -> Delivery {
        let outbox = outbox((1..=5).map(message));
        delivery(&outbox, after, bytes_max, &set(0, &keys(1)), &keys(1)[..2])
    }

    #[test]
    fn what_a_quorum_certified_passes_whole_or_in_parts() {
        let mut verifier = verifier();
        assert_eq!(verifier.verify(&sample(0, usize::MAX)), Ok(Verdict::Certified));
        for after in 0..5 {
            let part = sample(after, 1);
            assert_eq!((part.messages.len(), part.tail.len() as u64), (1, 4 - after));
            assert_eq!(verifier.verify(&part), Ok(Verdict::Certified));
            verifier.accepted(&part);
        }
        assert_eq!(verifier.known, Some((5, sample(0, 1).leaf.sent_digest)));
    }

    #[test]
    fn every_forgery_is_named() {
        let check = |forge: fn(&mut Delivery)| {
            let mut delivery = sample(2, usize::MAX);
            forge(&mut delivery);
            verifier().verify(&delivery).unwrap_err()
        };
        let error = check(|delivery| delivery.leaf.peer = ChainId::new(3));
        assert!(matches!(error, VerifyError::OtherChannel { .. }));
        let error = check(|delivery| delivery.messages.truncate(1));
        assert_eq!(error, VerifyError::Length { found: 1, end: 3, certified: 5 });
        assert_eq!(check(|d| d.leaf.received_sequence = 5), VerifyError::WrongPath);
        assert_eq!(check(|d| d.header.channels_root = Hash::ZERO), VerifyError::WrongPath);
        let error = check(|delivery| delivery.header.height = delivery.header.height.next());
        assert!(matches!(error, VerifyError::Certificate(_)));
        let error = check(|delivery| delivery.certificate.votes.truncate(1));
        assert!(matches!(error, VerifyError::Certificate(_)));
    }

    #[test]
    fn once_the_channel_is_known_its_messages_cannot_be_changed() {
        let mut verifier = verifier();
        let seen = outbox((1..=2).map(message));
        verifier.accepted(&delivery(&seen, 0, usize::MAX, &set(0, &keys(1)), &keys(1)));
        let mut next = sample(2, usize::MAX);
        assert_eq!(verifier.verify(&next), Ok(Verdict::Certified));
        next.messages[1] = message(99);
        assert_eq!(verifier.verify(&next), Err(VerifyError::WrongDigest));
    }

    #[test]
    fn validator_sets_rotate_with_the_messages_that_pass() {
        let next = set(1, &keys(10));
        let mut verifier = verifier();
        let announced = outbox([Message::ValidatorSet(next.clone())]);
        let old = delivery(&announced, 0, usize::MAX, &set(0, &keys(1)), &keys(1));
        let new = delivery(&announced, 0, usize::MAX, &next, &keys(10));
        assert_eq!(verifier.verify(&new), Ok(Verdict::OtherSet));
        assert_eq!(verifier.verify(&old), Ok(Verdict::Certified));
        verifier.accepted(&old);
        assert_eq!(verifier.verify(&new), Ok(Verdict::Certified));
    }
}
