//! Leaders that crash or are cut off: nothing acknowledged is lost, nothing
//! unacknowledged is claimed.

use std::collections::BTreeMap;

use tributary_replica::{Reply, RequestId};

use crate::cluster::Cluster;
use crate::fixture::{START, issue_id};

/// All acknowledged customers exist on all live replicas.
fn check_nothing_lost(cluster: &Cluster, customers: impl IntoIterator<Item = u64>) {
    for number in customers {
        for validator in cluster.live() {
            let payment = cluster.replica(validator).ledger().payment(&issue_id(number, START));
            assert!(payment.is_some(), "customer {number} at validator {validator}");
        }
    }
}

fn acknowledged(cluster: &Cluster, requests: &BTreeMap<RequestId, u64>) -> Vec<u64> {
    let receipts = |request| matches!(cluster.replies.get(request), Some(Reply::Receipts { .. }));
    requests.iter().filter(|(request, _)| receipts(request)).map(|(_, number)| *number).collect()
}

#[test]
fn a_crash_of_the_leader_loses_nothing_acknowledged() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        let leader = cluster.await_leader().unwrap();
        let mut requests = BTreeMap::new();
        for number in 1..30 {
            requests.insert(cluster.submit(leader, number), number);
            let pause_ms = cluster.draw(6);
            cluster.run(pause_ms);
        }
        cluster.crash(leader);
        cluster.commit(100);
        let acknowledged = acknowledged(&cluster, &requests);
        assert!(!acknowledged.is_empty());
        cluster.restart(leader);
        cluster.settle();
        check_nothing_lost(&cluster, acknowledged);
    }
}

#[test]
fn a_leader_that_is_cut_off_acknowledges_nothing() {
    let mut cluster = Cluster::new(3, 1);
    cluster.commit(1);
    let old = cluster.leader().unwrap();
    cluster.isolate(old);
    let lost = cluster.submit(old, 2);
    let waiting = cluster.submit(old, 3);
    cluster.run(2_000);
    assert_eq!(cluster.replies[&lost], Reply::Unknown);
    assert_eq!(cluster.replies[&waiting], Reply::NotLeader { hint: None });
    let new = cluster.leader().unwrap();
    assert_ne!(new, old);
    cluster.commit(4);
    cluster.heal();
    cluster.settle();
    assert!(cluster.replica(old).ledger().payment(&issue_id(2, START)).is_none());
    check_nothing_lost(&cluster, [1, 4]);
}

#[test]
fn resubmission_after_failover_is_answered_with_the_first_outcome() {
    let mut cluster = Cluster::new(3, 2);
    cluster.commit(1);
    let old = cluster.leader().unwrap();
    let first = cluster.submit(old, 2);
    // Long enough to reach a follower, too short to be acknowledged.
    cluster.run(6);
    assert!(!cluster.replies.contains_key(&first));
    cluster.crash(old);
    cluster.run_until("a new leader", |cluster| cluster.leader().is_some());
    cluster.run(500);
    let new = cluster.leader().unwrap();
    let again = cluster.submit(new, 2);
    cluster.run_until("an answer", |cluster| cluster.replies.contains_key(&again));
    let Reply::Receipts { receipts, .. } = &cluster.replies[&again] else {
        panic!("expected receipts, found {:?}", cluster.replies[&again]);
    };
    assert!(receipts.iter().all(|receipt| receipt.replay), "{receipts:?}");
}

#[test]
fn crashes_one_after_the_other_on_a_lossy_network_lose_nothing() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.network.loss_permille = 30;
        let mut requests = BTreeMap::new();
        for number in 1..=60 {
            if let Some(leader) = cluster.leader() {
                requests.insert(cluster.submit(leader, number), number);
            }
            let pause_ms = cluster.draw(60);
            cluster.run(pause_ms);
            if number % 6 == 0 {
                let victim = u16::try_from(cluster.draw(3)).unwrap();
                cluster.crash_torn(victim);
                let pause_ms = cluster.draw(400);
                cluster.run(pause_ms);
                cluster.restart(victim);
            }
        }
        cluster.network.loss_permille = 0;
        cluster.commit(1_000);
        cluster.settle();
        let acknowledged = acknowledged(&cluster, &requests);
        assert!(acknowledged.len() > 10, "seed {seed}: {}", acknowledged.len());
        check_nothing_lost(&cluster, acknowledged);
    }
}

#[test]
fn all_replicas_crash_at_once_and_come_back_with_everything_acknowledged() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        for number in 1..=20 {
            cluster.commit(number);
        }
        for validator in cluster.validators() {
            cluster.crash_torn(validator);
        }
        for validator in cluster.validators() {
            cluster.restart(validator);
        }
        cluster.commit(21);
        cluster.settle();
        check_nothing_lost(&cluster, 1..=21);
    }
}

#[test]
fn without_a_quorum_nothing_is_acknowledged() {
    let mut cluster = Cluster::new(3, 3);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    for validator in cluster.validators().filter(|validator| *validator != leader) {
        cluster.crash(validator);
    }
    let request = cluster.submit(leader, 2);
    cluster.run(5_000);
    assert_eq!(cluster.replies[&request], Reply::Unknown);
    assert_eq!(cluster.leader(), None);
}
