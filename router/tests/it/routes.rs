//! Following the route table: proved by the HF chain, never backwards, and what
//! becomes of items that a chain refuses as `moved`.

use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, Header};
use tributary_ledger::RoutesProof;
use tributary_ledger::roots::StateParts;
use tributary_router::Limits;
use tributary_router::frontend::MOVES_FOLLOWED_MAX;
use tributary_routing::RouteTable;
use tributary_types::{BlockHeight, ChainId, Hash, OutcomeCode, TimeMs};
use tributary_wire::router::Outcome;

use crate::node::Fault;
use crate::setup::{
    CHAIN, Cluster, HF_CHAIN, OTHER_CHAIN, VALIDATORS, eventually, id, payment, validator_key,
};

/// A table that the validators of `signer` certify as the HF chain's.
fn prove(cluster: &Cluster, version: u64, user: [ChainId; 2], signer: ChainId) -> RoutesProof {
    let routes = RouteTable::even(version, &user, HF_CHAIN).unwrap();
    let parts = StateParts { routes: routes.hash(), ..StateParts::default() };
    let header = Header {
        chain: HF_CHAIN,
        height: BlockHeight::new(version),
        parent: Hash::ZERO,
        time: TimeMs::new(2),
        validator_set: cluster.genesis.validator_set(HF_CHAIN).unwrap().hash(),
        body_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        state_root: parts.root(),
        channels_root: Hash::ZERO,
    };
    let hash = header.hash(&cluster.genesis.hash());
    let vote = |index| Vote::sign(u16::from(index), &validator_key(signer, index), &hash);
    let certificate = Certificate { votes: (0..VALIDATORS).map(vote).collect() };
    RoutesProof { header, descendants: Vec::new(), certificate, parts, routes }
}

/// The table by which the accounts of [`CHAIN`] are on [`OTHER_CHAIN`].
fn exchanged(cluster: &Cluster, version: u64) -> RoutesProof {
    prove(cluster, version, [OTHER_CHAIN, CHAIN], HF_CHAIN)
}

fn version(cluster: &Cluster) -> u64 {
    cluster.router.handler().routes.held().table().version()
}

async fn proved(limits: Limits) -> Cluster {
    let cluster = Cluster::start(limits).await;
    cluster.world.show_routes(prove(&cluster, 1, [CHAIN, OTHER_CHAIN], HF_CHAIN));
    eventually(|| cluster.router.handler().routes.held().proof().is_some()).await;
    cluster
}

fn moved(outcome: &Outcome) -> (ChainId, OutcomeCode) {
    (outcome.chain, outcome.receipt.code)
}

#[tokio::test]
async fn the_table_of_the_genesis_serves_until_the_hf_chain_proves_one() {
    let cluster = Cluster::start(Limits::default()).await;
    let routes = &cluster.router.handler().routes;
    assert!(routes.held().proof().is_none());
    assert_eq!(cluster.front_end("a").pay_one(payment(1)).await.unwrap().chain, CHAIN);
    cluster.world.show_routes(exchanged(&cluster, 2));
    eventually(|| routes.held().proof().is_some()).await;
    assert_eq!(cluster.front_end("a").pay_one(payment(2)).await.unwrap().chain, OTHER_CHAIN);
}

#[tokio::test]
async fn what_moved_is_sent_on_by_the_newer_table_under_the_same_ids() {
    let cluster = proved(Limits::default()).await;
    cluster.world.show_routes(exchanged(&cluster, 2));
    cluster.world.plan(CHAIN, Fault::Moved(2));
    let payments = [1, 2, 3].map(payment);
    let outcomes = cluster.front_end("a").pay(&payments).await;
    for outcome in outcomes {
        assert_eq!(moved(&outcome.unwrap()), (OTHER_CHAIN, OutcomeCode::Committed));
    }
    let ids = [1, 2, 3].map(id);
    assert_eq!(cluster.world.with(CHAIN, |chain| chain.received[0].ids()), ids);
    assert_eq!(cluster.world.with(OTHER_CHAIN, |chain| chain.executed.clone()), ids);
}

#[tokio::test]
async fn no_table_is_followed_that_is_forged_or_older() {
    let cluster = proved(Limits::default()).await;
    let refused = async |number, spoken_of, proof| {
        let asked = cluster.world.routes_asked();
        let held = version(&cluster);
        cluster.world.show_routes(proof);
        let chain = if held == 1 { CHAIN } else { OTHER_CHAIN };
        cluster.world.plan(chain, Fault::Moved(spoken_of));
        let outcome = cluster.front_end("a").pay_one(payment(number)).await.unwrap();
        assert_eq!(moved(&outcome), (chain, OutcomeCode::Moved));
        assert!(cluster.world.routes_asked() > asked);
        assert_eq!(version(&cluster), held);
    };
    refused(1, 2, prove(&cluster, 2, [OTHER_CHAIN, CHAIN], CHAIN)).await;
    let mut altered = exchanged(&cluster, 2);
    altered.routes = RouteTable::even(3, &[OTHER_CHAIN, CHAIN], HF_CHAIN).unwrap();
    refused(2, 3, altered).await;
    refused(3, 4, exchanged(&cluster, 1)).await;
    cluster.world.show_routes(exchanged(&cluster, 5));
    eventually(|| version(&cluster) == 5).await;
    refused(4, 6, prove(&cluster, 4, [CHAIN, OTHER_CHAIN], HF_CHAIN)).await;
}

#[tokio::test]
async fn a_chain_that_goes_by_no_newer_table_makes_the_router_ask_nothing() {
    let cluster = proved(Limits::default()).await;
    let asked = cluster.world.routes_asked();
    cluster.world.plan(CHAIN, Fault::Moved(1));
    cluster.world.plan(CHAIN, Fault::Moved(0));
    for number in [1, 2] {
        let outcome = cluster.front_end("a").pay_one(payment(number)).await.unwrap();
        assert_eq!(moved(&outcome), (CHAIN, OutcomeCode::Moved));
    }
    assert_eq!(cluster.world.routes_asked(), asked);
}

#[tokio::test]
async fn slots_that_move_on_and_on_are_followed_so_many_times() {
    let cluster = proved(Limits::default()).await;
    let (world, front_end) = (&cluster.world, cluster.front_end("a"));
    let rounds = 0..=u64::from(MOVES_FOLLOWED_MAX);
    let owners = |round| if round % 2 == 0 { [CHAIN, OTHER_CHAIN] } else { [OTHER_CHAIN, CHAIN] };
    for round in rounds.clone() {
        world.plan(owners(round)[0], Fault::Moved(round + 2));
    }
    let asked = tokio::spawn(async move { front_end.pay_one(payment(1)).await });
    for round in rounds.clone().take(MOVES_FOLLOWED_MAX as usize) {
        world.show_routes(prove(&cluster, round + 2, owners(round + 1), HF_CHAIN));
        eventually(|| version(&cluster) == round + 2).await;
    }
    assert_eq!(asked.await.unwrap().unwrap().receipt.code, OutcomeCode::Moved);
    let received = |chain| world.with(chain, |chain| chain.received.len());
    assert_eq!(received(CHAIN) + received(OTHER_CHAIN), 1 + MOVES_FOLLOWED_MAX as usize);
}

#[tokio::test]
async fn many_refusals_make_one_question() {
    let cluster = proved(Limits::default()).await;
    let asked = cluster.world.routes_asked();
    cluster.world.show_routes(exchanged(&cluster, 2));
    for _ in 0..20 {
        cluster.world.plan(CHAIN, Fault::Moved(2));
    }
    let front_end = cluster.front_end("a");
    let pay = |number| {
        let front_end = front_end.clone();
        tokio::spawn(async move { front_end.pay_one(payment(number)).await })
    };
    let paid: Vec<_> = (0..20).map(pay).collect();
    for paid in paid {
        assert_eq!(paid.await.unwrap().unwrap().chain, OTHER_CHAIN);
    }
    assert_eq!(cluster.world.routes_asked(), asked + 1);
}
