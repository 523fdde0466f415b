//! What a relay or a stranger can try, each by its name. A refused delivery
//! moves nothing (`Receiver::refuses`).

use proptest::prelude::*;
use proptest::sample::Index;
use tributary_chain::channel::{Portion, channels_root, message_hash};
use tributary_chain::message::FundRequest;
use tributary_chain::{CertificateError, Delivery, InboxError, Message};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{Amount, AssetId, BlockHeight, Domain, Hash};

use crate::network::{
    BYSTANDER, DESTINATION, SEEDS, SOURCE, Sender, certify, message, messages, sent,
};
use crate::{sample, validator_set};

#[test]
fn a_replay_is_a_no_op() {
    let (mut sender, mut receiver) = sent(3);
    let first = sender.deliver(0);
    receiver.receive(&first).unwrap();
    sender.send(DESTINATION, messages(4..=4));
    receiver.receive(&sender.deliver(3)).unwrap();
    for _ in 0..3 {
        assert_eq!(receiver.receive(&first), Ok(0));
    }
    assert_eq!(receiver.applied, messages(1..=4));
    assert_eq!(receiver.inbox.digest(), sender.outbox(DESTINATION).sent_digest());
}

#[test]
fn a_gap_is_refused_with_the_expected_number() {
    let (mut sender, mut receiver) = sent(5);
    let sealed = sender.seal();
    let refused = receiver.refuses(&sealed.delivery(DESTINATION, 2, usize::MAX));
    assert_eq!(refused, InboxError::Gap { expected: 1, found: 3 });
    assert_eq!(refused.to_string(), "gap: expected message 1, delivery begins at 3");
    assert_eq!(receiver.receive(&sealed.delivery(DESTINATION, 0, usize::MAX)), Ok(5));
}

#[test]
fn deliveries_in_the_wrong_order_wait_for_the_missing_one() {
    let (mut sender, mut receiver) = sent(2);
    let early = sender.deliver(0);
    sender.send(DESTINATION, messages(3..=4));
    let late = sender.deliver(2);
    assert_eq!(receiver.refuses(&late), InboxError::Gap { expected: 1, found: 3 });
    assert_eq!(receiver.receive(&early), Ok(2));
    assert_eq!(receiver.receive(&late), Ok(2));
    assert_eq!(receiver.applied, messages(1..=4));
}

#[test]
fn an_overlap_applies_its_new_part_only() {
    let (mut sender, mut receiver) = sent(3);
    receiver.receive(&sender.deliver(0)).unwrap();
    sender.send(DESTINATION, messages(4..=5));
    assert_eq!(receiver.receive(&sender.deliver(1)), Ok(2));
    assert_eq!(receiver.applied, messages(1..=5));
}

#[test]
fn two_relays_at_once_do_no_harm() {
    let (mut sender, mut receiver) = sent(2);
    let of_one = sender.deliver(0);
    sender.send(DESTINATION, messages(3..=4));
    let of_other = sender.deliver(0);
    assert_eq!(receiver.receive(&of_other), Ok(4));
    assert_eq!(receiver.receive(&of_one), Ok(0));
    assert_eq!(receiver.receive(&of_other), Ok(0));
    assert_eq!(receiver.applied, messages(1..=4));
}

#[test]
fn an_omitted_message_is_noticed_wherever_it_stood() {
    for omitted in 0..5 {
        let (mut sender, mut receiver) = sent(5);
        let mut delivery = sender.deliver(0);
        delivery.messages.remove(omitted);
        let refused = receiver.refuses(&delivery);
        assert_eq!(refused, InboxError::Length { first: 1, end: 5, certified: 5 });
        delivery.messages.insert(omitted, message(99));
        assert_eq!(receiver.refuses(&delivery), InboxError::WrongDigest);
    }
}

#[test]
fn a_delivery_cut_short_is_refused() {
    let (mut sender, mut receiver) = sent(5);
    let mut delivery = sender.deliver(0);
    delivery.messages.truncate(3);
    let refused = receiver.refuses(&delivery);
    assert_eq!(refused, InboxError::Length { first: 1, end: 4, certified: 5 });
    delivery.tail = vec![message_hash(&message(4))];
    let refused = receiver.refuses(&delivery);
    assert_eq!(refused, InboxError::Length { first: 1, end: 5, certified: 5 });
    delivery.tail.push(message_hash(&message(5)));
    assert_eq!(receiver.receive(&delivery), Ok(3));
}

#[test]
fn hashes_without_messages_are_refused() {
    let (mut sender, mut receiver) = sent(3);
    let tail = messages(1..=3).iter().map(message_hash).collect();
    let portion = Portion { first_sequence: 1, messages: Vec::new(), tail };
    let delivery = sender.seal().delivery_of(DESTINATION, portion);
    let refused = receiver.refuses(&delivery);
    assert_eq!(refused, InboxError::Length { first: 1, end: 4, certified: 3 });
}

#[test]
fn a_numbering_that_cannot_be_is_refused() {
    let (mut sender, mut receiver) = sent(3);
    let honest = sender.deliver(0);
    for first in [0, 2, u64::MAX - 1, u64::MAX] {
        let shifted = Delivery { first_sequence: first, ..honest.clone() };
        assert!(matches!(receiver.refuses(&shifted), InboxError::Length { .. }), "{first}");
    }
}

#[test]
fn a_message_before_the_first_is_refused() {
    let (mut sender, mut receiver) = sent(3);
    let mut delivery = sender.deliver(0);
    delivery.first_sequence = 0;
    delivery.messages.insert(0, message(99));
    let refused = receiver.refuses(&delivery);
    assert_eq!(refused, InboxError::Length { first: 0, end: 4, certified: 3 });
}

#[test]
fn a_forged_tail_is_refused_even_behind_known_messages() {
    let (mut sender, mut receiver) = sent(5);
    let mut delivery = sender.deliver(0);
    delivery.tail = delivery.messages.split_off(1).iter().map(message_hash).collect();
    receiver.receive(&delivery).unwrap();
    receiver.receive(&sender.seal().delivery(DESTINATION, 1, 4 * 32)).unwrap();
    let known = receiver.inbox.sequence();
    assert!((2..5).contains(&known));
    assert_eq!(receiver.receive(&delivery), Ok(0));
    delivery.tail[3] = message_hash(&message(99));
    assert_eq!(receiver.refuses(&delivery), InboxError::WrongDigest);
}

#[test]
fn messages_in_another_order_are_refused() {
    let (mut sender, mut receiver) = sent(5);
    let mut delivery = sender.deliver(0);
    delivery.messages.swap(1, 2);
    assert_eq!(receiver.refuses(&delivery), InboxError::WrongDigest);
}

#[test]
fn a_message_from_another_amount_account_or_asset_is_refused() {
    let honest =
        FundRequest { account: sample::merchant(), asset: AssetId::new(1), amount: Amount::new(1) };
    let forgeries = [
        FundRequest { amount: Amount::new(1_000_000), ..honest },
        FundRequest { account: sample::user(), ..honest },
        FundRequest { asset: AssetId::new(2), ..honest },
    ];
    for forged in forgeries {
        let (mut sender, mut receiver) = sent(1);
        let mut delivery = sender.deliver(0);
        assert_eq!(delivery.messages, [Message::FundRequest(honest)]);
        delivery.messages = vec![Message::FundRequest(forged)];
        assert_eq!(receiver.refuses(&delivery), InboxError::WrongDigest);
    }
}

#[test]
fn a_message_that_was_never_sent_is_refused() {
    let (mut sender, mut receiver) = sent(1);
    let mut delivery = sender.deliver(0);
    delivery.messages.push(message(2));
    let refused = receiver.refuses(&delivery);
    assert_eq!(refused, InboxError::Length { first: 1, end: 3, certified: 1 });
    delivery.leaf.sent_sequence = 2;
    assert_eq!(receiver.refuses(&delivery), InboxError::WrongPath);
}

#[test]
fn a_forged_leaf_root_count_or_path_is_refused() {
    let check = |forge: fn(&mut Delivery)| {
        let (mut sender, mut receiver) = sent(2);
        let mut delivery = sender.deliver(0);
        forge(&mut delivery);
        assert_eq!(receiver.refuses(&delivery), InboxError::WrongPath);
    };
    check(|delivery| delivery.leaf.sent_digest = Hash::ZERO);
    check(|delivery| delivery.leaf.received_sequence = 1_000);
    check(|delivery| delivery.channels.root = delivery.leaf.hash());
    check(|delivery| delivery.channels.count += 1);
    check(|delivery| delivery.path.index ^= 1);
    check(|delivery| delivery.path.siblings.clear());
    check(|delivery| delivery.header.channels_root = Hash::ZERO);
}

#[test]
fn a_made_up_tree_under_an_honest_certificate_is_refused() {
    let (mut sender, mut receiver) = sent(1);
    let honest = sender.deliver(0);
    let mut forger = Sender::new(SOURCE, &SEEDS);
    forger.send(DESTINATION, [message(1_000_000)]);
    let forged = forger.deliver(0);
    let only_messages = Delivery { messages: forged.messages.clone(), ..honest.clone() };
    assert_eq!(receiver.refuses(&only_messages), InboxError::WrongDigest);
    let with_tree = Delivery { header: honest.header.clone(), ..forged.clone() };
    assert_eq!(receiver.refuses(&with_tree), InboxError::WrongPath);
    let mut with_root = forged;
    with_root.header = honest.header;
    with_root.header.channels_root = channels_root(&with_root.channels);
    with_root.certificate = honest.certificate;
    let wrong_signature = InboxError::Certificate(CertificateError::WrongSignature(0));
    assert_eq!(receiver.refuses(&with_root), wrong_signature);
}

#[test]
fn keys_made_up_by_the_prover_open_nothing() {
    let (_, mut receiver) = sent(0);
    let mut forger = Sender::new(SOURCE, &[91, 92, 93]);
    forger.send(DESTINATION, [message(1_000_000)]);
    let (expected, found) = (validator_set(0, &SEEDS).hash(), forger.validators().hash());
    let wrong_set = InboxError::Certificate(CertificateError::WrongSet { expected, found });
    let mut forged = forger.deliver(0);
    assert_eq!(receiver.refuses(&forged), wrong_set);
    forged.header.validator_set = expected;
    forged.certificate = certify(&forged.header, &[91, 92, 93]);
    let wrong_signature = InboxError::Certificate(CertificateError::WrongSignature(0));
    assert_eq!(receiver.refuses(&forged), wrong_signature);
}

#[test]
fn one_signature_counted_twice_or_too_few_open_nothing() {
    let (mut sender, mut receiver) = sent(1);
    let mut delivery = sender.deliver(0);
    let first = delivery.certificate.votes[0];
    delivery.certificate.votes = vec![first];
    let no_quorum = CertificateError::NoQuorum { found: 1, needed: 2 };
    assert_eq!(receiver.refuses(&delivery), InboxError::Certificate(no_quorum));
    delivery.certificate.votes = vec![first, first];
    let twice = CertificateError::NotAscending(0);
    assert_eq!(receiver.refuses(&delivery), InboxError::Certificate(twice));
}

#[test]
fn a_delivery_for_another_chain_is_refused() {
    let (mut sender, mut receiver) = sent(1);
    sender.send(BYSTANDER, messages(1..=1));
    let sealed = sender.seal();
    let for_bystander = sealed.delivery(BYSTANDER, 0, usize::MAX);
    let refused = receiver.refuses(&for_bystander);
    let expected = InboxError::WrongDestination { expected: DESTINATION, found: BYSTANDER };
    assert_eq!(refused, expected);
    let mut relabelled = for_bystander.clone();
    relabelled.leaf.peer = DESTINATION;
    assert_eq!(receiver.refuses(&relabelled), InboxError::WrongPath);
    // Messages of the one channel under the proof of the other.
    let mut spliced = sealed.delivery(DESTINATION, 0, usize::MAX);
    spliced.messages = vec![message(7)];
    assert_eq!(receiver.refuses(&spliced), InboxError::WrongDigest);
}

#[test]
fn chains_with_the_same_validators_cannot_be_mixed_up() {
    let mut twin = Sender::new(BYSTANDER, &SEEDS);
    twin.send(DESTINATION, messages(1..=2));
    let of_twin = twin.deliver(0);
    let (mut sender, mut receiver) = sent(2);
    let mut relabelled = of_twin.clone();
    relabelled.header.chain = SOURCE;
    let wrong_signature = InboxError::Certificate(CertificateError::WrongSignature(0));
    assert_eq!(receiver.refuses(&relabelled), wrong_signature);
    // The digest names its source: equal messages have another one.
    let honest = sender.deliver(0);
    assert_eq!(honest.messages, of_twin.messages);
    assert_ne!(honest.leaf.sent_digest, of_twin.leaf.sent_digest);
}

#[test]
fn a_header_of_another_cluster_is_refused() {
    let (mut sender, receiver) = sent(1);
    let delivery = sender.deliver(0);
    let other_cluster = Domain::Genesis.hash(b"another cluster");
    let refused = receiver.inbox.examine(&other_cluster, DESTINATION, &delivery).unwrap_err();
    assert_eq!(refused, InboxError::Certificate(CertificateError::WrongSignature(0)));
}

#[test]
fn a_header_at_another_height_or_time_is_another_header() {
    let check = |change: fn(&mut Delivery)| {
        let (mut sender, mut receiver) = sent(1);
        let mut delivery = sender.deliver(0);
        change(&mut delivery);
        let wrong_signature = CertificateError::WrongSignature(0);
        assert_eq!(receiver.refuses(&delivery), InboxError::Certificate(wrong_signature));
    };
    check(|delivery| delivery.header.height = BlockHeight::new(77));
    check(|delivery| delivery.header.time = delivery.header.time.plus_ms(1));
    check(|delivery| delivery.header.state_root = Hash::ZERO);
}

proptest! {
    #[test]
    fn any_changed_byte_of_a_delivery_changes_nothing_or_is_refused(
        at in any::<Index>(),
        flip in 1..=255_u8,
        known in 0..3_u64,
        bytes_max in 0..600_usize,
    ) {
        let (mut sender, mut receiver) = sent(2);
        if known > 0 {
            let earlier = sender.deliver(0);
            let mut part = earlier;
            let last = usize::try_from(known).unwrap();
            part.tail = part.messages.split_off(last).iter().map(message_hash).collect();
            prop_assert_eq!(receiver.receive(&part), Ok(last));
        }
        sender.send(DESTINATION, messages(3..=6));
        let honest = sender.seal().delivery(DESTINATION, 0, bytes_max);
        let mut bytes = honest.to_bytes();
        let index = at.index(bytes.len());
        bytes[index] ^= flip;
        let all = messages(1..=6);
        if let Ok(changed) = decode_exact::<Delivery>(&bytes)
            && receiver.receive(&changed).is_ok()
        {
            // Only what was known before may differ: it is skipped unread.
            prop_assert_eq!(&receiver.applied[..], &all[..receiver.applied.len()]);
        }
        prop_assert_eq!(receiver.inbox.evidence(), None);
        let after = receiver.inbox.sequence();
        let rest = sender.seal().delivery(DESTINATION, after, usize::MAX);
        prop_assert!(receiver.receive(&rest).is_ok());
        prop_assert_eq!(receiver.applied, all);
    }
}
