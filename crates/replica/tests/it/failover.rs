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
    let before = cluster.replica(old).status().log_last;
    let first = cluster.submit(old, 2);
    // A follower has it, and has not said so yet.
    cluster.run_until("it reached a follower", |cluster| {
        let mut followers = cluster.validators().filter(|follower| *follower != old);
        followers.any(|follower| cluster.replica(follower).status().log_last > before)
    });
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

/// Two others hear at different times that a leader has ended, the first of
/// them after `first_ms`.
fn tell_of_the_end(cluster: &mut Cluster, leader: u16, others: [u16; 2], first_ms: u64) {
    cluster.run(first_ms);
    cluster.act(others[0], |replica| replica.handle_peer_ended(leader));
    cluster.run(70);
    cluster.act(others[1], |replica| replica.handle_peer_ended(leader));
}

fn others(cluster: &Cluster, leader: u16) -> [u16; 2] {
    let others: Vec<u16> = cluster.validators().filter(|other| *other != leader).collect();
    others.try_into().unwrap()
}

/// A third of the shortest election timeout, counted from when both know.
const TOLD_ELECTION_MS: u64 = 220;

#[test]
fn a_leader_that_is_known_to_have_ended_is_not_waited_for() {
    for seed in 0..40 {
        let mut cluster = Cluster::new(3, seed);
        for number in 0..seed % 7 {
            cluster.commit(number + 1);
        }
        let leader = cluster.await_leader().unwrap();
        let mut others = others(&cluster, leader);
        others.rotate_left(usize::try_from(seed % 2).unwrap());
        cluster.crash(leader);
        tell_of_the_end(&mut cluster, leader, others, 20);
        cluster.run_while(TOLD_ELECTION_MS, |cluster| cluster.leader().is_none());
        assert!(cluster.leader().is_some(), "seed {seed}");
        cluster.commit(100);
        cluster.restart(leader);
        cluster.settle();
    }
}

#[test]
fn an_end_that_only_one_believes_unseats_no_leader() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        cluster.commit(1);
        let leader = cluster.leader().unwrap();
        let term = cluster.replica(leader).status().term;
        let believer = others(&cluster, leader)[usize::try_from(seed % 2).unwrap()];
        for number in 2..10 {
            cluster.act(believer, |replica| replica.handle_peer_ended(leader));
            cluster.commit(number);
            let pause_ms = cluster.draw(300);
            cluster.run(pause_ms);
        }
        assert_eq!(cluster.replica(leader).status().term, term, "seed {seed}");
        assert!(cluster.is_leader(leader));
    }
}

#[test]
fn an_end_that_all_believe_and_that_did_not_happen_loses_nothing() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        let mut requests = BTreeMap::new();
        for number in 1..=40 {
            let Some(leader) = cluster.await_leader() else { continue };
            requests.insert(cluster.submit(leader, number), number);
            if number % 5 == 0 {
                let others = others(&cluster, leader);
                let pause_ms = cluster.draw(100);
                tell_of_the_end(&mut cluster, leader, others, pause_ms);
            }
            let pause_ms = cluster.draw(200);
            cluster.run(pause_ms);
        }
        cluster.commit(1_000);
        cluster.settle();
        let acknowledged = acknowledged(&cluster, &requests);
        assert!(acknowledged.len() > 20, "seed {seed}: {}", acknowledged.len());
        check_nothing_lost(&cluster, acknowledged);
    }
}

#[test]
fn who_is_no_other_validator_ends_nothing() {
    let mut cluster = Cluster::new(3, 4);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    for validator in cluster.validators() {
        for peer in [validator, 3, u16::MAX] {
            cluster.act(validator, |replica| replica.handle_peer_ended(peer));
        }
    }
    cluster.run(1_000);
    cluster.commit(2);
    assert!(cluster.is_leader(leader));
}
