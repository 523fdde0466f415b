//! A channel under arbitrary relays against its model: at every moment the
//! receiver has applied a prefix of what was sent, and an honest relay that
//! reads both cursors always brings the rest.

use proptest::prelude::*;
use proptest::sample::Index;
use tributary_chain::channel::message_hash;
use tributary_chain::{Delivery, InboxError, Message};

use crate::network::{DESTINATION, Receiver, SEEDS, SOURCE, Sealed, Sender, message};

#[derive(Debug, Clone)]
enum Step {
    /// The source sends this many messages and seals a block.
    Send(u8),
    /// A relay delivers from some block after some number, in some size.
    Deliver { block: Index, after: Index, bytes_max: usize, meddle: Option<Meddling> },
    /// The receiver's cursor is proved to the source, now or as it once was.
    Acknowledge(Index),
}

/// What a dishonest relay does to a delivery.
#[derive(Debug, Clone)]
enum Meddling {
    Omit(Index),
    Swap(Index, Index),
    Replace(Index),
    Truncate(Index),
    Renumber(u64),
    ForgetTail,
    ForgeTail(Index),
    OtherHeader(Index),
}

fn any_step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    let meddling = prop_oneof![
        index().prop_map(Meddling::Omit),
        (index(), index()).prop_map(|(one, other)| Meddling::Swap(one, other)),
        index().prop_map(Meddling::Replace),
        index().prop_map(Meddling::Truncate),
        (0..20_u64).prop_map(Meddling::Renumber),
        Just(Meddling::ForgetTail),
        index().prop_map(Meddling::ForgeTail),
        index().prop_map(Meddling::OtherHeader),
    ];
    let deliver = (index(), index(), 0..800_usize, prop::option::of(meddling));
    prop_oneof![
        2 => (0..5_u8).prop_map(Step::Send),
        5 => deliver.prop_map(|(block, after, bytes_max, meddle)| {
            Step::Deliver { block, after, bytes_max, meddle }
        }),
        1 => index().prop_map(Step::Acknowledge),
    ]
}

fn meddle_with(delivery: &mut Delivery, meddling: &Meddling, blocks: &[Sealed]) {
    let count = delivery.messages.len();
    let tail = delivery.tail.len();
    match meddling {
        Meddling::Omit(at) if count > 0 => drop(delivery.messages.remove(at.index(count))),
        Meddling::Swap(one, other) if count > 0 => {
            delivery.messages.swap(one.index(count), other.index(count));
        }
        Meddling::Replace(at) if count > 0 => delivery.messages[at.index(count)] = message(9_999),
        Meddling::Truncate(at) if count > 0 => delivery.messages.truncate(at.index(count)),
        Meddling::Renumber(first) => delivery.first_sequence = *first,
        Meddling::ForgetTail => delivery.tail.clear(),
        Meddling::ForgeTail(at) if tail > 0 => {
            delivery.tail[at.index(tail)] = message_hash(&message(9_999));
        }
        Meddling::OtherHeader(at) => {
            let other = &blocks[at.index(blocks.len())];
            delivery.header = other.header.clone();
            delivery.certificate = other.certificate.clone();
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_receiver_has_always_applied_a_prefix_of_what_was_sent(
        steps in prop::collection::vec(any_step(), 1..60)
    ) {
        let mut sender = Sender::new(SOURCE, &SEEDS);
        let mut receiver = Receiver::new();
        let mut sent: Vec<Message> = Vec::new();
        let mut cursors = vec![0];
        let mut blocks = vec![sender.seal()];
        for step in steps {
            match step {
                Step::Send(count) => {
                    for _ in 0..count {
                        let next = message(u32::try_from(sent.len()).unwrap());
                        sent.push(next.clone());
                        sender.send(DESTINATION, [next]);
                    }
                    blocks.push(sender.seal());
                }
                Step::Deliver { block, after, bytes_max, meddle } => {
                    let block = block.get(&blocks);
                    let (acknowledged, sent_sequence) = block.cursors(DESTINATION);
                    let choices = usize::try_from(sent_sequence - acknowledged + 1).unwrap();
                    let after = acknowledged + after.index(choices) as u64;
                    let mut delivery = block.delivery(DESTINATION, after, bytes_max);
                    if let Some(meddling) = &meddle {
                        meddle_with(&mut delivery, meddling, &blocks);
                    }
                    let before = receiver.clone();
                    let cursor = before.inbox.sequence();
                    match receiver.receive(&delivery) {
                        Ok(new) => prop_assert_eq!(receiver.inbox.sequence(), cursor + new as u64),
                        Err(error) => {
                            prop_assert_eq!(&receiver.inbox, &before.inbox);
                            let honest = meddle.is_none();
                            let is_gap = matches!(error, InboxError::Gap { expected, .. }
                                if expected == cursor + 1);
                            prop_assert!(!honest || (is_gap && after > cursor), "{}", error);
                        }
                    }
                    cursors.push(receiver.inbox.sequence());
                }
                Step::Acknowledge(at) => {
                    sender.acknowledge(DESTINATION, *at.get(&cursors));
                    prop_assert!(sender.outbox(DESTINATION).is_consistent(SOURCE, DESTINATION));
                }
            }
            prop_assert_eq!(&receiver.applied[..], &sent[..receiver.applied.len()]);
            prop_assert_eq!(receiver.inbox.sequence(), receiver.applied.len() as u64);
            prop_assert_eq!(receiver.inbox.evidence(), None);
        }
        while receiver.applied.len() < sent.len() {
            let after = receiver.inbox.sequence();
            let delivery = sender.seal().delivery(DESTINATION, after, 300);
            prop_assert!(receiver.receive(&delivery).is_ok_and(|new| new > 0));
        }
        prop_assert_eq!(receiver.applied, sent);
        prop_assert_eq!(receiver.inbox.digest(), sender.outbox(DESTINATION).sent_digest());
    }
}
