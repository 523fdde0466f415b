//! Following leaders: hints, silence, death, nobody.

use tributary_router::Limits;

use crate::node::Fault;
use crate::setup::{CHAIN, Cluster, HF_CHAIN, OTHER_CHAIN, eventually, payment};

#[tokio::test]
async fn the_router_is_ready_while_every_chain_has_a_leader() {
    let cluster = Cluster::start(Limits::default()).await;
    let missing = || cluster.router.handler().missing();
    cluster.world.with(OTHER_CHAIN, |chain| chain.leader = None);
    eventually(|| missing() == ["chain 2 has no known leader"]).await;
    cluster.world.with(OTHER_CHAIN, |chain| chain.leader = Some(1));
    eventually(|| missing().is_empty()).await;
}

#[tokio::test]
async fn a_payment_waits_for_a_leader() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.with(CHAIN, |chain| chain.leader = None);
    let asked = cluster.begin_payment(&cluster.front_end("a"), payment(1)).await;
    cluster.world.with(CHAIN, |chain| chain.leader = Some(1));
    assert!(asked.await.unwrap().is_ok());
}

#[tokio::test]
async fn a_replica_that_does_not_lead_any_more_points_to_the_one_that_does() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.with(CHAIN, |chain| chain.leader = Some(1));
    assert!(cluster.front_end("a").pay_one(payment(1)).await.is_ok());
    let last = cluster.world.with(CHAIN, |chain| chain.received.pop().unwrap());
    assert_eq!(last.validator, 1);
}

#[tokio::test]
async fn the_death_of_a_leaders_node_is_survived() {
    let mut cluster = Cluster::start(Limits::default()).await;
    cluster.world.plan(CHAIN, Fault::Hold);
    let asked = cluster.begin_payment(&cluster.front_end("a"), payment(1)).await;
    eventually(|| cluster.world.with(CHAIN, |chain| chain.received.len()) == 1).await;
    drop(cluster.nodes.remove(0));
    for chain in [CHAIN, OTHER_CHAIN, HF_CHAIN] {
        cluster.world.with(chain, |chain| chain.leader = Some(1));
    }
    assert!(asked.await.unwrap().is_ok());
    eventually(|| cluster.router.handler().missing().is_empty()).await;
    assert!(cluster.front_end("b").pay_one(payment(2)).await.is_ok());
}
