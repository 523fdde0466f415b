//! Wrong roles, bad bytes and too much of anything: refused, and no harm done.

use std::net::UdpSocket;

use bytes::Bytes;
use tributary_transport::Role;
use tributary_types::InstitutionId;
use tributary_wire::Canonical;
use tributary_wire::node::{NodeError, NodeReply, NodeRequest};
use tributary_wire::peer::PeerFrame;
use tributary_wire::query::Query;

use crate::cluster::{CHAIN, Cluster, HF_CHAIN};
use crate::payments::open_and_issue;

fn serves(cluster: &Cluster) -> bool {
    let next = open_and_issue(&cluster.genesis, 90..91);
    cluster.submit(&next).receipts.iter().all(|receipt| receipt.code.is_committed())
}

#[test]
fn a_role_does_only_what_it_may() {
    let cluster = Cluster::running(1);
    let batch = open_and_issue(&cluster.genesis, 0..1);
    let submit = NodeRequest::Submit(Canonical(batch));
    let deliver = NodeRequest::Deliver { chain: CHAIN, deliveries: vec![] };
    let stranger = Role::Router(InstitutionId::new(8));
    for (role, request, forbidden) in [
        (Role::Relay, &submit, true),
        (Role::Node, &submit, true),
        (stranger, &submit, false),
        (stranger, &deliver, true),
    ] {
        // A node is let in by the name that the topology has.
        let name_is_known = role != Role::Node;
        let reply = cluster.peer(role, 0).ask(request);
        match (name_is_known, reply) {
            (true, Ok(NodeReply::Error(NodeError::Forbidden(_)))) => assert!(forbidden),
            (true, Ok(NodeReply::Error(NodeError::Refused(_)))) => assert!(!forbidden),
            (false, Err(_)) => {}
            (_, other) => panic!("{role:?}: {other:?}"),
        }
    }
    assert!(serves(&cluster));
}

#[test]
fn a_front_end_may_not_connect_to_a_node() {
    let cluster = Cluster::running(1);
    let peer = cluster.peer(Role::Institution(crate::cluster::BANK), 0);
    let query = NodeRequest::Query { chain: CHAIN, query: Query::Books };
    assert!(peer.ask(&query).is_err());
}

#[test]
fn a_chain_that_is_not_here_is_named() {
    let cluster = Cluster::running(1);
    let query = NodeRequest::Query { chain: HF_CHAIN, query: Query::Books };
    let reply = cluster.router(0).ask(&query);
    assert!(matches!(reply, Ok(NodeReply::Error(NodeError::UnknownChain(HF_CHAIN)))));
}

#[test]
fn a_changed_batch_is_refused_by_its_signature() {
    let cluster = Cluster::running(1);
    assert!(serves(&cluster));
    let mut batch = open_and_issue(&cluster.genesis, 0..2);
    batch.operations.pop();
    let reply = cluster.router(0).ask(&NodeRequest::Submit(Canonical(batch)));
    let Ok(NodeReply::Error(NodeError::Refused(reason))) = reply else { panic!("{reply:?}") };
    assert!(reason.contains("signature"), "{reason}");
}

#[test]
fn a_frame_of_a_validator_that_the_sender_is_not_closes_its_connection() {
    let cluster = Cluster::running(3);
    let router = cluster.router(0);
    let query = NodeRequest::Query { chain: CHAIN, query: Query::Status };
    assert!(router.ask(&query).is_ok());
    router.link.send(PeerFrame::encode(CHAIN, 1, &[1_u8, 2, 3])).unwrap();
    assert!(serves(&cluster));
}

#[test]
fn random_bytes_do_no_harm() {
    let cluster = Cluster::running(1);
    let router = cluster.router(0);
    for length in [0, 1, 13, 1_000, 100_000] {
        let bytes: Vec<u8> = (0..length).map(|n: u32| (n * 31 % 251) as u8).collect();
        assert!(router.ask_bytes(bytes).is_err());
    }
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    for length in [0_usize, 1, 20, 1_200] {
        socket.send_to(&vec![0xff; length], cluster.topology.nodes[0].address).unwrap();
    }
    assert!(serves(&cluster));
}

#[test]
fn a_full_queue_is_told_at_once() {
    let mut cluster = Cluster::new(1);
    cluster.limits.waiters_max = 1;
    cluster.start(0);
    assert!(serves(&cluster));
    let relay = cluster.link(Role::Relay, 0);
    let wait = NodeRequest::Outgoing {
        chain: CHAIN,
        peer: HF_CHAIN,
        after: u64::MAX,
        acknowledged: u64::MAX,
        wait_ms: 500,
    };
    let (first, second) = cluster.runtime.block_on(async {
        let payload = tributary_wire::encode(&wait);
        let (one, two) = (relay.request(payload.clone()), relay.request(payload));
        tokio::pin!(one, two);
        // One of them waits, whichever came first; the other is answered.
        tokio::select! {
            answered = &mut one => (answered, two.await),
            answered = &mut two => (answered, one.await),
        }
    });
    let reply = |bytes: Bytes| tributary_wire::decode::<NodeReply>(&bytes).unwrap();
    let first = reply(first.unwrap());
    assert!(matches!(first, NodeReply::Error(NodeError::Overloaded { .. })), "{first:?}");
    assert_eq!(reply(second.unwrap()), NodeReply::Outgoing(None));
    assert!(serves(&cluster));
}
