//! What makes a header believed elsewhere, and every way in which it fails.

use proptest::prelude::*;
use proptest::sample::Index;
use tributary_chain::certificate::{
    DESCENDANTS_MAX, DescentError, VALIDATORS_MAX, ValidatorSetError, Vote,
};
use tributary_chain::{Certificate, CertificateError, Header, ValidatorSet};
use tributary_types::codec::{DecodeError, Encode, decode_exact};
use tributary_types::{BlockHeight, ChainId, Domain, Hash, PublicKey, TimeMs};

use crate::{cluster, signing_key, validator_set};

/// Seeds of the three registered validators.
const SEEDS: [u8; 3] = [1, 2, 3];

fn registered() -> ValidatorSet {
    validator_set(0, &SEEDS)
}

fn header() -> Header {
    let root = |text: &str| Domain::State.hash(text.as_bytes());
    Header {
        chain: ChainId::new(1),
        height: BlockHeight::new(7),
        parent: root("parent"),
        time: TimeMs::new(1_700_000_000_000),
        validator_set: registered().hash(),
        body_root: root("body"),
        receipts_root: root("receipts"),
        state_root: root("state"),
        channels_root: root("channels"),
    }
}

/// A vote of registered validator `number` over `header`.
fn vote(number: u16, header: &Header) -> Vote {
    let key = signing_key(SEEDS[usize::from(number)]);
    Vote::sign(number, &key, &header.hash(&cluster()))
}

fn certificate(numbers: &[u16]) -> Certificate {
    Certificate { votes: numbers.iter().map(|number| vote(*number, &header())).collect() }
}

fn check(certificate: &Certificate, expected: Result<(), CertificateError>) {
    assert_eq!(certificate.verify(&cluster(), &header(), &registered()), expected);
}

#[test]
fn any_quorum_in_order_certifies() {
    check(&certificate(&[0, 1]), Ok(()));
    check(&certificate(&[0, 2]), Ok(()));
    check(&certificate(&[1, 2]), Ok(()));
    check(&certificate(&[0, 1, 2]), Ok(()));
}

#[test]
fn too_few_signatures_are_refused() {
    check(&certificate(&[]), Err(CertificateError::NoQuorum { found: 0, needed: 2 }));
    check(&certificate(&[2]), Err(CertificateError::NoQuorum { found: 1, needed: 2 }));
}

#[test]
fn one_signature_counted_twice_is_refused() {
    check(&certificate(&[1, 1]), Err(CertificateError::NotAscending(1)));
    check(&certificate(&[0, 0, 1]), Err(CertificateError::NotAscending(0)));
}

#[test]
fn one_signature_under_two_numbers_is_refused() {
    let mut twice = certificate(&[0]);
    twice.votes.push(Vote { validator: 1, ..twice.votes[0] });
    check(&twice, Err(CertificateError::WrongSignature(1)));
}

#[test]
fn signatures_out_of_order_are_refused() {
    check(&certificate(&[1, 0]), Err(CertificateError::NotAscending(0)));
}

#[test]
fn an_unknown_validator_is_refused() {
    for number in [3, u16::MAX] {
        let mut padded = certificate(&[0, 1]);
        padded.votes.push(Vote { validator: number, ..padded.votes[0] });
        check(&padded, Err(CertificateError::UnknownValidator(number)));
    }
}

#[test]
fn a_surplus_signature_must_hold_as_well() {
    let mut padded = certificate(&[0, 1]);
    padded.votes.push(Vote { validator: 2, ..padded.votes[0] });
    check(&padded, Err(CertificateError::WrongSignature(2)));
}

/// Headers after `header()`, each the child of the one before, the last one
/// signed by a quorum.
fn descent(count: usize) -> (Vec<Header>, Certificate) {
    let mut headers = Vec::new();
    let mut last = header();
    for _ in 0..count {
        let (height, parent) = (last.height.next(), last.hash(&cluster()));
        last = Header { height, parent, time: last.time.plus_ms(3), ..last };
        headers.push(last.clone());
    }
    (headers, Certificate { votes: vec![vote(0, &last), vote(2, &last)] })
}

fn check_descent(
    headers: &[Header],
    certificate: &Certificate,
    expected: Result<(), DescentError>,
) {
    let found = certificate.verify_descent(&cluster(), &header(), headers, &registered());
    assert_eq!(found, expected);
}

#[test]
fn a_certificate_holds_for_every_ancestor_of_its_header() {
    for count in [0, 1, 2, 40] {
        let (headers, certificate) = descent(count);
        check_descent(&headers, &certificate, Ok(()));
    }
    check_descent(&[], &certificate(&[0, 1]), Ok(()));
}

#[test]
fn a_descent_that_lacks_or_changes_a_header_is_refused() {
    let not_a_child = |height| Err(DescentError::NotAChild(BlockHeight::new(height)));
    let (headers, certificate) = descent(4);
    for lacking in 0..3 {
        let mut headers = headers.clone();
        headers.remove(lacking);
        check_descent(&headers, &certificate, not_a_child(9 + lacking as u64));
    }
    let of_another = Err(CertificateError::WrongSignature(0).into());
    check_descent(&headers[..3], &certificate, of_another.clone());
    check_descent(&[], &certificate, of_another);
    for changed in 0..3 {
        let mut headers = headers.clone();
        headers[changed].state_root = headers[changed].body_root;
        check_descent(&headers, &certificate, not_a_child(9 + changed as u64));
        headers[changed].height = BlockHeight::new(70);
        check_descent(&headers, &certificate, not_a_child(70));
    }
    let mut headers = headers;
    headers[3].chain = ChainId::new(2);
    check_descent(&headers, &certificate, not_a_child(11));
    headers[3].chain = ChainId::new(1);
    headers.push(headers[3].clone());
    check_descent(&headers, &certificate, not_a_child(11));
}

#[test]
fn a_header_that_others_than_the_quorum_descend_from_is_not_certified() {
    let (headers, certificate) = descent(2);
    let mut forged = header();
    forged.receipts_root = forged.body_root;
    let found = certificate.verify_descent(&cluster(), &forged, &headers, &registered());
    assert_eq!(found, Err(DescentError::NotAChild(BlockHeight::new(8))));
}

#[test]
fn a_descent_is_bounded() {
    let (headers, certificate) = descent(DESCENDANTS_MAX + 1);
    let found = headers.len();
    check_descent(&headers, &certificate, Err(DescentError::TooMany(found)));
    let (headers, certificate) = descent(DESCENDANTS_MAX);
    check_descent(&headers, &certificate, Ok(()));
}

#[test]
fn keys_made_up_by_the_prover_certify_nothing() {
    let made_up = validator_set(0, &[91, 92, 93]);
    let mut forged = header();
    forged.validator_set = made_up.hash();
    let hash = forged.hash(&cluster());
    let votes = [(0, 91), (1, 92), (2, 93)];
    let votes = votes.map(|(number, seed)| Vote::sign(number, &signing_key(seed), &hash));
    let certificate = Certificate { votes: votes.to_vec() };
    assert_eq!(certificate.verify(&cluster(), &forged, &made_up), Ok(()));
    let (expected, found) = (registered().hash(), made_up.hash());
    let refused = CertificateError::WrongSet { expected, found };
    assert_eq!(certificate.verify(&cluster(), &forged, &registered()), Err(refused));
    let under_our_set = certificate.verify(&cluster(), &header(), &registered());
    assert_eq!(under_our_set, Err(CertificateError::WrongSignature(0)));
}

#[test]
fn a_header_of_another_set_is_refused_even_with_the_same_keys() {
    let later = validator_set(1, &SEEDS);
    let refused = certificate(&[0, 1]).verify(&cluster(), &header(), &later);
    let (expected, found) = (later.hash(), registered().hash());
    assert_eq!(refused, Err(CertificateError::WrongSet { expected, found }));
}

#[test]
fn a_certificate_holds_for_its_cluster_only() {
    let other_cluster = Domain::Genesis.hash(b"another cluster");
    let refused = certificate(&[0, 1]).verify(&other_cluster, &header(), &registered());
    assert_eq!(refused, Err(CertificateError::WrongSignature(0)));
}

#[test]
fn a_certificate_holds_for_every_field_of_its_header_only() {
    let other = Hash::from_bytes([5; 32]);
    let changes: [fn(&mut Header, Hash); 8] = [
        |header, _| header.chain = ChainId::new(2),
        |header, _| header.height = BlockHeight::new(8),
        |header, other| header.parent = other,
        |header, _| header.time = TimeMs::new(1),
        |header, other| header.body_root = other,
        |header, other| header.receipts_root = other,
        |header, other| header.state_root = other,
        |header, other| header.channels_root = other,
    ];
    for change in changes {
        let mut changed = header();
        change(&mut changed, other);
        let refused = certificate(&[0, 1]).verify(&cluster(), &changed, &registered());
        assert_eq!(refused, Err(CertificateError::WrongSignature(0)), "{changed:?}");
    }
}

#[test]
fn a_signature_over_the_same_bytes_in_another_domain_is_refused() {
    let bytes = [cluster().as_bytes().as_slice(), &header().to_bytes()].concat();
    let other_domain = Domain::Batch.hash(&bytes);
    assert_eq!(header().hash(&cluster()), Domain::Header.hash(&bytes));
    let votes = [0, 1]
        .map(|number| Vote::sign(number, &signing_key(SEEDS[usize::from(number)]), &other_domain));
    check(&Certificate { votes: votes.to_vec() }, Err(CertificateError::WrongSignature(0)));
}

proptest! {
    #[test]
    fn any_changed_byte_of_header_or_certificate_is_refused(
        at in any::<Index>(),
        flip in 1..=255_u8,
    ) {
        let header_length = header().to_bytes().len();
        let mut bytes = header().to_bytes();
        certificate(&[0, 2]).encode(&mut bytes);
        let index = at.index(bytes.len());
        bytes[index] ^= flip;
        let header: Header = decode_exact(&bytes[..header_length]).unwrap();
        if let Ok(certificate) = decode_exact::<Certificate>(&bytes[header_length..]) {
            prop_assert!(certificate.verify(&cluster(), &header, &registered()).is_err());
        }
    }
}

#[test]
fn a_quorum_is_more_than_half() {
    for (size, quorum) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (7, 4), (64, 33)] {
        let seeds: Vec<u8> = (0..size).collect();
        assert_eq!(validator_set(0, &seeds).quorum(), quorum, "{size} validators");
    }
}

#[test]
fn a_certificate_with_too_many_votes_is_refused_unread() {
    let count = u32::try_from(VALIDATORS_MAX + 1).unwrap();
    let error = decode_exact::<Certificate>(&count.to_bytes()).unwrap_err();
    let (found, limit) = (VALIDATORS_MAX + 1, VALIDATORS_MAX);
    assert_eq!(error, DecodeError::TooMany { what: "votes", found, limit });
}

#[test]
fn a_validator_set_has_distinct_keys_within_its_limit() {
    let key = |number: u8| PublicKey::from_bytes([number; 32]);
    let sized = |size: u8| ValidatorSet::new(0, (0..size).map(key).collect());
    assert_eq!(sized(0), Err(ValidatorSetError::Size(0)));
    assert!(sized(64).is_ok());
    assert_eq!(sized(65), Err(ValidatorSetError::Size(65)));
    let repeated = ValidatorSet::new(0, vec![key(1), key(2), key(1)]);
    assert_eq!(repeated, Err(ValidatorSetError::Duplicate(key(1))));
}

#[test]
fn a_validator_set_from_outside_is_checked_as_well() {
    let key = signing_key(1).public();
    let json = format!(r#"{{"version":0,"keys":["{key}","{key}"]}}"#);
    let error = serde_json::from_str::<ValidatorSet>(&json).unwrap_err().to_string();
    assert!(error.contains("is listed twice"), "{error}");
    let packed = postcard::to_stdvec(&(0_u64, vec![key, key])).unwrap();
    assert!(postcard::from_bytes::<ValidatorSet>(&packed).is_err());
    let bytes = (0_u64, vec![key, key]).to_bytes();
    let refused = DecodeError::Invalid { what: "validator set", value: 2 };
    assert_eq!(decode_exact::<ValidatorSet>(&bytes), Err(refused));
}

#[test]
fn the_hash_of_a_set_covers_version_and_order() {
    let hashes = [
        validator_set(0, &[1, 2, 3]).hash(),
        validator_set(1, &[1, 2, 3]).hash(),
        validator_set(0, &[2, 1, 3]).hash(),
        validator_set(0, &[1, 2]).hash(),
    ];
    let distinct: std::collections::BTreeSet<_> = hashes.iter().collect();
    assert_eq!(distinct.len(), hashes.len());
}
