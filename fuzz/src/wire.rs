//! Control messages: postcard, whose integers have more than one encoding, so
//! the property is about values: what decodes encodes to something that decodes
//! to the same. What is hashed or signed travels inside as its canonical bytes,
//! and a value that does not must have some.

use std::fmt::Debug;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tributary_chain::merkle::MerklePath;
use tributary_chain::{Batch, Certificate, Header, Message, Operation};
use tributary_replica::PeerMessage;
use tributary_routing::RouteTable;
use tributary_types::codec::{Decode, decode_exact, decode_shared};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, AccountName, BlockHeight, Encode, PaymentRecord, Position, Receipt,
};
use tributary_wire::node::{NodeError, NodeReply, NodeRequest, Submitted};
use tributary_wire::peer::PeerFrame;
use tributary_wire::query::{
    Answer, AnswerValue, HistoryEntry, PaymentFound, Query, ReplicaStatus,
};
use tributary_wire::router::{Outcome, RouterError, RouterReply, RouterRequest};
use tributary_wire::{Canonical, decode, encode};

use crate::samples::{HF, ONE, TWO, WORLD, merchant, user};
use crate::{proofs, raft_messages};

/// What decodes is the value of what it encodes to, and that is always the same.
fn one_value<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let message: T = decode(bytes).ok()?;
    let again = encode(&message);
    let twin = decode::<T>(&again);
    assert_eq!(twin.as_ref(), Ok(&message));
    assert!(twin.is_ok_and(|twin| encode(&twin) == again), "two encodings of one value");
    Some(message)
}

/// A value that travels without its canonical bytes must have some.
fn has_canonical<T: Encode + Decode + PartialEq + Debug>(value: &T) {
    assert_eq!(decode_exact::<T>(&value.to_bytes()).as_ref(), Ok(value));
}

pub(crate) fn node_request(bytes: &[u8]) {
    one_value::<NodeRequest>(bytes);
}

pub(crate) fn node_requests() -> Vec<Vec<u8>> {
    let delivery = WORLD.delivery(ONE, HF);
    let deliveries = vec![Canonical(WORLD.delivery(TWO, HF)), Canonical(delivery)];
    let mut requests = vec![
        NodeRequest::Submit(Canonical(sample_batch())),
        NodeRequest::Deliver { chain: HF, deliveries },
        NodeRequest::Outgoing { chain: ONE, peer: HF, after: 1, acknowledged: 1, wait_ms: 300 },
    ];
    requests.extend(queries().into_iter().map(|query| NodeRequest::Query { chain: HF, query }));
    requests.iter().map(encode).collect()
}

pub(crate) fn node_reply(bytes: &[u8]) {
    if let Some(NodeReply::Submitted(submitted)) = one_value::<NodeReply>(bytes) {
        submitted.receipts.iter().for_each(has_canonical);
    }
}

pub(crate) fn node_replies() -> Vec<Vec<u8>> {
    let (_, _, executed) = &WORLD.blocks[WORLD.blocks.len() - 2];
    let receipts = executed.outcomes.receipts.clone();
    let submitted =
        Submitted { chain: ONE, height: executed.header.height, first_index: 0, receipts };
    let mut replies = vec![
        NodeReply::Submitted(submitted),
        NodeReply::Delivered(vec![Ok(3), Err("frozen".to_owned())]),
        NodeReply::Outgoing(Some(Box::new(Canonical(WORLD.delivery(ONE, HF))))),
        NodeReply::Error(NodeError::NotLeader { chain: ONE, leader: Some(2) }),
        NodeReply::Error(NodeError::Overloaded { retry_after_ms: 50 }),
    ];
    replies.extend(answers().into_iter().map(|answer| NodeReply::Answer(Box::new(answer))));
    replies.iter().map(encode).collect()
}

pub(crate) fn router_request(bytes: &[u8]) {
    one_value::<RouterRequest>(bytes);
}

pub(crate) fn router_requests() -> Vec<Vec<u8>> {
    let batch = sample_batch();
    let operations: Vec<Operation> = WORLD
        .blocks
        .iter()
        .flat_map(|(_, body, _)| &body.batches)
        .take(3)
        .cloned()
        .flat_map(|batch| batch.operations)
        .collect();
    let mut requests = vec![
        RouterRequest::Hello,
        RouterRequest::Pay {
            payments: Canonical(batch.payments.clone()),
            owner_signatures: Canonical(Vec::new()),
        },
        RouterRequest::Operate(Canonical(operations)),
        RouterRequest::Forward(Canonical(batch)),
        RouterRequest::Cluster,
    ];
    requests.extend(queries().into_iter().map(|query| RouterRequest::Query { chain: ONE, query }));
    requests.iter().map(encode).collect()
}

pub(crate) fn router_reply(bytes: &[u8]) {
    match one_value::<RouterReply>(bytes) {
        Some(RouterReply::Hello { routes: Some(proof), .. }) => {
            has_canonical(&proof.header);
            proofs::holds_only_if_sampled(proof.verify(&WORLD.genesis).is_ok(), &proof.header);
        }
        Some(RouterReply::Answer(answer)) => match answer.value {
            AnswerValue::StateProof(Some(proof)) => {
                proofs::holds_only_if_sampled(proof.verify(&WORLD.genesis).is_ok(), &proof.header);
            }
            AnswerValue::OutcomeProof(Some(proof)) => {
                proofs::holds_only_if_sampled(proof.verify(&WORLD.genesis).is_ok(), &proof.header);
            }
            _ => {}
        },
        _ => {}
    }
}

pub(crate) fn router_replies() -> Vec<Vec<u8>> {
    let cluster = WORLD.genesis.hash();
    let receipt = WORLD.blocks[2].2.outcomes.receipts.first().copied();
    let position = Position::new(BlockHeight::new(3), 1);
    let outcome =
        position.zip(receipt).map(|(position, receipt)| Outcome { chain: ONE, position, receipt });
    let mut outcomes: Vec<_> = outcome.into_iter().map(Ok).collect();
    outcomes.push(Err(RouterError::OutcomeUnknown("no answer".to_owned())));
    outcomes.push(Err(RouterError::Overloaded { retry_after_ms: 20 }));
    let mut replies = vec![
        RouterReply::Hello { cluster, routes: proofs::routes().map(Box::new) },
        RouterReply::Hello { cluster, routes: None },
        RouterReply::Outcomes(outcomes),
        RouterReply::Cluster(
            answers().into_iter().take(2).map(|one| (ONE, 1, Some(one))).collect(),
        ),
        RouterReply::Error(RouterError::Refused("no".to_owned())),
    ];
    replies.extend(answers().into_iter().map(|answer| RouterReply::Answer(Box::new(answer))));
    replies.iter().map(encode).collect()
}

/// A frame between replicas, and the message in it.
pub(crate) fn peer_frame(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    let Ok(PeerFrame { chain, from, message }) = PeerFrame::decode(&bytes) else { return };
    raft_messages::check(&message);
    let Ok(known) = decode_shared::<PeerMessage>(&message) else { return };
    assert_eq!(PeerFrame::encode(chain, from, &known), bytes, "one value, one encoding");
}

pub(crate) fn peer_frames() -> Vec<Vec<u8>> {
    let messages = raft_messages::samples().into_iter().take(6);
    let frame = |message: Vec<u8>| [&[1, 0, 1, 0], &message[..]].concat();
    messages.map(frame).collect()
}

/// Values that have both encodings. The first byte says which is meant.
pub(crate) fn values(bytes: &[u8]) {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind {
        0 => both::<Header>(bytes),
        1 => both::<Certificate>(bytes),
        2 => both::<Receipt>(bytes),
        3 => both::<Operation>(bytes),
        4 => both::<MerklePath>(bytes),
        5 => both::<RouteTable>(bytes),
        6 => both::<Message>(bytes),
        7 => both::<AccountId>(bytes),
        8 => both::<AccountName>(bytes),
        9 => {
            if let Some(payment) = one_value::<Payment>(bytes) {
                let record = PaymentRecord::from(&payment);
                assert_eq!(record.parse().ok(), Some(payment), "a payment without a record");
            }
        }
        _ => {}
    }
}

fn both<T>(bytes: &[u8])
where
    T: Serialize + DeserializeOwned + Encode + Decode + PartialEq + Debug,
{
    if let Some(value) = one_value::<T>(bytes) {
        has_canonical(&value);
    }
}

pub(crate) fn value_samples() -> Vec<Vec<u8>> {
    let header = WORLD.ledgers[&ONE].header();
    let delivery = WORLD.delivery(ONE, HF);
    let tagged = |kind: u8, bytes: Vec<u8>| [vec![kind], bytes].concat();
    let batch = sample_batch();
    let mut samples = vec![
        tagged(0, encode(header)),
        tagged(1, encode(&WORLD.certificate(header))),
        tagged(4, encode(&delivery.path)),
        tagged(5, encode(&WORLD.genesis.routes)),
        tagged(7, encode(&merchant("shop"))),
        tagged(8, encode(&WORLD.genesis.institutions[0].name)),
    ];
    for (_, body, executed) in &WORLD.blocks {
        samples.extend(executed.outcomes.receipts.first().map(|one| tagged(2, encode(one))));
        let operations = body.batches.iter().flat_map(|batch| &batch.operations);
        samples.extend(operations.map(|one| tagged(3, encode(one))));
        let messages = body.deliveries.iter().flat_map(|one| &one.messages);
        samples.extend(messages.map(|one| tagged(6, encode(one))));
    }
    let payments = batch.payments.iter().filter_map(|record| record.parse().ok());
    samples.extend(payments.map(|payment| tagged(9, encode(&payment))));
    samples
}

/// The last batch that has payments.
fn sample_batch() -> Batch {
    let mut batches = WORLD.blocks.iter().rev().flat_map(|(_, body, _)| &body.batches);
    batches.next().expect("the samples pay").clone()
}

fn queries() -> Vec<Query> {
    let account = user(&WORLD.genesis, "alice", ONE);
    let id = WORLD.blocks[0].1.batches[0].operations[0].id;
    vec![
        Query::Status,
        Query::Account(account),
        Query::Proxy(merchant("shop")),
        Query::Merchant(merchant("shop")),
        Query::Merchants { from: 0, limit: 10 },
        Query::Payment(id),
        Query::History { account, before: None, limit: 5 },
        Query::Books,
        Query::Channels,
        Query::Settlement,
        Query::ProveAccount(account),
        Query::ProvePayment(id),
        Query::ProveRoutes,
    ]
}

fn answers() -> Vec<Answer> {
    let (one, hf) = (&WORLD.ledgers[&ONE], &WORLD.ledgers[&HF]);
    let account = user(&WORLD.genesis, "alice", ONE);
    let header = one.header();
    let status = ReplicaStatus { validator: 1, leader: Some(0), term: 7, certified: header.height };
    let values = [
        AnswerValue::Status(status),
        AnswerValue::Account(one.account(&account)),
        AnswerValue::Proxy(one.proxy(&merchant("shop"))),
        AnswerValue::Merchant(hf.merchant(&merchant("shop"))),
        AnswerValue::Merchants(hf.merchants().collect()),
        AnswerValue::Payment(found()),
        AnswerValue::History(history()),
        AnswerValue::Books(Box::new(one.books())),
        AnswerValue::Channels(one.channel_status()),
        AnswerValue::Settlement(one.settlement_status()),
        AnswerValue::StateProof(proofs::states().pop().map(Box::new)),
        AnswerValue::OutcomeProof(proofs::outcomes().pop().map(Box::new)),
        AnswerValue::RoutesProof(proofs::routes().map(Box::new)),
    ];
    let answer = |value| Answer { chain: ONE, height: header.height, time: header.time, value };
    values.map(answer).into()
}

fn found() -> Option<PaymentFound> {
    let entry = history().pop()?;
    let HistoryEntry { position, time, payment, receipt } = entry;
    Some(PaymentFound { payment: Some(payment), receipt, position, time })
}

fn history() -> Vec<HistoryEntry> {
    let (_, body, executed) = WORLD
        .blocks
        .iter()
        .rfind(|(_, body, _)| body.batches.iter().any(|batch| !batch.payments.is_empty()))
        .expect("the samples pay");
    let record = &body.batches[0].payments[0];
    let position = Position::new(executed.header.height, 0);
    let entry = position.zip(record.parse().ok()).map(|(position, payment)| HistoryEntry {
        position,
        time: executed.header.time,
        payment,
        receipt: executed.outcomes.receipts[0],
    });
    entry.into_iter().collect()
}
