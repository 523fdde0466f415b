//! Nothing counts but what a quorum of the registered validators certified,
//! byte by byte.

use tributary_chain::certificate::Vote;
use tributary_chain::message::StatementRow;
use tributary_chain::{Body, Certificate, CertificateError, Delivery, InboxError, Message};
use tributary_types::codec::decode_exact;
use tributary_types::{AccountId, ChainId, Encode, Hash, OutcomeCode, PaymentKind};

use super::check_refused;
use crate::harness::{HF, ONE, TWO, World, amount, float, owner_key, validator_key};

#[test]
fn a_forged_header_root_or_key_is_refused() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let mut forged = genuine.clone();
    forged.header.state_root = Hash::from_bytes([1; 32]);
    assert!(matches!(check_refused(&mut world, forged), InboxError::Certificate(_)));
    let mut forged = genuine.clone();
    forged.header.channels_root = Hash::from_bytes([1; 32]);
    assert_eq!(check_refused(&mut world, forged), InboxError::WrongPath);
    let mut forged = genuine.clone();
    forged.header.validator_set = Hash::from_bytes([1; 32]);
    let refused = check_refused(&mut world, forged);
    assert!(matches!(refused, InboxError::Certificate(CertificateError::WrongSet { .. })));
    let mut forged = genuine;
    let hash = forged.header.hash(&world.genesis.hash());
    forged.certificate = Certificate {
        votes: (0..3_u8)
            .map(|index| Vote::sign(u16::from(index), &owner_key(index), &hash))
            .collect(),
    };
    let refused = check_refused(&mut world, forged);
    assert_eq!(refused, InboxError::Certificate(CertificateError::WrongSignature(0)));
    assert_eq!(world.available(shop), 0);
}

#[test]
fn a_certificate_of_another_cluster_or_chain_is_refused() {
    let (mut world, _) = World::settled();
    let mut other = world.delivery(ONE, HF);
    let hash = other.header.hash(&Hash::from_bytes([7; 32]));
    other.certificate.votes =
        (0..2).map(|index| Vote::sign(index, &validator_key(ONE, index), &hash)).collect();
    let refused = check_refused(&mut world, other);
    assert_eq!(refused, InboxError::Certificate(CertificateError::WrongSignature(0)));
    let mut other = world.delivery(ONE, HF);
    other.header.chain = TWO;
    let refused = check_refused(&mut world, other);
    assert!(matches!(refused, InboxError::Certificate(_)));
    let mut other = world.delivery(ONE, HF);
    other.header.chain = ChainId::new(77);
    assert_eq!(check_refused(&mut world, other), InboxError::UnknownSource(ChainId::new(77)));
}

#[test]
fn one_signature_counted_twice_or_too_few_is_refused() {
    let (mut world, _) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let mut twice = genuine.clone();
    twice.certificate.votes[1] = twice.certificate.votes[0];
    let refused = check_refused(&mut world, twice);
    assert_eq!(refused, InboxError::Certificate(CertificateError::NotAscending(0)));
    let mut few = genuine;
    few.certificate.votes.pop();
    let refused = check_refused(&mut world, few);
    let no_quorum = CertificateError::NoQuorum { found: 1, needed: 2 };
    assert_eq!(refused, InboxError::Certificate(no_quorum));
}

#[test]
fn a_proof_serves_no_other_amount_account_chain_or_asset() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let other = world.merchant("other");
    let changes: [fn(&mut StatementRow, AccountId); 3] = [
        |row, _| row.counters.swept = amount(301),
        |row, other| row.account = other,
        |row, _| row.asset = crate::harness::EUR,
    ];
    for change in changes {
        let mut altered = genuine.clone();
        let Some(Message::Statement(statement)) = altered.messages.last_mut() else {
            panic!("a statement is what there is to carry")
        };
        change(&mut statement.rows[0], other);
        assert_eq!(check_refused(&mut world, altered), InboxError::WrongDigest);
    }
    let wrong_destination = world.deliver(TWO, genuine).unwrap_err();
    assert_eq!(wrong_destination, InboxError::WrongDestination { expected: TWO, found: HF });
    assert_eq!(world.available(shop), 0);
}

#[test]
fn a_failed_payment_enters_no_channel() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 10);
    let nobody = world.user("nobody", ONE);
    let bob = world.user("bob", TWO);
    let before = world.ledger(ONE).channel_status();
    let poor = world.pay(ONE, PaymentKind::Payment, alice, shop, 11);
    let missing = world.pay(ONE, PaymentKind::Transfer, nobody, bob, 1);
    assert_eq!(poor.code, OutcomeCode::InsufficientFunds);
    assert_eq!(missing.code, OutcomeCode::UnknownDebitAccount);
    world.advance(1_000);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).channel_status(), before);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 0);
}

#[test]
fn corrupted_bytes_of_a_delivery_are_never_executed() {
    let (mut world, shop) = World::settled();
    let bytes = world.delivery(ONE, HF).to_bytes();
    let before = world.ledger(HF).merchant(&shop);
    let mut decoded = 0;
    for position in 0..bytes.len() {
        let mut corrupted = bytes.clone();
        corrupted[position] ^= 1 << (position % 8);
        let Ok(delivery) = decode_exact::<Delivery>(&corrupted) else { continue };
        decoded += 1;
        assert!(world.ledger(HF).admit_delivery(&delivery).is_err(), "byte {position}");
        let body = Body { deliveries: vec![delivery], ..Body::default() };
        let mut copy = world.ledger(HF).clone();
        let executed = copy.execute(&body, Hash::ZERO);
        assert!(executed.deliveries[0].is_err(), "byte {position}");
        assert_eq!(copy.merchant(&shop), before);
    }
    assert!(decoded > bytes.len() / 2);
    world.carry(ONE, HF).unwrap();
    assert_eq!(world.available(shop), 300);
}
