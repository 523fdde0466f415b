//! One leader: elections, receipts, batching, reads, resignation.

use tributary_replica::{Effect, Limits, Now, Replica, ReplicaConfig, Reply, RequestId, Restored};
use tributary_types::OutcomeCode;

use crate::cluster::Cluster;
use crate::fixture::{START, config, genesis, issue_id, open_and_issue};

fn receipts(cluster: &Cluster, request: RequestId) -> (u64, u32, usize) {
    match cluster.replies.get(&request) {
        Some(Reply::Receipts { height, first_index, receipts }) => {
            assert!(receipts.iter().all(|receipt| receipt.code == OutcomeCode::Committed));
            (height.get(), *first_index, receipts.len())
        }
        other => panic!("expected receipts, found {other:?}"),
    }
}

#[test]
fn a_single_replica_leads_at_once_and_commits() {
    let mut cluster = Cluster::new(1, 1);
    assert_eq!(cluster.leader(), Some(0));
    let request = cluster.submit(0, 1);
    cluster.run(100);
    assert_eq!(receipts(&cluster, request), (1, 0, 2));
    assert!(cluster.replica(0).ledger().payment(&issue_id(1, START)).is_some());
}

#[test]
fn a_block_is_signed_when_its_callers_have_heard() {
    let genesis = genesis(1);
    let mut replica = Replica::new(config(0), &genesis, Restored::default()).unwrap();
    replica.handle_tick(Now { wall: START, monotonic_ms: 0 });
    replica.handle_submit(RequestId(1), open_and_issue(&genesis, 1, START));
    let (mut heights, mut numbers) = (vec![], vec![]);
    loop {
        while let Some(effect) = replica.poll_effect() {
            let status = replica.status();
            match effect {
                Effect::Persist(number, _) => numbers.push(number),
                Effect::Reply { .. } | Effect::Executed(_) | Effect::Certified { .. } => {
                    heights.push((status.height.get(), status.last_certified.get()));
                }
                _ => {}
            }
        }
        let Some(number) = numbers.pop() else { break };
        replica.handle_persisted(number);
    }
    assert_eq!(heights, [(1, 0), (1, 0), (1, 1)], "replied, executed, certified");
}

#[test]
fn three_replicas_elect_one_leader_and_commit() {
    let mut cluster = Cluster::new(3, 2);
    cluster.commit(1);
    cluster.settle();
    let leaders = cluster.validators().filter(|node| cluster.replica(*node).is_leader()).count();
    assert_eq!(leaders, 1);
    for validator in cluster.validators() {
        assert_eq!(cluster.height(validator), 1);
        assert_eq!(cluster.replica(validator).leader_hint(), cluster.leader());
    }
}

#[test]
fn a_follower_names_the_leader() {
    let mut cluster = Cluster::new(3, 3);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    let follower = (leader + 1) % 3;
    let request = cluster.submit(follower, 2);
    assert_eq!(cluster.replies.get(&request), Some(&Reply::NotLeader { hint: Some(leader) }));
}

#[test]
fn what_waits_while_a_block_is_in_flight_shares_the_next_one() {
    let mut cluster = Cluster::new(3, 4);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    let requests: Vec<_> = (2..=10).map(|number| cluster.submit(leader, number)).collect();
    cluster.run(200);
    assert_eq!(receipts(&cluster, requests[0]), (2, 0, 2));
    for (request, position) in requests[1..].iter().zip(0..) {
        assert_eq!(receipts(&cluster, *request), (3, 2 * position, 2));
    }
}

#[test]
fn an_idle_chain_makes_no_blocks() {
    let mut cluster = Cluster::new(3, 5);
    cluster.commit(1);
    cluster.settle();
    let heights: Vec<_> = cluster.validators().map(|node| cluster.height(node)).collect();
    cluster.run(60_000);
    let later: Vec<_> = cluster.validators().map(|node| cluster.height(node)).collect();
    assert_eq!(heights, later);
}

#[test]
fn a_full_queue_pushes_back() {
    let limits = Limits { pending_requests_max: 4, ..config(0).limits };
    let configs = vec![ReplicaConfig { limits, ..config(0) }];
    let mut cluster = Cluster::with_configs(configs, 6);
    cluster.run(20);
    let requests: Vec<_> = (1..=8).map(|number| cluster.submit(0, number)).collect();
    cluster.run(500);
    let overloaded = |reply: &&Reply| matches!(reply, Reply::Overloaded { retry_after_ms: 1.. });
    assert_eq!(
        requests.iter().map(|request| &cluster.replies[request]).filter(overloaded).count(),
        3
    );
}

#[test]
fn a_batch_for_another_chain_is_refused_without_a_block() {
    let mut cluster = Cluster::new(1, 7);
    let mut batch = open_and_issue(&cluster.genesis, 1, START);
    batch.chain = crate::fixture::HF_CHAIN;
    let request = cluster.submit_batch(0, batch);
    cluster.run(200);
    assert!(matches!(cluster.replies[&request], Reply::Refused(_)));
    assert_eq!(cluster.height(0), 0);
}

#[test]
fn a_read_sees_what_was_acknowledged_before() {
    let mut cluster = Cluster::new(3, 8);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    let read = cluster.read(leader);
    cluster.run_until("the read is ready", |cluster| cluster.replies.contains_key(&read));
    assert_eq!(cluster.replies[&read], Reply::ReadReady);
    let follower = (leader + 1) % 3;
    let read = cluster.read(follower);
    assert_eq!(cluster.replies[&read], Reply::NotLeader { hint: Some(leader) });
}

#[test]
fn a_read_right_after_an_election_is_not_lost() {
    let mut cluster = Cluster::new(3, 9);
    let leader = cluster.await_leader().unwrap();
    let reads: Vec<_> = (0..3).map(|_| cluster.read(leader)).collect();
    cluster.run(500);
    for read in reads {
        assert_eq!(cluster.replies.get(&read), Some(&Reply::ReadReady));
    }
}

#[test]
fn a_partitioned_leader_serves_no_reads() {
    let mut cluster = Cluster::new(3, 10);
    cluster.commit(1);
    let old = cluster.leader().unwrap();
    cluster.isolate(old);
    let read = cluster.read(old);
    cluster.run(2_000);
    assert_eq!(cluster.replies[&read], Reply::NotLeader { hint: None });
}

#[test]
fn a_leader_that_resigns_hands_over_and_answers_what_is_in_flight() {
    let mut cluster = Cluster::new(3, 11);
    cluster.commit(1);
    let old = cluster.leader().unwrap();
    let in_flight = cluster.submit(old, 2);
    let waiting = cluster.submit(old, 3);
    cluster.act(old, |replica| replica.handle_resign());
    assert_eq!(cluster.replies[&waiting], Reply::NotLeader { hint: None });
    let late = cluster.submit(old, 4);
    assert_eq!(cluster.replies[&late], Reply::NotLeader { hint: None });
    // Much sooner than an election timeout.
    cluster.run(80);
    assert!(!cluster.replica(old).is_leader());
    assert_ne!(cluster.leader(), Some(old));
    assert!(matches!(cluster.replies[&in_flight], Reply::Receipts { .. }));
    cluster.commit(5);
}

#[test]
fn leadership_goes_to_whoever_stays() {
    for seed in 20..26 {
        let mut cluster = Cluster::new(3, seed);
        cluster.commit(1);
        let leader = cluster.leader().unwrap();
        let leaver = (leader + 1) % 3;
        cluster.act(leaver, |replica| replica.handle_resign());
        cluster.run(20);
        assert!(cluster.replica(leader).hears_quorum());
        cluster.crash(leaver);
        cluster.act(leader, |replica| replica.handle_resign());
        cluster.run(100);
        assert_eq!(cluster.leader(), Some((leader + 2) % 3));
    }
}

#[test]
fn a_leader_that_stops_with_all_others_knows_that_nobody_is_left() {
    let mut cluster = Cluster::new(3, 30);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    for validator in (0..3).filter(|validator| *validator != leader) {
        assert!(cluster.replica(leader).hears_quorum());
        cluster.act(validator, |replica| replica.handle_resign());
        cluster.run(20);
        cluster.crash(validator);
    }
    assert!(!cluster.replica(leader).hears_quorum());
    // Whoever comes back counts again.
    cluster.restart((leader + 1) % 3);
    cluster.run(500);
    assert!(cluster.replica(leader).hears_quorum());
}

#[test]
fn every_request_is_answered_once_under_load() {
    let mut cluster = Cluster::new(3, 12);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    let mut requests = Vec::new();
    for number in 2..300 {
        requests.push(cluster.submit(leader, number));
        cluster.run(1);
    }
    cluster.run(500);
    for request in requests {
        receipts(&cluster, request);
    }
    assert!(cluster.height(leader) < 200, "blocks gather under load");
}

#[test]
fn one_seed_gives_one_history() {
    let history = |seed| {
        let mut cluster = Cluster::new(3, seed);
        cluster.network.loss_permille = 50;
        for number in 1..20 {
            cluster.commit(number);
        }
        let leader = cluster.leader().unwrap();
        cluster.crash_torn(leader);
        cluster.commit(20);
        cluster.restart(leader);
        cluster.run(1_000);
        cluster.trace
    };
    assert_eq!(history(1), history(1));
    assert_ne!(history(1), history(2));
}
