//! Who is let in, what is refused, and what is answered when it is too much.

use tributary_chain::Batch;
use tributary_router::Limits;
use tributary_transport::{RequestError, Role};
use tributary_types::codec::decode_exact;
use tributary_types::{Encode, InstitutionId, PaymentRecord, SigningKey};
use tributary_wire::node::NodeError;
use tributary_wire::router::{REQUEST_PAYMENTS_MAX, RouterError, RouterReply, RouterRequest};
use tributary_wire::{Canonical, encode};

use crate::node::Fault;
use crate::setup::{CHAIN, Cluster, INSTITUTION, eventually, pay_request, payment};

const FULL_REQUEST: u16 = 8_192;
const _: () = assert!(FULL_REQUEST as usize == REQUEST_PAYMENTS_MAX);

#[tokio::test]
async fn a_front_end_of_another_institution_is_told_why_it_is_refused() {
    let cluster = Cluster::start(Limits::default()).await;
    let stranger = cluster.peer(Role::Institution(InstitutionId::new(2)), "stranger");
    match stranger.ask(&RouterRequest::Hello).await {
        RouterReply::Error(RouterError::Refused(reason)) => {
            assert!(reason.contains("institution/2/stranger"), "{reason}");
            assert!(reason.contains("of institution 1,"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn whoever_is_no_front_end_is_not_let_in() {
    let cluster = Cluster::start(Limits::default()).await;
    for role in [Role::Relay, Role::Node, Role::Router(INSTITUTION)] {
        let answer = cluster.peer(role, "other").link.request(encode(&RouterRequest::Hello)).await;
        let refused = matches!(answer, Err(RequestError::NotConnected(_) | RequestError::Lost(_)));
        assert!(refused, "{role:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_malformed_payment_names_field_and_rule_and_the_others_execute() {
    let cluster = Cluster::start(Limits::default()).await;
    let mut bytes = payment(2).to_bytes();
    bytes[68] = 77;
    let unknown_kind: PaymentRecord = decode_exact(&bytes).unwrap();
    let outcomes = cluster.front_end("a").pay(&[payment(1), unknown_kind, payment(3)]).await;
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let (field, rule) = ("kind".to_owned(), "77 is not a payment kind".to_owned());
    assert_eq!(outcomes[1], Err(RouterError::Malformed { field, rule }));
}

#[tokio::test]
async fn random_bytes_are_refused_and_the_router_is_unharmed() {
    let cluster = Cluster::start(Limits::default()).await;
    let front_end = cluster.front_end("a");
    let answer = front_end.link.request(vec![0xff; 100]).await;
    assert!(matches!(answer, Err(RequestError::Refused(_))), "{answer:?}");
    assert!(front_end.pay_one(payment(1)).await.is_ok());
}

#[tokio::test]
async fn too_many_payments_in_one_request_are_refused_as_a_whole() {
    let cluster = Cluster::start(Limits::default()).await;
    let payments: Vec<_> = (0..=FULL_REQUEST).map(payment).collect();
    match cluster.front_end("a").ask(&pay_request(&payments)).await {
        RouterReply::Error(RouterError::Malformed { field, rule }) => {
            assert_eq!(field, "payments");
            assert_eq!(rule, "8193 in one request, at most 8192 are allowed");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_full_queue_answers_overloaded_at_once() {
    let limits = Limits { queue_payments_max: u32::from(FULL_REQUEST), ..Limits::default() };
    let cluster = Cluster::start(limits).await;
    cluster.world.plan(CHAIN, Fault::Hold);
    let front_end = cluster.front_end("a");
    let payments: Vec<_> = (0..FULL_REQUEST).map(payment).collect();
    let (first, asked) = (front_end.clone(), payments.clone());
    let first = tokio::spawn(async move { first.pay(&asked).await });
    eventually(|| cluster.items(CHAIN) == usize::from(FULL_REQUEST)).await;
    let refused = front_end.pay_one(payment(FULL_REQUEST)).await;
    assert!(matches!(refused, Err(RouterError::Overloaded { retry_after_ms: 1.. })));
    let whole = front_end.ask(&pay_request(&payments)).await;
    assert!(matches!(whole, RouterReply::Error(RouterError::Overloaded { retry_after_ms: 1.. })));
    cluster.world.release();
    assert!(first.await.unwrap().iter().all(Result::is_ok));
    assert!(front_end.pay_one(payment(FULL_REQUEST)).await.is_ok());
}

#[tokio::test]
async fn too_many_requests_at_once_are_answered_overloaded() {
    let cluster = Cluster::start(Limits { requests_in_flight_max: 1, ..Limits::default() }).await;
    cluster.world.plan(CHAIN, Fault::Hold);
    let front_end = cluster.front_end("a");
    let first = cluster.begin_payment(&front_end, payment(1)).await;
    let second = front_end.ask(&RouterRequest::Hello).await;
    assert!(matches!(second, RouterReply::Error(RouterError::Overloaded { .. })));
    cluster.world.release();
    assert!(first.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_front_end_over_its_quota_waits_and_others_do_not() {
    let limits = Limits { payments_per_second_max: Some(1), ..Limits::default() };
    let cluster = Cluster::start(limits).await;
    let (greedy, modest) = (cluster.front_end("greedy"), cluster.front_end("modest"));
    let payments: Vec<_> = (0..500).map(payment).collect();
    assert!(greedy.pay(&payments).await.iter().all(Result::is_ok));
    match greedy.ask(&pay_request(&[payment(500)])).await {
        RouterReply::Error(RouterError::Overloaded { retry_after_ms }) => {
            assert!((400_000..=500_000).contains(&retry_after_ms), "{retry_after_ms}");
        }
        other => panic!("{other:?}"),
    }
    assert!(modest.pay_one(payment(500)).await.is_ok());
}

#[tokio::test]
async fn a_batch_that_the_front_end_signed_is_passed_on_unchanged() {
    let cluster = Cluster::start(Limits::default()).await;
    let (key, payments) = (SigningKey::from_seed([9; 32]), vec![payment(1), payment(2)]);
    let hash = cluster.genesis.hash();
    let batch = Batch::sign(&hash, CHAIN, INSTITUTION, &key, Vec::new(), payments, Vec::new());
    let reply = cluster.front_end("a").ask(&RouterRequest::Forward(Canonical(batch.clone()))).await;
    assert!(matches!(reply, RouterReply::Outcomes(outcomes) if outcomes.len() == 2));
    assert_eq!(cluster.world.with(CHAIN, |chain| chain.received[0].batch.clone()), batch);
}

#[tokio::test]
async fn a_chains_refusal_reaches_the_front_end() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.plan(CHAIN, Fault::Error(NodeError::Refused("unknown key".to_owned())));
    let outcome = cluster.front_end("a").pay_one(payment(1)).await;
    assert_eq!(outcome, Err(RouterError::Refused("unknown key".to_owned())));
}

#[tokio::test]
async fn a_stop_lets_what_is_under_way_end_and_takes_nothing_more() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.plan(CHAIN, Fault::Hold);
    let front_end = cluster.front_end("a");
    let first = cluster.begin_payment(&front_end, payment(1)).await;
    let Cluster { world, router, nodes, .. } = cluster;
    let stop = tokio::spawn(router.stop());
    loop {
        match front_end.ask(&RouterRequest::Hello).await {
            RouterReply::Error(RouterError::Overloaded { .. }) => break,
            RouterReply::Hello { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(!stop.is_finished());
    world.release();
    assert!(first.await.unwrap().is_ok());
    stop.await.unwrap();
    drop(nodes);
}
