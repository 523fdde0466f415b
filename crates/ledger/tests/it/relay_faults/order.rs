//! Messages come once each, in order and complete, however relays behave.

use tributary_chain::InboxError;
use tributary_chain::channel::DELIVERY_BYTES_MAX;
use tributary_ledger::Admission;
use tributary_types::{Hash, PaymentKind};

use super::check_refused;
use crate::harness::{HF, ONE, TWO, World, amount};

#[test]
fn a_replay_is_a_no_op() {
    let (mut world, shop) = World::settled();
    let delivery = world.delivery(ONE, HF);
    let cursor = world.deliver(HF, delivery.clone()).unwrap();
    let once = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!(once.available, amount(300));
    assert_eq!(world.ledger(HF).admit_delivery(&delivery), Ok(Admission::Known(cursor)));
    for _ in 0..3 {
        assert_eq!(world.deliver(HF, delivery.clone()), Ok(cursor));
    }
    let twice_in_a_block = world.block(HF, Vec::new(), vec![delivery.clone(), delivery]);
    assert_eq!(twice_in_a_block.deliveries, [Ok(cursor), Ok(cursor)]);
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap(), once);
}

#[test]
fn a_gap_or_another_order_is_refused_with_the_expected_number() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    for _ in 0..2 {
        world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
        world.advance(200);
        world.tick(ONE);
    }
    let gap = world.delivery_after(ONE, HF, 1, DELIVERY_BYTES_MAX);
    assert_eq!(check_refused(&mut world, gap), InboxError::Gap { expected: 1, found: 2 });
    let mut swapped = world.delivery(ONE, HF);
    swapped.messages.swap(0, 1);
    assert_eq!(check_refused(&mut world, swapped), InboxError::WrongDigest);
    world.carry(ONE, HF).unwrap();
    assert_eq!(world.available(shop), 320);
}

#[test]
fn a_relay_that_omits_something_is_refused_and_another_delivers() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
    world.advance(200);
    world.tick(ONE);
    let genuine = world.delivery(ONE, HF);
    let mut omitted = genuine.clone();
    omitted.messages.remove(0);
    assert!(matches!(check_refused(&mut world, omitted), InboxError::Length { .. }));
    let mut omitted = genuine.clone();
    omitted.messages.pop();
    assert!(matches!(check_refused(&mut world, omitted), InboxError::Length { .. }));
    let mut hidden = genuine.clone();
    hidden.messages.pop();
    hidden.tail.push(Hash::from_bytes([1; 32]));
    assert_eq!(check_refused(&mut world, hidden), InboxError::WrongDigest);
    world.deliver(HF, genuine).unwrap();
    assert_eq!(world.available(shop), 310);
}

#[test]
fn a_delivery_may_carry_a_prefix_and_hashes_prove_the_rest() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 0);
    for _ in 0..50 {
        world.pay(ONE, PaymentKind::Transfer, alice, bob, 1);
    }
    let mut deliveries = 0;
    while world.received(TWO, ONE) < 50 {
        let after = world.received(TWO, ONE);
        let delivery = world.delivery_after(ONE, TWO, after, 8_500);
        assert!(delivery.messages.len() < 50 && !delivery.messages.is_empty());
        assert_eq!(
            delivery.messages.len() + delivery.tail.len() + usize::try_from(after).unwrap(),
            50
        );
        world.deliver(TWO, delivery).unwrap();
        assert_eq!(world.balance(TWO, bob), world.received(TWO, ONE).to_string());
        deliveries += 1;
    }
    assert!(deliveries > 2);
    world.relay();
    world.books();
}

#[test]
fn an_overlapping_delivery_applies_only_its_new_part() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 0);
    for total in 1..=10_u64 {
        world.pay(ONE, PaymentKind::Transfer, alice, bob, 1);
        let everything = world.delivery_after(ONE, TWO, 0, DELIVERY_BYTES_MAX);
        assert_eq!(world.deliver(TWO, everything), Ok(total));
        assert_eq!(world.balance(TWO, bob), total.to_string());
    }
}
