//! Votes of one validator, given by hand.

use super::*;
use crate::signing::{SIGNED_HEIGHTS, SIGNED_SPAN_MS};
use tributary_types::{ChainId, Domain, TimeMs};

fn key(validator: u16) -> SigningKey {
    let [low, high] = validator.to_le_bytes();
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&[low, high]);
    SigningKey::from_seed(seed)
}

/// Each is due.
fn header(height: u64, mark: u8) -> Header {
    let hash = Domain::Body.hash(&[mark]);
    Header {
        chain: ChainId::new(1),
        height: BlockHeight::new(height),
        parent: hash,
        time: TimeMs::new(height * SIGNED_SPAN_MS),
        validator_set: hash,
        body_root: hash,
        receipts_root: hash,
        state_root: hash,
        channels_root: hash,
    }
}

fn hash(header: &Header) -> Hash {
    header.hash(&Hash::ZERO)
}

fn vote(validator: u16, header: &Header) -> HeaderVote {
    let hash = hash(header);
    let vote = Vote::sign(validator, &key(validator), &hash);
    HeaderVote { height: header.height, header_hash: hash, vote }
}

fn votes(validators: u16) -> Votes {
    let keys = (0..validators).map(|validator| key(validator).public()).collect();
    let set = ValidatorSet::new(0, keys).unwrap();
    Votes::new(set, 0, key(0), BlockHeight::new(0), None)
}

fn receive(votes: &mut Votes, validator: u16, header: &Header) -> Counted {
    votes.received(&vote(validator, header)).unwrap()
}

fn execute(votes: &mut Votes, header: &Header) -> Tallied {
    votes.executed(header, hash(header)).tallied
}

#[test]
fn a_quorum_certifies_and_a_single_validator_is_one() {
    let mut alone = votes(1);
    let done = execute(&mut alone, &header(1, 0));
    assert!(matches!(done, Tallied::Certified(_, certificate) if certificate.votes.len() == 1));

    let mut three = votes(3);
    assert!(matches!(execute(&mut three, &header(1, 0)), Tallied::Open));
    let done = receive(&mut three, 2, &header(1, 0)).tallied;
    assert!(matches!(done, Tallied::Certified(_, certificate) if certificate.votes.len() == 2));
    assert_eq!(three.last_certified(), BlockHeight::new(1));
}

#[test]
fn votes_that_come_before_execution_count() {
    let mut votes = votes(3);
    receive(&mut votes, 1, &header(1, 0));
    assert!(matches!(execute(&mut votes, &header(1, 0)), Tallied::Certified(..)));
}

#[test]
fn a_vote_counts_once_and_only_with_its_signature() {
    let mut votes = votes(5);
    execute(&mut votes, &header(1, 0));
    for _ in 0..3 {
        let counted = receive(&mut votes, 1, &header(1, 0));
        assert!(matches!(counted.tallied, Tallied::Open));
    }
    let mut forged = vote(1, &header(1, 0));
    forged.vote.validator = 2;
    assert_eq!(votes.received(&forged).unwrap_err(), CertificateError::WrongSignature(2));
}

#[test]
fn a_quorum_for_another_header_is_divergence_and_one_vote_is_not() {
    let mut votes = votes(3);
    execute(&mut votes, &header(1, 0));
    let first = receive(&mut votes, 1, &header(1, 9)).tallied;
    assert!(matches!(first, Tallied::Open));
    let Tallied::Diverged(fatality) = receive(&mut votes, 2, &header(1, 9)).tallied else {
        panic!("two of three signed another header");
    };
    assert!(matches!(fatality, Fatality::Diverged { votes, .. } if votes.len() == 2));
}

#[test]
fn a_certificate_holds_for_all_lower_heights_too() {
    let mut votes = votes(3);
    for height in 1..=4 {
        execute(&mut votes, &header(height, 0));
    }
    receive(&mut votes, 1, &header(3, 0));
    assert_eq!(votes.last_certified(), BlockHeight::new(3));
    let late = receive(&mut votes, 2, &header(2, 0));
    assert!(matches!(late, Counted { vote: None, tallied: Tallied::Open }));
    let resent = votes.votes_for(1, BlockHeight::new(0));
    assert_eq!(resent.iter().map(|vote| vote.height.get()).collect::<Vec<_>>(), [3, 4]);
}

#[test]
fn a_header_that_is_not_due_is_signed_when_a_peer_has_signed_it_or_somebody_asks() {
    let not_due = |height: u64| Header { time: header(1, 0).time, ..header(height, 0) };
    let mut votes = votes(3);
    assert!(votes.executed(&header(1, 0), hash(&header(1, 0))).vote.is_some(), "no parent");
    assert!(votes.executed(&not_due(2), hash(&not_due(2))).vote.is_none());
    assert!(votes.executed(&not_due(3), hash(&not_due(3))).vote.is_none());
    let asked = receive(&mut votes, 1, &not_due(2));
    assert_eq!(asked.vote.map(|vote| vote.header_hash), Some(hash(&not_due(2))));
    assert!(matches!(asked.tallied, Tallied::Certified(certified, _) if certified == not_due(2)));
    receive(&mut votes, 2, &not_due(4));
    let counted = votes.executed(&not_due(4), hash(&not_due(4)));
    assert!(matches!(counted.tallied, Tallied::Certified(..)) && counted.vote.is_some());
    votes.executed(&not_due(5), hash(&not_due(5)));
    assert_eq!(votes.sign_last().vote.map(|vote| vote.height), Some(BlockHeight::new(5)));
    assert!(votes.sign_last().vote.is_none(), "once");
}

#[test]
fn every_span_of_time_and_every_so_many_heights_have_a_header_that_is_due() {
    let mut votes = votes(3);
    let at = |height, time| Header { time: TimeMs::new(time), ..header(height, 0) };
    let mut signed = Vec::new();
    for height in 1..=70 {
        let header = at(height, 7 + 3 * height.min(20));
        signed.extend(votes.executed(&header, hash(&header)).vote.map(|own| own.height.get()));
    }
    assert_eq!(signed, [1, 15, SIGNED_HEIGHTS, 2 * SIGNED_HEIGHTS]);
    let last = Header { channels_root: Hash::ZERO, ..at(71, 67) };
    assert!(votes.executed(&last, hash(&last)).vote.is_some(), "it has something to tell");
}

/// Found by the seeds 685 and 7002088 of `sim-fast --long`, where no block came
/// any more: one of three validators was dead, or had voted for another header
/// first; one had restarted, or had come to this height by a snapshot.
#[test]
fn the_certificate_of_a_peer_stands_for_votes_that_never_come() {
    let executed = Header { validator_set: votes(3).set.hash(), ..header(1, 0) };
    let signed = |header: &Header, validators: [u16; 2]| CertifiedHeader {
        header: header.clone(),
        certificate: Certificate { votes: validators.map(|v| vote(v, header).vote).to_vec() },
    };
    let mut votes = votes(3);
    let good = signed(&executed, [0, 2]);
    let early = votes.certified_elsewhere(&Hash::ZERO, good.clone());
    assert!(matches!(early, Ok(Tallied::Open)), "it was not executed here");
    execute(&mut votes, &executed);
    votes.received(&vote(2, &header(1, 9))).unwrap();
    let mut forged = good.clone();
    forged.certificate.votes[1].validator = 1;
    let refused = votes.certified_elsewhere(&Hash::ZERO, forged);
    assert_eq!(refused.unwrap_err(), CertificateError::WrongSignature(1));
    assert!(votes.certificate_above(BlockHeight::new(0)).is_none());

    let done = votes.certified_elsewhere(&Hash::ZERO, good.clone());
    assert!(matches!(done, Ok(Tallied::Certified(header, _)) if header == executed));
    assert_eq!(votes.certificate_above(BlockHeight::new(0)), Some(good.clone()));
    assert_eq!(votes.certificate_above(BlockHeight::new(1)), None);
    let again = votes.certified_elsewhere(&Hash::ZERO, good);
    assert!(matches!(again, Ok(Tallied::Open)));
}

/// Found by the seed 10004498 of `sim-fast --wide --long`: all replicas of an
/// idle chain restarted, and none showed relays the last certified header.
#[test]
fn what_was_certified_before_a_restart_is_told_again_when_it_is_executed() {
    let mut before = votes(3);
    execute(&mut before, &header(1, 0));
    execute(&mut before, &header(2, 0));
    before.received(&vote(1, &header(2, 0))).unwrap();
    let certified = before.last_certificate().cloned();
    let mut votes = Votes { last_certified: certified.clone(), ..votes(3) };
    assert!(matches!(execute(&mut votes, &header(1, 0)), Tallied::Open));
    let Tallied::Certified(told, certificate) = execute(&mut votes, &header(2, 0)) else {
        panic!("it was certified before");
    };
    assert_eq!(Some((told, certificate)), certified);
    assert!(votes.executed(&header(3, 0), hash(&header(3, 0))).vote.is_some());
}

#[test]
fn an_installed_state_without_a_certificate_is_certified_by_others() {
    let mut votes = votes(3);
    votes.installed(&header(7, 0), hash(&header(7, 0)), None);
    assert_eq!(votes.last_certified(), BlockHeight::new(0), "votes are wanted");
    assert!(votes.sign_last().vote.is_none(), "others executed it");
    assert!(receive(&mut votes, 1, &header(7, 0)).vote.is_none());
    let done = receive(&mut votes, 2, &header(7, 0)).tallied;
    assert!(matches!(done, Tallied::Certified(header, _) if header.height.get() == 7));
    assert_eq!(votes.last_certified(), BlockHeight::new(7));
}

#[test]
fn the_certificate_of_another_header_is_divergence() {
    let mut votes = votes(3);
    execute(&mut votes, &header(1, 0));
    let other = Header { validator_set: votes.set.hash(), ..header(1, 9) };
    let certificate = Certificate { votes: [1, 2].map(|v| vote(v, &other).vote).to_vec() };
    let message = CertifiedHeader { header: other.clone(), certificate };
    let Ok(Tallied::Diverged(Fatality::Diverged { own, other: found, votes, .. })) =
        votes.certified_elsewhere(&Hash::ZERO, message)
    else {
        panic!("a quorum signed another header");
    };
    assert_eq!((own, found, votes.len()), (hash(&header(1, 0)), hash(&other), 2));
}

#[test]
fn a_peer_far_behind_gets_the_lowest_votes_and_the_last() {
    let mut votes = votes(3);
    for height in 1..=200 {
        execute(&mut votes, &header(height, 0));
    }
    let resent = votes.votes_for(2, BlockHeight::new(50));
    assert_eq!(resent.len(), VOTES_RESENT_MAX);
    assert_eq!((resent[0].height.get(), resent[VOTES_RESENT_MAX - 1].height.get()), (51, 200));
    assert!(!votes.is_wanted_by(2, BlockHeight::new(50)));
    assert!(votes.is_wanted_by(2, BlockHeight::new(51)));
}

#[test]
fn only_a_window_of_heights_is_kept() {
    let mut votes = votes(3);
    receive(&mut votes, 1, &header(HEIGHTS_AHEAD_MAX + 1, 0));
    assert!(votes.heights.is_empty());
    for height in 1..=HEIGHTS_KEPT + 5 {
        execute(&mut votes, &header(height, 0));
    }
    assert_eq!(votes.heights.len() as u64, HEIGHTS_KEPT + 1);
}
