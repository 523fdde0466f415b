//! Owner signatures: whoever verifies them, and however many at once, the
//! outcome is the same.

use std::sync::Mutex;

use tributary_chain::batch::OwnerSignature;
use tributary_chain::operation::OpenAccount;
use tributary_chain::{Action, Batch, Body, ClockReport};
use tributary_ledger::{Executed, InPlace, Ledger, SignatureVerifier};
use tributary_types::{
    AccountId, Encode as _, OutcomeCode, PaymentKind, PaymentRecord, SignatureCheck, SigningKey,
};

use crate::harness::{BANK, GBP, Item, ONE, World, institution_key, owner_key};

/// Verifies one by one and remembers what it was asked.
#[derive(Debug, Default)]
struct OneByOne(Mutex<Vec<Vec<SignatureCheck>>>);

impl SignatureVerifier for OneByOne {
    fn verify(&self, checks: &[SignatureCheck]) -> Vec<bool> {
        self.0.lock().unwrap().push(checks.to_vec());
        checks.iter().map(SignatureCheck::holds).collect()
    }
}

/// Answers nothing: execution verifies each signature itself.
#[derive(Debug)]
struct Silent;

impl SignatureVerifier for Silent {
    fn verify(&self, _checks: &[SignatureCheck]) -> Vec<bool> {
        Vec::new()
    }
}

fn owned(world: &mut World, name: &str, key: &SigningKey) -> AccountId {
    world.open_owned(name, ONE, 1_000, Some(key.public()))
}

fn sign(world: &World, payment: u32, record: &PaymentRecord, key: &SigningKey) -> OwnerSignature {
    OwnerSignature { payment, signature: key.sign(&record.signing_hash(&world.genesis.hash())) }
}

/// A batch whose payments are each signed by the key beside them, if any.
fn signed_batch(
    world: &mut World,
    operations: &[Item],
    payments: &[(AccountId, AccountId, Option<SigningKey>)],
) -> Batch {
    let (mut items, mut signatures) = (operations.to_vec(), Vec::new());
    for (index, (debit, credit, key)) in (0..).zip(payments) {
        let payment = world.payment(PaymentKind::Transfer, *debit, *credit, 1);
        let record = PaymentRecord::from(&payment);
        signatures.extend(key.as_ref().map(|key| sign(world, index, &record, key)));
        items.push(Item::Pay(record));
    }
    world.signed_batch(ONE, BANK, &items, signatures)
}

/// Executes the batches in one block under each verifier; all agree.
fn check(world: &World, batches: Vec<Batch>, expected: &[OutcomeCode]) -> Vec<Vec<SignatureCheck>> {
    let clocks = (0..3).map(|validator| ClockReport { validator, time: world.now }).collect();
    let body = Body { clocks, deliveries: Vec::new(), batches };
    let root = Body::root_of_bytes(&body.to_bytes());
    let execute = |verifier: &dyn SignatureVerifier| -> (Executed, Ledger) {
        let mut ledger = world.ledger(ONE).clone();
        (ledger.execute_with(&body, root, verifier), ledger)
    };
    let asked = OneByOne::default();
    let (executed, ledger) = execute(&asked);
    let codes: Vec<_> = executed.outcomes.receipts.iter().map(|receipt| receipt.code).collect();
    assert_eq!(codes, expected);
    for (other, state) in [execute(&InPlace), execute(&Silent)] {
        assert_eq!(other, executed);
        assert_eq!(state.all_pages(), ledger.all_pages());
    }
    asked.0.into_inner().unwrap()
}

#[test]
fn all_signatures_of_a_block_are_verified_together() {
    let mut world = World::new(1);
    let (alice, bob) = (owned(&mut world, "alice", &owner_key(5)), world.open("bob", ONE, 10));
    let pay = |key: u8| (alice, bob, Some(owner_key(key)));
    let first = signed_batch(&mut world, &[], &[pay(5), pay(6), (alice, bob, None), pay(5)]);
    let second = signed_batch(&mut world, &[], &[(bob, alice, None), pay(5)]);
    let (committed, invalid) = (OutcomeCode::Committed, OutcomeCode::OwnerSignatureInvalid);
    let missing = OutcomeCode::OwnerSignatureMissing;
    let expected = [committed, invalid, missing, committed, committed, committed];
    let asked = check(&world, vec![first, second], &expected);
    assert_eq!(asked.iter().map(Vec::len).collect::<Vec<_>>(), [4]);
}

#[test]
fn an_account_that_the_same_block_opens_has_its_owner() {
    let mut world = World::new(1);
    let (carol, issuer) = (world.user("carol", ONE), world.issuer(ONE));
    let bob = world.open("bob", ONE, 10);
    let mut open = |key: u8| {
        let owner = Some(owner_key(key).public());
        let open = OpenAccount { account: carol, asset: GBP, owner };
        Item::Do(world.operation(Action::OpenAccount(open)))
    };
    // The second one is refused: the account has an owner by then.
    let operations = [open(1), open(2)];
    let issue = world.payment(PaymentKind::Issue, issuer, carol, 100);
    let issue = world.batch(ONE, BANK, &[Item::Pay(PaymentRecord::from(&issue))]);
    let opens = world.batch(ONE, BANK, &operations);
    let pays = [(carol, bob, Some(owner_key(1))), (carol, bob, Some(owner_key(2)))];
    let pays = signed_batch(&mut world, &[], &pays);
    let expected = [
        OutcomeCode::Committed,
        OutcomeCode::AccountExists,
        OutcomeCode::Committed,
        OutcomeCode::Committed,
        OutcomeCode::OwnerSignatureInvalid,
    ];
    check(&world, vec![opens, issue, pays], &expected);
}

#[test]
fn an_owner_that_was_expected_wrongly_is_found_out() {
    let mut world = World::new(1);
    let (carol, issuer) = (world.user("carol", ONE), world.issuer(ONE));
    let bob = world.open("bob", ONE, 10);
    let owner = |key: u8| Some(owner_key(key).public());
    // The first opening names an asset that does not exist and is refused.
    let asset = tributary_types::AssetId::new(99);
    let wrong = Action::OpenAccount(OpenAccount { account: carol, asset, owner: owner(1) });
    let right = Action::OpenAccount(OpenAccount { account: carol, asset: GBP, owner: owner(2) });
    let opens = [Item::Do(world.operation(wrong)), Item::Do(world.operation(right))];
    let issue = world.payment(PaymentKind::Issue, issuer, carol, 100);
    let issue = world.batch(ONE, BANK, &[Item::Pay(PaymentRecord::from(&issue))]);
    let opens = world.batch(ONE, BANK, &opens);
    let pays = [(carol, bob, Some(owner_key(2))), (carol, bob, Some(owner_key(1)))];
    let pays = signed_batch(&mut world, &[], &pays);
    let expected = [
        OutcomeCode::UnknownAsset,
        OutcomeCode::Committed,
        OutcomeCode::Committed,
        OutcomeCode::Committed,
        OutcomeCode::OwnerSignatureInvalid,
    ];
    check(&world, vec![opens, issue, pays], &expected);
}

#[test]
fn what_is_refused_as_a_whole_is_not_verified() {
    let mut world = World::new(1);
    let (alice, bob) = (owned(&mut world, "alice", &owner_key(5)), world.open("bob", ONE, 10));
    let mut batch = signed_batch(&mut world, &[], &[(alice, bob, Some(owner_key(5)))]);
    batch.key = owner_key(9).public();
    assert_ne!(batch.key, institution_key(BANK).public());
    let asked = check(&world, vec![batch], &[OutcomeCode::UnknownKey]);
    assert!(asked.is_empty());
}
