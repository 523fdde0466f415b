//! What a quorum of the source can try, and how its keys change hands: lies
//! freeze the source and leave evidence, other sources go on.

use tributary_chain::certificate::ValidatorSetError;
use tributary_chain::channel::{
    BrokenRule, Equivocation, Evidence, RotationError, SEEN_HEADERS_MAX, message_hash,
};
use tributary_chain::message::MerchantNotice;
use tributary_chain::operation::FloatPolicy;
use tributary_chain::{
    AccountStatus, CertificateError, Delivery, Inbox, InboxError, Message, ValidatorSet,
};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{AssetId, PublicKey};

use crate::network::{
    BYSTANDER, DESTINATION, Receiver, SEEDS, SOURCE, Sender, message, messages, sent,
};
use crate::{cluster, sample, validator_set};

/// Receives one header, then another one that the same quorum signed at the
/// same height. Returns both deliveries.
fn equivocate(receiver: &mut Receiver) -> (Delivery, Delivery) {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    let mut liar = sender.clone();
    sender.send(DESTINATION, messages(1..=1));
    liar.send(DESTINATION, messages(1..=2));
    let (first, second) = (sender.deliver(0), liar.deliver(0));
    assert_eq!(first.header.height, second.header.height);
    assert_eq!(receiver.receive(&first), Ok(1));
    let refused = receiver.receive(&second).unwrap_err();
    assert_eq!(refused, InboxError::Equivocation(first.header.height));
    (first, second)
}

#[test]
fn equivocation_freezes_the_source_and_keeps_the_evidence() {
    let mut receiver = Receiver::new();
    let (first, second) = equivocate(&mut receiver);
    let evidence = receiver.inbox.equivocation().unwrap();
    assert_eq!(
        evidence,
        &Equivocation {
            height: first.header.height,
            first: first.header.hash(&cluster()),
            second: second.header.clone(),
            certificate: second.certificate.clone(),
        }
    );
    let set = validator_set(0, &SEEDS);
    assert_eq!(evidence.certificate.verify(&cluster(), &evidence.second, &set), Ok(()));
    assert_eq!(receiver.applied, messages(1..=1), "the second header's message is not applied");
}

#[test]
fn a_frozen_source_stays_frozen_through_saving_and_whatever_comes() {
    let mut receiver = Receiver::new();
    let (first, second) = equivocate(&mut receiver);
    let frozen = receiver.inbox.clone();
    receiver.inbox = decode_exact::<Inbox>(&frozen.to_bytes()).unwrap();
    assert_eq!(receiver.inbox, frozen);
    let mut sender = Sender::new(SOURCE, &SEEDS);
    sender.height = 9;
    sender.send(DESTINATION, messages(1..=2));
    for delivery in [first, second.clone(), sender.deliver(0)] {
        let refused = receiver.refuses(&delivery);
        assert_eq!(refused, InboxError::Frozen(second.header.height));
    }
    let mut liar = Sender::new(SOURCE, &SEEDS);
    liar.send(DESTINATION, messages(7..=9));
    let third = liar.deliver(0);
    assert_eq!(third.header.height, second.header.height);
    receiver.inbox.freeze(&third);
    assert_eq!(receiver.inbox, frozen, "the first evidence is the one that counts");
}

#[test]
fn equivocation_of_one_source_does_not_stop_another() {
    let mut receiver = Receiver::new();
    equivocate(&mut receiver);
    let mut other = Sender::new(BYSTANDER, &[11, 12, 13]);
    other.send(DESTINATION, messages(1..=2));
    let inbox = Inbox::new(other.validators());
    let delivery = other.deliver(0);
    assert!(inbox.examine(&cluster(), DESTINATION, &delivery).is_ok());
}

#[test]
fn a_header_without_a_quorum_is_no_evidence() {
    let (mut sender, mut receiver) = sent(1);
    let mut stranger = sender.clone();
    receiver.receive(&sender.deliver(0)).unwrap();
    stranger.send(DESTINATION, messages(2..=2));
    let mut forged = stranger.deliver(0);
    forged.certificate.votes.truncate(1);
    assert!(matches!(receiver.refuses(&forged), InboxError::Certificate(_)));
    assert_eq!(receiver.inbox.evidence(), None);
}

#[test]
fn freezing_without_two_headers_does_nothing() {
    let (mut sender, mut receiver) = sent(1);
    let delivery = sender.deliver(0);
    receiver.inbox.freeze(&delivery);
    assert_eq!(receiver.inbox.evidence(), None);
    assert_eq!(receiver.receive(&delivery), Ok(1));
}

#[test]
fn the_memory_of_headers_is_bounded_and_keeps_the_newest() {
    let (mut sender, mut receiver) = sent(0);
    let mut headers = Vec::new();
    for number in 1..=u32::try_from(SEEN_HEADERS_MAX).unwrap() + 5 {
        sender.send(DESTINATION, [message(number)]);
        let delivery = sender.deliver(u64::from(number) - 1);
        headers.push((delivery.header.height, delivery.header.hash(&cluster())));
        assert_eq!(receiver.receive(&delivery), Ok(1));
    }
    let seen = headers.iter().filter(|(height, hash)| receiver.inbox.has_seen(*height, hash));
    assert_eq!(seen.collect::<Vec<_>>(), headers[5..].iter().collect::<Vec<_>>());
    let restored = decode_exact::<Inbox>(&receiver.inbox.to_bytes());
    assert_eq!(restored.as_ref(), Ok(&receiver.inbox));
}

#[test]
fn a_certified_message_that_breaks_a_rule_is_kept_as_evidence() {
    let (mut sender, mut receiver) = sent(2);
    let known = sender.clone().seal().delivery(DESTINATION, 0, 0);
    assert_eq!(receiver.receive(&known), Ok(1));
    sender.height += 1;
    let notice = Message::Merchant(MerchantNotice {
        account: sample::merchant(),
        asset: AssetId::new(1),
        status: AccountStatus::Open,
        float: FloatPolicy::default(),
    });
    sender.send(DESTINATION, [notice.clone(), message(4)]);
    let delivery = sender.deliver(0);
    let examined = receiver.inbox.examine(&cluster(), DESTINATION, &delivery).unwrap();
    receiver.inbox.condemn(&delivery, &examined, 1);
    let broken = BrokenRule {
        sequence: 3,
        message: message_hash(&notice),
        header: delivery.header.clone(),
        certificate: delivery.certificate.clone(),
    };
    assert_eq!(receiver.inbox.evidence(), Some(&Evidence::BrokenRule(broken)));
    assert_eq!(receiver.inbox.equivocation(), None);
    assert_eq!(receiver.inbox.sequence(), 2, "what came before the message is applied");
    let refused = receiver.refuses(&delivery);
    assert_eq!(refused, InboxError::Frozen(delivery.header.height));
    let restored = decode_exact::<Inbox>(&receiver.inbox.to_bytes());
    assert_eq!(restored, Ok(receiver.inbox));
}

/// A source that announces validators 4, 5 and 6 as message 2 of two.
fn rotating() -> (Sender, Receiver) {
    let (mut sender, receiver) = sent(1);
    sender.send(DESTINATION, [Message::ValidatorSet(validator_set(1, &[4, 5, 6]))]);
    (sender, receiver)
}

fn rotated(mut sender: Sender) -> Sender {
    sender.seeds = vec![4, 5, 6];
    sender.set_version = 1;
    sender
}

#[test]
fn the_old_validators_certify_the_new_ones() {
    let (mut sender, mut receiver) = rotating();
    assert_eq!(receiver.receive(&sender.deliver(0)), Ok(2));
    assert_eq!(receiver.inbox.validators(), &validator_set(1, &[4, 5, 6]));
    let mut sender = rotated(sender);
    sender.send(DESTINATION, messages(3..=4));
    assert_eq!(receiver.receive(&sender.deliver(2)), Ok(2));
}

#[test]
fn a_header_of_the_new_validators_waits_for_the_rotation() {
    let (mut sender, mut receiver) = rotating();
    let announcement = sender.deliver(0);
    let mut sender = rotated(sender);
    sender.send(DESTINATION, messages(3..=3));
    let later = sender.deliver(0);
    let (expected, found) = (validator_set(0, &SEEDS).hash(), sender.validators().hash());
    let wrong_set = InboxError::Certificate(CertificateError::WrongSet { expected, found });
    assert_eq!(receiver.refuses(&later), wrong_set);
    assert_eq!(receiver.receive(&announcement), Ok(2));
    assert_eq!(receiver.receive(&later), Ok(1));
    assert_eq!(receiver.applied.len(), 3);
}

#[test]
fn a_header_of_the_old_validators_counts_only_up_to_the_rotation() {
    let (mut sender, mut receiver) = rotating();
    receiver.receive(&sender.deliver(0)).unwrap();
    // The old keys leak after they have handed over.
    sender.send(DESTINATION, [message(1_000_000)]);
    let (expected, found) = (validator_set(1, &[4, 5, 6]).hash(), sender.validators().hash());
    let wrong_set = InboxError::Certificate(CertificateError::WrongSet { expected, found });
    assert_eq!(receiver.refuses(&sender.deliver(2)), wrong_set);
    assert_eq!(receiver.refuses(&sender.deliver(0)), wrong_set);
}

#[test]
fn only_the_next_validator_set_follows_and_only_with_keys_that_take_a_secret() {
    let (mut sender, mut receiver) = rotating();
    receiver.receive(&sender.deliver(0)).unwrap();
    let current = validator_set(1, &[4, 5, 6]);
    for found in [0, 1, 3, u64::MAX] {
        let refused = receiver.inbox.rotate(validator_set(found, &[7, 8, 9]));
        assert_eq!(refused, Err(RotationError::Version { current: 1, found }));
        assert_eq!(receiver.inbox.validators(), &current);
    }
    let weak = PublicKey::from_bytes([0; 32]);
    let keys = vec![current.keys()[0], weak];
    let refused = receiver.inbox.rotate(ValidatorSet::new(2, keys).unwrap());
    assert_eq!(refused, Err(ValidatorSetError::WeakKey(weak).into()));
    assert_eq!(receiver.inbox.validators(), &current);
    assert_eq!(receiver.inbox.rotate(validator_set(2, &[7, 8, 9])), Ok(()));
    assert_eq!(receiver.inbox.validators(), &validator_set(2, &[7, 8, 9]));
    // There is no next version after the last.
    let mut last = Inbox::new(validator_set(u64::MAX, &[1]));
    let (current, found) = (u64::MAX, 0);
    let refused = last.rotate(validator_set(0, &[2]));
    assert_eq!(refused, Err(RotationError::Version { current, found }));
    sender = rotated(sender);
    let (expected, found) = (validator_set(2, &[7, 8, 9]).hash(), sender.validators().hash());
    let wrong_set = InboxError::Certificate(CertificateError::WrongSet { expected, found });
    assert_eq!(receiver.refuses(&sender.deliver(0)), wrong_set);
}
