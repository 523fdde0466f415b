//! The id window: replays, reuse, expiry, and the memory of it.

use tributary_ledger::view::Remembered;
use tributary_types::payment::Payment;
use tributary_types::{OutcomeCode, PaymentId, PaymentKind, PaymentRecord, Reference};

use crate::harness::{CREATED, GBP, HF, Item, ONE, TWO, World, amount, float, outcome_proof};

#[test]
fn a_resubmission_gets_the_first_outcome_and_moves_nothing() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 100));
    let payment = world.payment(PaymentKind::Transfer, alice, bob, 60);
    let first = world.pay_record(ONE, &payment);
    let remembered = world.ledger(ONE).payment(&payment.id).unwrap();
    assert_eq!(remembered.code, OutcomeCode::Committed);
    for _ in 0..3 {
        let again = world.pay_record(ONE, &payment);
        assert_eq!((again.code, again.replay), (first.code, true));
        assert_eq!(again.first(), Some(remembered.position));
        assert!(again.previous_debit.is_none() && again.previous_credit.is_none());
    }
    assert_eq!(world.balance(ONE, alice), "40");
    assert_eq!(world.ledger(ONE).last_position(&alice), remembered.position);
}

/// Two payments of one id, found by a collision search of 14 seconds on two cores:
/// 56 bits of their contents' hashes are the same.
fn made_to_fit(world: &World) -> [Payment; 2] {
    let [alice, bob] = ["alice", "bob"].map(|name| world.user(name, ONE));
    [(1, 0xff_cb0d_cda8_8e66_u64), (60, 0x18_f460_c3f1_4ee5)].map(|(minor, number)| {
        let mut reference = Reference::default();
        reference.0[..8].copy_from_slice(&number.to_le_bytes());
        Payment {
            id: PaymentId::new(CREATED, [7; 10]),
            kind: PaymentKind::Transfer,
            debit: alice,
            credit: bob,
            amount: amount(minor),
            asset: GBP,
            reference,
        }
    })
}

#[test]
fn what_was_made_to_fit_another_content_moves_nothing_and_is_no_proof() {
    let mut world = World::new(1);
    for name in ["alice", "bob"] {
        world.open(name, ONE, 100);
    }
    let [small, large] = made_to_fit(&world);
    assert!(!world.pay_record(ONE, &small).replay);
    let proof = outcome_proof(&world, ONE, 0).unwrap();
    proof.verify(&world.genesis).unwrap();
    let again = world.pay_record(ONE, &large);
    assert_eq!((again.code, again.replay), (OutcomeCode::Committed, true), "it fits");
    assert_eq!(world.balance(ONE, small.debit), "99");
    let error = outcome_proof(&world, ONE, 0).unwrap().verify(&world.genesis).unwrap_err();
    let first = world.ledger(ONE).payment(&small.id).unwrap().position;
    assert_eq!(again.first(), Some(first));
    let sentence =
        format!("a replay proves nothing of its own: ask for a proof of the outcome at {first:?}");
    assert_eq!(error.to_string(), sentence);
    let another = Payment { amount: amount(2), ..large };
    assert_eq!(world.pay_record(ONE, &another).code, OutcomeCode::IdReused);
}

#[test]
fn twice_in_one_batch_is_once() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 100));
    let item =
        Item::Pay(PaymentRecord::from(&world.payment(PaymentKind::Transfer, alice, bob, 60)));
    let receipts = world.submit(ONE, &[item.clone(), item]);
    assert_eq!(receipts[1].code, OutcomeCode::Committed);
    assert_eq!((receipts[0].replay, receipts[1].replay), (false, true));
    assert_eq!(world.balance(ONE, alice), "40");
}

#[test]
fn a_refusal_for_the_state_is_remembered_too() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 100));
    let payment = world.payment(PaymentKind::Transfer, alice, bob, 150);
    assert_eq!(world.pay_record(ONE, &payment).code, OutcomeCode::InsufficientFunds);
    let issuer = world.issuer(ONE);
    world.pay(ONE, PaymentKind::Issue, issuer, alice, 100);
    let again = world.pay_record(ONE, &payment);
    assert_eq!((again.code, again.replay), (OutcomeCode::InsufficientFunds, true));
    let retry = Payment { id: world.id(), ..payment };
    assert_eq!(world.pay_record(ONE, &retry).code, OutcomeCode::Committed);
}

#[test]
fn a_refusal_that_says_nothing_about_the_payment_is_not_remembered() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 100);
    let bob = world.open("bob", TWO, 100);
    let payment = world.payment(PaymentKind::Transfer, bob, alice, 10);
    assert_eq!(world.pay_record(ONE, &payment).code, OutcomeCode::Moved);
    assert_eq!(world.ledger(ONE).payment(&payment.id), None);
    assert_eq!(world.pay_record(TWO, &payment).code, OutcomeCode::InTransit);
    let items = [Item::Pay(PaymentRecord::from(&Payment { id: world.id(), ..payment }))];
    let unauthorized = world.submit_as(TWO, crate::harness::OTHER, &items)[0];
    assert_eq!(unauthorized.code, OutcomeCode::Unauthorized);
    assert_eq!(world.submit(TWO, &items)[0].code, OutcomeCode::InTransit);
}

#[test]
fn a_pending_outcome_is_replaced_by_the_final_one() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(0, 0));
    world.fund_merchant(shop, 1_000);
    let alice = world.open("alice", ONE, 0);
    let refund = world.payment(PaymentKind::Refund, shop, alice, 10);
    assert_eq!(world.pay_record(ONE, &refund).code, OutcomeCode::AwaitingFunds);
    let again = world.pay_record(ONE, &refund);
    assert_eq!((again.code, again.replay), (OutcomeCode::AwaitingFunds, true));
    world.relay();
    let Remembered { code, position } = world.ledger(ONE).payment(&refund.id).unwrap();
    assert_eq!(code, OutcomeCode::Committed);
    let again = world.pay_record(ONE, &refund);
    assert_eq!((again.code, again.replay), (OutcomeCode::Committed, true));
    assert_eq!(again.first(), Some(position), "where it became final");
    assert_eq!(world.balance(ONE, alice), "10");
}

#[test]
fn the_window_moves_with_block_time_and_forgets() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 100));
    let payment = world.payment(PaymentKind::Transfer, alice, bob, 10);
    assert_eq!(world.pay_record(ONE, &payment).code, OutcomeCode::Committed);
    world.advance(600_000);
    let again = world.pay_record(ONE, &payment);
    assert_eq!((again.code, again.replay), (OutcomeCode::Committed, true), "the last moment");
    world.advance(1);
    let late = world.pay_record(ONE, &payment);
    assert_eq!((late.code, late.replay), (OutcomeCode::Expired, false));
    world.advance(10_000);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).payment(&payment.id), None, "forgotten");
    assert_eq!(world.pay_record(ONE, &payment).code, OutcomeCode::Expired);
    assert_eq!(world.balance(ONE, alice), "90");
}

#[test]
fn one_wrong_clock_moves_neither_time_nor_the_window() {
    use tributary_chain::{Body, ClockReport};
    use tributary_types::{Encode, TimeMs};
    let mut world = World::new(1);
    let now = world.now;
    let report = |validator, time| ClockReport { validator, time };
    let body = Body {
        clocks: vec![report(0, now), report(1, TimeMs::new(u64::MAX)), report(2, now.plus_ms(5))],
        ..Body::default()
    };
    let ledger = world.ledgers.get_mut(&ONE).unwrap();
    let executed = ledger.execute(&body, Body::root_of_bytes(&body.to_bytes()));
    assert_eq!(executed.header.time, now.plus_ms(5));
}

#[test]
fn operations_share_the_window_with_payments() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(0, 0));
    let set = tributary_chain::operation::SetFloat { account: shop, float: float(5, 5) };
    let operation = world.operation(tributary_chain::Action::SetFloat(set));
    let item = Item::Do(operation.clone());
    assert!(!world.submit(HF, std::slice::from_ref(&item))[0].replay);
    assert!(world.submit(HF, &[item])[0].replay);
    let issuer = world.issuer(HF);
    let payment = world.payment(PaymentKind::Issue, issuer, shop, 1);
    let payment = Payment { id: operation.id, amount: amount(1), ..payment };
    assert_eq!(world.pay_record(HF, &payment).code, OutcomeCode::IdReused);
}
