//! Joining, order, and repeating under the same ids.

use std::collections::VecDeque;

use tributary_chain::batch::OwnerSignature;
use tributary_router::Limits;
use tributary_types::Signature;
use tributary_wire::Canonical;
use tributary_wire::node::NodeError;
use tributary_wire::router::{RouterReply, RouterRequest};

use crate::node::{FIRST_INDEX, Fault};
use crate::setup::{CHAIN, Cluster, eventually, id, payment};

#[tokio::test]
async fn what_front_ends_ask_while_a_batch_is_under_way_becomes_one_batch() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.plan(CHAIN, Fault::Hold);
    let front_ends = [cluster.front_end("a"), cluster.front_end("b")];
    let mut asked = Vec::new();
    for number in 0..40 {
        let front_end = &front_ends[usize::from(number) % 2];
        asked.push(cluster.begin_payment(front_end, payment(number)).await);
    }
    cluster.world.release();
    let mut positions = Vec::new();
    for asked in asked {
        let position = asked.await.unwrap().unwrap().position;
        positions.push((position.height().get(), position.index()));
    }
    let alone = (1, FIRST_INDEX);
    let together = (0..39).map(|index| (2, FIRST_INDEX + index));
    assert_eq!(positions, [alone].into_iter().chain(together).collect::<Vec<_>>());
    let cluster_hash = cluster.genesis.hash();
    for received in cluster.world.with(CHAIN, |chain| chain.received.clone()) {
        assert!(received.batch.is_signed(&cluster_hash));
        assert_eq!(received.batch.key, cluster.key.public());
    }
}

#[tokio::test]
async fn owner_signatures_stay_with_their_payments_when_requests_are_joined() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.plan(CHAIN, Fault::Hold);
    let first = cluster.begin_payment(&cluster.front_end("a"), payment(0)).await;
    let front_end = cluster.front_end("a");
    let mut asked = Vec::new();
    for number in 1..=2_u8 {
        let second = 2 * u16::from(number);
        let signature = Signature::from_bytes([number; 64]);
        let request = RouterRequest::Pay {
            payments: Canonical(vec![payment(second - 1), payment(second)]),
            owner_signatures: Canonical(vec![OwnerSignature { payment: 1, signature }]),
        };
        let front_end = front_end.clone();
        asked.push(tokio::spawn(async move { front_end.ask(&request).await }));
        eventually(|| cluster.items(CHAIN) == 1 + usize::from(second)).await;
    }
    cluster.world.release();
    assert!(first.await.unwrap().is_ok());
    for asked in asked {
        let reply = asked.await.unwrap();
        assert!(matches!(reply, RouterReply::Outcomes(outcomes) if outcomes.len() == 2));
    }
    let joined = cluster.world.with(CHAIN, |chain| chain.received[1].batch.clone());
    let signed: Vec<_> = joined.owner_signatures.iter().map(|own| own.payment).collect();
    assert_eq!(signed, [1, 3]);
    assert_eq!(joined.owner_signature(3).unwrap().as_bytes(), &[2; 64]);
}

#[tokio::test]
async fn one_payers_order_survives_every_fault_and_no_id_executes_twice() {
    let cluster = Cluster::start(Limits::default()).await;
    let faults = [
        Fault::Hold,
        Fault::Error(NodeError::Overloaded { retry_after_ms: 1 }),
        Fault::ExecuteAndForget,
        Fault::Error(NodeError::NotLeader { chain: CHAIN, leader: None }),
        Fault::ExecuteAndFallSilent { next_leader: 1 },
        Fault::Error(NodeError::OutcomeUnknown),
        Fault::ExecuteAndFallSilent { next_leader: 0 },
        Fault::Error(NodeError::Unavailable("starting".to_owned())),
    ];
    cluster.world.with(CHAIN, |chain| chain.faults = VecDeque::from(faults));
    let front_end = cluster.front_end("a");
    let mut asked = Vec::new();
    for number in 0..30 {
        asked.push(cluster.begin_payment(&front_end, payment(number)).await);
    }
    cluster.world.release();
    for asked in asked {
        assert!(asked.await.unwrap().unwrap().receipt.code.is_committed());
    }
    cluster.world.with(CHAIN, |chain| {
        assert_eq!(chain.executed, (0..30).map(id).collect::<Vec<_>>());
        assert!(chain.faults.is_empty());
    });
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_under_the_same_ids() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.plan(CHAIN, Fault::ExecuteAndFallSilent { next_leader: 1 });
    let outcome = cluster.front_end("a").pay_one(payment(1)).await.unwrap();
    assert!(outcome.receipt.replay);
    let received = cluster.world.with(CHAIN, |chain| chain.received.clone());
    let validators: Vec<_> = received.iter().map(|received| received.validator).collect();
    assert_eq!(validators, [0, 1]);
    assert_eq!(received[0].ids(), [id(1)]);
    assert_eq!(received[0].batch, received[1].batch);
}
