//! Reads, operations and the state of the cluster.

use tributary_chain::operation::{Action, InstitutionKey, OpenAccount, Operation, RegistryChange};
use tributary_router::Limits;
use tributary_types::{AccountClass, AssetId, ChainId};
use tributary_wire::Canonical;
use tributary_wire::query::{AnswerValue, Query};
use tributary_wire::router::{RouterError, RouterReply, RouterRequest};

use crate::setup::{CHAIN, Cluster, HF_CHAIN, INSTITUTION, OTHER_CHAIN, account, id};

#[tokio::test]
async fn hello_tells_the_cluster() {
    let cluster = Cluster::start(Limits::default()).await;
    let reply = cluster.front_end("a").ask(&RouterRequest::Hello).await;
    let routes = None;
    assert_eq!(reply, RouterReply::Hello { cluster: cluster.genesis.hash(), routes });
}

#[tokio::test]
async fn reads_are_answered_by_the_leader_of_their_chain() {
    let cluster = Cluster::start(Limits::default()).await;
    cluster.world.with(OTHER_CHAIN, |chain| chain.leader = Some(1));
    let request = RouterRequest::Query { chain: OTHER_CHAIN, query: Query::Payment(id(1)) };
    match cluster.front_end("a").ask(&request).await {
        RouterReply::Answer(answer) => {
            assert_eq!((answer.chain, answer.value), (OTHER_CHAIN, AnswerValue::Payment(None)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_chain_that_does_not_exist_is_named() {
    let cluster = Cluster::start(Limits::default()).await;
    let request = RouterRequest::Query { chain: ChainId::new(77), query: Query::Books };
    let reply = cluster.front_end("a").ask(&request).await;
    let (field, rule) = ("chain".to_owned(), "chain 77 is not in the genesis".to_owned());
    assert_eq!(reply, RouterReply::Error(RouterError::Malformed { field, rule }));
}

#[tokio::test]
async fn operations_execute_where_their_accounts_are() {
    let cluster = Cluster::start(Limits::default()).await;
    let open = |name: &str, slot| {
        let account = account(AccountClass::User, name, slot);
        Action::OpenAccount(OpenAccount { account, asset: AssetId::new(1), owner: None })
    };
    let key = InstitutionKey { institution: INSTITUTION, key: cluster.key.public() };
    let register = Action::Register(RegistryChange::AddKey(key));
    let actions = [open("near", 0), register, open("far", 16_383)];
    let numbered = (1..).zip(actions);
    let operations = numbered.map(|(number, action)| Operation { id: id(number), action });
    let request = RouterRequest::Operate(Canonical(operations.collect()));
    let RouterReply::Outcomes(outcomes) = cluster.front_end("a").ask(&request).await else {
        panic!("no outcomes");
    };
    let chains: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().chain).collect();
    assert_eq!(chains, [CHAIN, HF_CHAIN, OTHER_CHAIN]);
}

#[tokio::test]
async fn the_cluster_lists_every_replica_also_those_that_are_gone() {
    let mut cluster = Cluster::start(Limits::default()).await;
    drop(cluster.nodes.remove(1));
    let front_end = cluster.front_end("a");
    let RouterReply::Cluster(replicas) = front_end.ask(&RouterRequest::Cluster).await else {
        panic!("no cluster");
    };
    let listed = replicas
        .iter()
        .map(|(chain, validator, answer)| (chain.get(), *validator, answer.is_some()));
    let expected = [1, 2, 3].into_iter().flat_map(|chain| [(chain, 0, true), (chain, 1, false)]);
    assert_eq!(listed.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
}
