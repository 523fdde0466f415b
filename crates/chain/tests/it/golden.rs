//! Bytes that must never change: they are in logs, blocks and signatures.
//!
//! `golden.txt` holds a name and the bytes in hexadecimal for one value of
//! every kind. A failing test prints what the value encodes to now; that goes
//! into the file only together with a new [`Domain`] tag or a new format
//! version, because it ends the validity of everything stored and signed.

use std::collections::BTreeMap;

use tributary_chain::certificate::Vote;
use tributary_chain::channel::message_hash;
use tributary_chain::operation::RegistryChange;
use tributary_chain::{
    Action, Body, Certificate, ClockReport, Delivery, Header, Inbox, MerklePath, Message,
};
use tributary_types::codec::{Decode, Encode, decode_exact};
use tributary_types::{BlockHeight, ChainId, Domain, Hash, TimeMs};

use crate::network::{DESTINATION, Receiver, SEEDS, SOURCE, Sender, messages};
use crate::{cluster, sample, signing_key, validator_set};

const GOLDEN: &str = include_str!("golden.txt");
/// Hexadecimal digits on one line of the file.
const LINE_DIGITS: usize = 96;

fn header() -> Header {
    let root = |text: &str| Domain::State.hash(text.as_bytes());
    Header {
        chain: ChainId::new(1),
        height: BlockHeight::new(7),
        parent: root("parent"),
        time: TimeMs::new(1_700_000_000_000),
        validator_set: validator_set(0, &[1, 2, 3]).hash(),
        body_root: root("body"),
        receipts_root: root("receipts"),
        state_root: root("state"),
        channels_root: root("channels"),
    }
}

fn certificate() -> Certificate {
    let hash = header().hash(&cluster());
    let vote = |(number, seed)| Vote::sign(number, &signing_key(seed), &hash);
    Certificate { votes: [(0, 1), (2, 3)].map(vote).to_vec() }
}

fn body() -> Body {
    let report = |(validator, time)| ClockReport { validator, time: TimeMs::new(time) };
    Body {
        clocks: [(0, 1_000), (2, 1_003)].map(report).to_vec(),
        deliveries: vec![delivery()],
        batches: vec![sample::batch()],
    }
}

fn sender() -> Sender {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    sender.send(DESTINATION, messages(1..=3));
    sender.acknowledge(DESTINATION, 1);
    sender
}

/// Message 2 of three, and the hash of message 3.
fn delivery() -> Delivery {
    sender().seal().delivery(DESTINATION, 1, 0)
}

/// An inbox that has the first message and evidence of another kind each.
fn inboxes() -> [Inbox; 2] {
    let mut source = Sender::new(SOURCE, &SEEDS);
    let mut liar = source.clone();
    source.send(DESTINATION, messages(1..=1));
    liar.send(DESTINATION, messages(1..=2));
    let (first, second) = (source.deliver(0), liar.deliver(0));
    let mut contradicted = Receiver::new();
    contradicted.receive(&first).unwrap();
    contradicted.receive(&second).unwrap_err();
    let mut broken = Receiver::new();
    let examined = broken.inbox.examine(&cluster(), DESTINATION, &second).unwrap();
    broken.inbox.condemn(&second, &examined, 1);
    [contradicted.inbox, broken.inbox]
}

fn action_name(action: &Action) -> &'static str {
    match action {
        Action::OpenAccount(_) => "action open account",
        Action::SetAccountStatus(_) => "action set account status",
        Action::OpenMerchant(_) => "action open merchant",
        Action::SetMerchantStatus(_) => "action set merchant status",
        Action::SetFloat(_) => "action set float",
        Action::Register(_) => "action register",
    }
}

fn registry_name(change: &RegistryChange) -> &'static str {
    match change {
        RegistryChange::Asset(_) => "registry asset",
        RegistryChange::Institution(_) => "registry institution",
        RegistryChange::AddKey(_) => "registry add key",
        RegistryChange::RevokeKey(_) => "registry revoke key",
    }
}

fn message_name(message: &Message) -> &'static str {
    match message {
        Message::Statement(_) => "message statement",
        Message::FundRequest(_) => "message fund request",
        Message::Fund(_) => "message fund",
        Message::Transfer(_) => "message transfer",
        Message::TransferOutcome(_) => "message transfer outcome",
        Message::Merchant(_) => "message merchant",
        Message::Registry(_) => "message registry",
        Message::ValidatorSet(_) => "message validator set",
    }
}

fn values() -> BTreeMap<&'static str, Vec<u8>> {
    let path = MerklePath { index: 5, siblings: vec![Hash::ZERO, cluster()] };
    let mut values = BTreeMap::from([
        ("header", header().to_bytes()),
        ("header hash", header().hash(&cluster()).to_bytes()),
        ("certificate", certificate().to_bytes()),
        ("validator set", validator_set(0, &[1, 2, 3]).to_bytes()),
        ("validator set hash", validator_set(0, &[1, 2, 3]).hash().to_bytes()),
        ("merkle path", path.to_bytes()),
        ("operation", sample::operations()[0].to_bytes()),
        ("batch", sample::batch().to_bytes()),
        ("batch signing hash", sample::batch().signing_hash(&cluster()).to_bytes()),
        ("body", body().to_bytes()),
        ("body root", Body::root_of_bytes(&body().to_bytes()).to_bytes()),
        ("channel leaf", delivery().leaf.to_bytes()),
        ("delivery", delivery().to_bytes()),
        ("message hash", message_hash(&delivery().messages[0]).to_bytes()),
        ("outbox", sender().outbox(DESTINATION).to_bytes()),
        ("inbox with equivocation", inboxes()[0].to_bytes()),
        ("inbox with broken rule", inboxes()[1].to_bytes()),
        ("statement hash", sample::statement().hash().to_bytes()),
    ]);
    let actions = sample::actions();
    let changes = sample::registry_changes();
    let messages = sample::messages();
    values.extend(actions.iter().map(|action| (action_name(action), action.to_bytes())));
    values.extend(changes.iter().map(|change| (registry_name(change), change.to_bytes())));
    values.extend(messages.iter().map(|message| (message_name(message), message.to_bytes())));
    values
}

/// Names and digits of the file: a name at the margin, its digits indented.
fn golden() -> BTreeMap<&'static str, String> {
    let mut entries = BTreeMap::new();
    let mut name = "";
    for line in GOLDEN.lines() {
        match line.strip_prefix("    ") {
            Some(digits) => entries.entry(name).or_insert_with(String::new).push_str(digits),
            None => name = line,
        }
    }
    entries
}

#[test]
fn every_value_has_its_golden_bytes() {
    let (values, golden) = (values(), golden());
    let mut wrong = String::new();
    for (name, bytes) in &values {
        let digits = hex::encode(bytes);
        if golden.get(name) != Some(&digits) {
            wrong.push_str(name);
            for line in digits.as_bytes().chunks(LINE_DIGITS) {
                wrong.push_str("\n    ");
                wrong.push_str(std::str::from_utf8(line).unwrap());
            }
            wrong.push('\n');
        }
    }
    assert!(wrong.is_empty(), "these differ from golden.txt:\n{wrong}");
    let stale: Vec<_> = golden.keys().filter(|name| !values.contains_key(*name)).collect();
    assert!(stale.is_empty(), "golden.txt names what is not checked: {stale:?}");
}

#[test]
fn every_variant_has_golden_bytes() {
    fn check<T: Encode + Decode + std::fmt::Debug>(samples: &[T]) {
        let tags: Vec<u8> = samples.iter().map(|sample| sample.to_bytes()[0]).collect();
        let count = u8::try_from(samples.len()).unwrap();
        assert_eq!(tags, (1..=count).collect::<Vec<_>>());
        let error = decode_exact::<T>(&[count + 1]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} is not a valid", count + 1)), "{error}");
    }
    check(&sample::actions());
    check(&sample::registry_changes());
    check(&sample::messages());
}
