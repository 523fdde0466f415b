//! Channels as they should work: numbered, complete, in order, exactly once.

use proptest::prelude::*;
use tributary_chain::channel::{
    DELIVERY_BYTES_MAX, DELIVERY_MESSAGES_MAX, OUTBOX_MESSAGES_MAX, Portion, extend_digest,
    message_hash,
};
use tributary_chain::operation::{INSTITUTION_KEYS_MAX, InstitutionEntry, RegistryChange};
use tributary_chain::{Delivery, Inbox, Message, Outbox, Statement};
use tributary_types::codec::{DecodeError, Encode, decode_exact};
use tributary_types::{Hash, InstitutionId};

use crate::network::{BYSTANDER, DESTINATION, Receiver, SEEDS, SOURCE, Sender, message, messages};
use crate::{sample, signing_key, validator_set};

fn outbox(count: u32) -> Outbox {
    let mut outbox = Outbox::default();
    for message in messages(1..=count) {
        outbox.send(SOURCE, DESTINATION, message);
    }
    outbox
}

#[test]
fn messages_arrive_once_and_in_order() {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    let mut receiver = Receiver::new();
    sender.send(DESTINATION, messages(1..=3));
    assert_eq!(receiver.receive(&sender.deliver(0)), Ok(3));
    sender.send(DESTINATION, messages(4..=5));
    assert_eq!(receiver.receive(&sender.deliver(3)), Ok(2));
    assert_eq!(receiver.applied, messages(1..=5));
    assert_eq!(receiver.inbox.sequence(), 5);
    assert_eq!(receiver.inbox.digest(), sender.outbox(DESTINATION).sent_digest());
}

#[test]
fn a_long_outbox_arrives_in_portions_under_one_header() {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    let mut receiver = Receiver::new();
    sender.send(DESTINATION, messages(1..=10));
    let sealed = sender.seal();
    let hashes_and_three = 7 * 32 + 3 * message(1).to_bytes().len();
    let mut sizes = Vec::new();
    while receiver.inbox.sequence() < 10 {
        let after = receiver.inbox.sequence();
        let delivery = sealed.delivery(DESTINATION, after, hashes_and_three);
        sizes.push((delivery.messages.len(), delivery.tail.len()));
        assert_eq!(receiver.receive(&delivery), Ok(delivery.messages.len()));
    }
    assert_eq!(receiver.applied, messages(1..=10));
    assert_eq!(sizes.iter().map(|(carried, _)| carried).sum::<usize>(), 10);
    assert_eq!(sizes[0], (3, 7));
    assert_eq!(sizes.last().unwrap().1, 0);
}

#[test]
fn a_delivery_without_messages_acknowledges_only() {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    let mut receiver = Receiver::new();
    sender.send(DESTINATION, messages(1..=3));
    sender.set_received(DESTINATION, 8);
    let nothing = Portion { first_sequence: 1, messages: Vec::new(), tail: Vec::new() };
    let delivery = sender.seal().delivery_of(DESTINATION, nothing);
    assert!(receiver.inbox.is_known(&delivery));
    assert_eq!(receiver.receive(&delivery), Ok(0));
    assert_eq!(receiver.inbox.sequence(), 0);
    assert_eq!(delivery.leaf.received_sequence, 8);
}

#[test]
fn what_is_known_needs_no_signature_check() {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    let mut receiver = Receiver::new();
    sender.send(DESTINATION, messages(1..=3));
    let delivery = sender.deliver(0);
    assert!(!receiver.inbox.is_known(&delivery));
    receiver.receive(&delivery).unwrap();
    assert!(receiver.inbox.is_known(&delivery));
    let header_hash = delivery.header.hash(&crate::cluster());
    assert!(receiver.inbox.has_seen(delivery.header.height, &header_hash));
    assert!(!receiver.inbox.has_seen(delivery.header.height, &Hash::ZERO));
    sender.send(DESTINATION, messages(4..=4));
    assert!(!receiver.inbox.is_known(&sender.deliver(0)));
}

#[test]
fn channels_of_one_source_do_not_disturb_each_other() {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    sender.send(BYSTANDER, messages(50..=60));
    sender.send(DESTINATION, messages(1..=2));
    let mut receiver = Receiver::new();
    assert_eq!(receiver.receive(&sender.deliver(0)), Ok(2));
    sender.send(BYSTANDER, messages(61..=70));
    sender.send(DESTINATION, messages(3..=3));
    assert_eq!(receiver.receive(&sender.deliver(2)), Ok(1));
    assert_eq!(receiver.applied, messages(1..=3));
}

#[test]
fn an_outbox_keeps_what_is_not_acknowledged() {
    let mut outbox = outbox(5);
    assert!(outbox.acknowledge(2));
    assert_eq!((outbox.sent_sequence(), outbox.acknowledged_sequence()), (5, 2));
    assert_eq!(outbox.pending().cloned().collect::<Vec<_>>(), messages(3..=5));
    assert!(outbox.is_consistent(SOURCE, DESTINATION));
    let after = outbox.messages_after(3).unwrap().cloned().collect::<Vec<_>>();
    assert_eq!(after, messages(4..=5));
    assert!(outbox.messages_after(1).is_none());
    assert_eq!(outbox.portion(1, usize::MAX), None);
}

#[test]
fn an_acknowledgement_that_is_old_repeated_or_impossible_changes_nothing() {
    let mut outbox = outbox(5);
    assert!(outbox.acknowledge(3));
    let before = outbox.clone();
    for sequence in [0, 2, 3, 6, u64::MAX] {
        assert!(!outbox.acknowledge(sequence), "acknowledgement of {sequence}");
        assert_eq!(outbox, before);
    }
    assert!(outbox.acknowledge(5));
    assert!(outbox.is_empty());
    assert_eq!(outbox.acknowledged_digest(), outbox.sent_digest());
}

#[test]
fn what_was_never_sent_cannot_be_fetched() {
    let outbox = outbox(5);
    for after in [5, 6, u64::MAX] {
        let portion = outbox.portion(after, usize::MAX).unwrap();
        assert_eq!((portion.messages.len(), portion.tail.len()), (0, 0), "after {after}");
    }
}

#[test]
fn a_portion_carries_at_least_one_message_and_at_most_the_limit() {
    let count = u32::try_from(DELIVERY_MESSAGES_MAX + 10).unwrap();
    let outbox = outbox(count);
    let smallest = outbox.portion(0, 0).unwrap();
    assert_eq!((smallest.messages.len(), smallest.tail.len()), (1, DELIVERY_MESSAGES_MAX + 9));
    let largest = outbox.portion(0, usize::MAX).unwrap();
    assert_eq!((largest.messages.len(), largest.tail.len()), (DELIVERY_MESSAGES_MAX, 10));
}

#[test]
fn a_full_outbox_behind_the_largest_statement_fits_one_delivery() {
    let row = sample::statement().rows[0];
    let rows = vec![row; tributary_chain::message::STATEMENT_ROWS_MAX];
    let largest = Message::Statement(Statement { rows, ..sample::statement() });
    let mut sender = Sender::new(SOURCE, &SEEDS);
    sender.send(DESTINATION, [largest]);
    let rest = u32::try_from(OUTBOX_MESSAGES_MAX).unwrap();
    sender.send(DESTINATION, messages(2..=rest));
    let delivery = sender.seal().delivery(DESTINATION, 0, 0);
    assert_eq!(delivery.messages.len() + delivery.tail.len(), OUTBOX_MESSAGES_MAX);
    assert!(delivery.to_bytes().len() <= DELIVERY_BYTES_MAX);
}

#[test]
fn the_digest_covers_both_chains_the_number_and_what_came_before() {
    let (start, hash) = (Hash::ZERO, message_hash(&message(1)));
    let digests = [
        extend_digest(&start, SOURCE, DESTINATION, 1, &hash),
        extend_digest(&hash, SOURCE, DESTINATION, 1, &hash),
        extend_digest(&start, BYSTANDER, DESTINATION, 1, &hash),
        extend_digest(&start, SOURCE, BYSTANDER, 1, &hash),
        extend_digest(&start, DESTINATION, SOURCE, 1, &hash),
        extend_digest(&start, SOURCE, DESTINATION, 2, &hash),
        extend_digest(&start, SOURCE, DESTINATION, 1, &message_hash(&message(2))),
    ];
    let distinct: std::collections::BTreeSet<_> = digests.iter().collect();
    assert_eq!(distinct.len(), digests.len());
}

#[test]
fn an_outbox_read_from_disk_is_checked_against_its_digests() {
    let mut outbox = outbox(4);
    outbox.acknowledge(1);
    let restored: Outbox = decode_exact(&outbox.to_bytes()).unwrap();
    assert_eq!(restored, outbox);
    assert!(restored.is_consistent(SOURCE, DESTINATION));
    assert!(!restored.is_consistent(SOURCE, BYSTANDER));
    let pending_at = 8 + 32 + 32 + 4;
    let digest_at = pending_at + message(2).to_bytes().len();
    // Sent digest, acknowledged digest, first pending message, its digest.
    for changed_at in [8, 8 + 32, digest_at - 1, digest_at] {
        let mut bytes = outbox.to_bytes();
        bytes[changed_at] ^= 1;
        let changed: Outbox = decode_exact(&bytes).unwrap();
        assert!(!changed.is_consistent(SOURCE, DESTINATION), "byte {changed_at}");
    }
}

#[test]
fn an_outbox_that_holds_more_than_it_sent_is_refused() {
    let mut bytes = outbox(2).to_bytes();
    bytes[..8].copy_from_slice(&1_u64.to_le_bytes());
    let refused = DecodeError::Invalid { what: "outbox length", value: 1 };
    assert_eq!(decode_exact::<Outbox>(&bytes), Err(refused));
}

#[test]
fn a_delivery_with_more_messages_than_the_limit_is_refused_unread() {
    let mut bytes = 1_u64.to_bytes();
    u32::try_from(DELIVERY_MESSAGES_MAX + 1).unwrap().encode(&mut bytes);
    let (found, limit) = (DELIVERY_MESSAGES_MAX + 1, DELIVERY_MESSAGES_MAX);
    let refused = DecodeError::TooMany { what: "messages", found, limit };
    assert_eq!(decode_exact::<Delivery>(&bytes), Err(refused));
}

#[test]
fn an_institution_with_more_keys_than_fit_a_delivery_is_refused_unread() {
    let keys = vec![signing_key(1).public(); INSTITUTION_KEYS_MAX + 1];
    let name = "bank-seven".parse().unwrap();
    let entry = InstitutionEntry { id: InstitutionId::new(7), name, keys, operator: false };
    let bytes = Message::Registry(RegistryChange::Institution(entry)).to_bytes();
    let (found, limit) = (INSTITUTION_KEYS_MAX + 1, INSTITUTION_KEYS_MAX);
    let refused = DecodeError::TooMany { what: "institution keys", found, limit };
    assert_eq!(decode_exact::<Message>(&bytes), Err(refused));
}

#[test]
fn an_inbox_continues_where_it_was_saved() {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    let mut receiver = Receiver::new();
    sender.send(DESTINATION, messages(1..=3));
    receiver.receive(&sender.deliver(0)).unwrap();
    receiver.inbox = decode_exact::<Inbox>(&receiver.inbox.to_bytes()).unwrap();
    sender.send(DESTINATION, messages(4..=5));
    assert_eq!(receiver.receive(&sender.deliver(3)), Ok(2));
    assert_eq!(receiver.inbox.validators(), &validator_set(0, &SEEDS));
}

proptest! {
    #[test]
    fn portions_of_any_size_add_up_to_the_outbox(
        count in 1..40_u32,
        acknowledged in 0..40_u64,
        bytes_max in 0..3_000_usize,
    ) {
        let mut outbox = outbox(count);
        outbox.acknowledge(acknowledged.min(u64::from(count)));
        let mut after = outbox.acknowledged_sequence();
        let mut collected = Vec::new();
        while after < outbox.sent_sequence() {
            let portion = outbox.portion(after, bytes_max).unwrap();
            prop_assert_eq!(portion.first_sequence, after + 1);
            prop_assert!(!portion.messages.is_empty());
            let hashes: Vec<_> = outbox
                .messages_after(after + portion.messages.len() as u64)
                .unwrap()
                .map(message_hash)
                .collect();
            prop_assert_eq!(&portion.tail, &hashes);
            after += portion.messages.len() as u64;
            collected.extend(portion.messages);
        }
        prop_assert_eq!(collected, outbox.pending().cloned().collect::<Vec<_>>());
    }
}
