//! Signatures over executed headers: certificates, and divergence.

use tributary_chain::certificate::Vote;
use tributary_replica::{Fatality, HeaderVote, PeerError, PeerMessage, Reply};
use tributary_types::{BlockHeight, Domain};

use crate::cluster::Cluster;
use crate::fixture::{config, validator_key};

#[test]
fn every_replica_learns_the_certificate_of_every_height() {
    let mut cluster = Cluster::new(3, 1);
    for number in 1..=10 {
        cluster.commit(number);
    }
    cluster.settle();
    for validator in cluster.validators() {
        let heights: Vec<_> = cluster.certified(validator).keys().map(|h| h.get()).collect();
        assert_eq!(heights, (1..=10).collect::<Vec<_>>());
        assert_eq!(cluster.replica(validator).status().last_certified, BlockHeight::new(10));
    }
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
        let height = cluster.height(0);
        for validator in cluster.validators() {
            assert_eq!(cluster.certified(validator).len() as u64, height, "seed {seed}");
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
