//! Signatures over executed headers: certificates, and divergence.

use tributary_chain::certificate::Vote;
use tributary_replica::signing::{REST_MS, SIGNED_HEIGHTS};
use tributary_replica::{Fatality, HeaderVote, PeerError, PeerMessage, Replica, Reply};
use tributary_types::codec::decode_exact;
use tributary_types::{BlockHeight, Domain};

use crate::cluster::Cluster;
use crate::fixture::{config, validator_key};

#[test]
fn every_replica_learns_a_certificate_of_the_last_header() {
    let mut cluster = Cluster::new(3, 1);
    for number in 1..=10 {
        cluster.commit(number);
    }
    cluster.settle();
    for validator in cluster.validators() {
        let last = cluster.certified(validator).keys().next_back().map(|height| height.get());
        assert_eq!(last, Some(cluster.height(0)));
        let status = cluster.replica(validator).status();
        assert_eq!(status.last_certified, status.height);
    }
}

/// Votes that all replicas send while `act` happens, by height.
fn votes_sent(cluster: &mut Cluster, act: impl FnOnce(&mut Cluster)) -> Vec<u64> {
    cluster.tap = Some(Vec::new());
    act(cluster);
    let sent = cluster.tap.take().unwrap_or_default().into_iter();
    let heights = sent.filter_map(|(_, _, bytes)| match decode_exact(&bytes) {
        Ok(PeerMessage::Vote(vote)) => Some(vote.height.get()),
        _ => None,
    });
    heights.collect()
}

#[test]
fn headers_that_follow_each_other_quickly_are_not_all_signed() {
    let mut cluster = Cluster::new(3, 6);
    cluster.network.delay_ms_max = 1;
    cluster.commit(1);
    cluster.settle();
    let first = cluster.height(0);
    let mut signed = votes_sent(&mut cluster, |cluster| {
        for number in 2..=60 {
            cluster.commit(number);
        }
        cluster.settle();
    });
    signed.dedup();
    let blocks = usize::try_from(cluster.height(0) - first).unwrap();
    assert!(signed.len() < blocks, "{} votes for {blocks} blocks", signed.len());
    assert!(signed.iter().any(|height| height.is_multiple_of(SIGNED_HEIGHTS)));
    assert_eq!(signed.last(), Some(&cluster.height(0)), "once the chain rests");
}

#[test]
fn whoever_wants_a_proof_has_all_validators_sign() {
    let mut cluster = Cluster::new(3, 7);
    cluster.commit(1);
    cluster.settle();
    let settled = cluster.replica(0).status().last_certified;
    cluster.commit(2);
    cluster.run_until("all have executed it", |cluster| {
        cluster.validators().all(|validator| cluster.height(validator) > settled.get())
    });
    for validator in cluster.validators() {
        // Whether it rests or not: who asks need not wait for that.
        cluster.act(validator, Replica::handle_certificate_wanted);
    }
    let (begun, height) = (cluster.now_ms, BlockHeight::new(cluster.height(0)));
    cluster.run_until("it is certified", |cluster| {
        cluster.validators().all(|at| cluster.replica(at).status().last_certified == height)
    });
    assert!(cluster.now_ms - begun < REST_MS, "{} ms", cluster.now_ms - begun);
}

#[test]
fn votes_that_are_lost_are_sent_again() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.network.loss_permille = 200;
        for number in 1..=10 {
            cluster.commit(number);
        }
        cluster.network.loss_permille = 0;
        cluster.settle();
        let height = BlockHeight::new(cluster.height(0));
        for validator in cluster.validators() {
            assert!(cluster.certified(validator).contains_key(&height), "seed {seed}");
        }
    }
}

#[test]
fn the_last_header_is_certified_after_all_were_killed() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        for number in 1..=3 {
            cluster.commit(number);
        }
        for validator in cluster.validators() {
            cluster.crash(validator);
        }
        for validator in cluster.validators() {
            cluster.restart(validator);
        }
        cluster.settle();
        let height = BlockHeight::new(cluster.height(0));
        for validator in cluster.validators() {
            assert!(cluster.certified(validator).contains_key(&height), "seed {seed}");
        }
    }
}

#[test]
fn a_validator_that_executes_differently_stops_and_the_others_go_on() {
    let mut cluster = Cluster::new(3, 2);
    let odd = (cluster.await_leader().unwrap() + 1) % 3;
    cluster.crash(odd);
    let mut other_rules = cluster.genesis.clone();
    other_rules.parameters.settlement_interval_ms += 1;
    cluster.set_genesis(odd, other_rules);
    cluster.restart(odd);
    cluster.commit(1);
    cluster.run_until("divergence is noticed", |cluster| cluster.fatality(odd).is_some());
    let Some(Fatality::Diverged { height, own, other, votes }) = cluster.fatality(odd) else {
        panic!("{:?}", cluster.fatality(odd));
    };
    assert_eq!((height.get(), votes.len()), (1, 2));
    assert_ne!(own, other);
    cluster.commit(2);
    assert!(cluster.height(odd) < 2, "a replica that has diverged executes nothing more");
}

#[test]
fn a_replica_that_has_stopped_does_nothing_more() {
    let mut cluster = Cluster::new(3, 3);
    cluster.commit(1);
    let leader = cluster.leader().unwrap();
    let waiting = cluster.submit(leader, 2);
    let wrong = Domain::Header.hash(b"another header");
    for validator in cluster.validators().filter(|validator| *validator != leader) {
        let vote = Vote::sign(validator, &validator_key(validator), &wrong);
        let vote = HeaderVote { height: BlockHeight::new(2), header_hash: wrong, vote };
        cluster.act(leader, |replica| {
            replica.handle_peer(validator, PeerMessage::Vote(vote)).unwrap();
        });
    }
    cluster.run(1_000);
    assert!(matches!(cluster.fatality(leader), Some(Fatality::Diverged { .. })));
    assert!(matches!(cluster.replies.get(&waiting), None | Some(Reply::Receipts { .. })));
    let late = cluster.submit(leader, 3);
    let read = cluster.read(leader);
    cluster.run(1_000);
    assert!(!cluster.replies.contains_key(&late) && !cluster.replies.contains_key(&read));
}

#[test]
fn a_forged_or_borrowed_vote_is_refused() {
    let mut cluster = Cluster::new(3, 4);
    cluster.commit(1);
    let hash = Domain::Header.hash(b"header");
    let mut send = |from: u16, signer: u16, key: u16| {
        let vote = Vote::sign(signer, &validator_key(key), &hash);
        let vote = HeaderVote { height: BlockHeight::new(2), header_hash: hash, vote };
        let mut result = Ok(());
        cluster.act(0, |replica| result = replica.handle_peer(from, PeerMessage::Vote(vote)));
        result
    };
    assert_eq!(send(1, 1, 1), Ok(()));
    assert!(matches!(send(2, 2, 1), Err(PeerError::Vote { .. })));
    assert_eq!(send(1, 2, 2), Err(PeerError::WrongValidator { expected: 1, found: 2 }));
    assert_eq!(send(3, 3, 3), Err(PeerError::UnknownValidator(3)));
    assert_eq!(send(0, 0, 0), Err(PeerError::UnknownValidator(0)));
    assert_eq!(config(0).validator, 0);
}
