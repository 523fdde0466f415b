//! User to user across chains: credited, refused, returned.

use tributary_chain::AccountStatus;
use tributary_types::payment::Payment;
use tributary_types::{OutcomeCode, PaymentKind};

use crate::harness::{ONE, TWO, World};

fn code(world: &World, payment: &Payment) -> OutcomeCode {
    world.ledger(ONE).payment(&payment.id).unwrap().code
}

#[test]
fn a_transfer_is_credited_at_the_far_end_and_confirmed() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 100);
    let bob = world.open("bob", TWO, 100);
    let payment = world.payment(PaymentKind::Transfer, alice, bob, 40);
    assert_eq!(world.pay_record(ONE, &payment).code, OutcomeCode::InTransit);
    assert_eq!((world.balance(ONE, alice), world.balance(TWO, bob)), ("60".into(), "100".into()));
    assert_eq!(world.books().assets[0].in_flight.to_string(), "40");
    world.carry(ONE, TWO).unwrap();
    assert_eq!(world.balance(TWO, bob), "140");
    let late = &world.last[&TWO].outcomes.late;
    assert_eq!(late[0].1.code, OutcomeCode::Committed, "the payee's history has it");
    assert_eq!(world.books().assets[0].in_flight.to_string(), "0");
    assert_eq!(code(&world, &payment), OutcomeCode::InTransit);
    world.carry(TWO, ONE).unwrap();
    assert_eq!(code(&world, &payment), OutcomeCode::Committed);
    assert_eq!(world.balance(ONE, alice), "60");
    world.books();
}

#[test]
fn a_refused_transfer_returns_the_money_and_says_why() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 100);
    let frozen = world.open("frozen", TWO, 0);
    let closed = world.open("closed", TWO, 0);
    world.set_account(TWO, frozen, AccountStatus::Frozen);
    world.set_account(TWO, closed, AccountStatus::Closed);
    let nobody = world.user("nobody", TWO);
    let cases = [
        (nobody, OutcomeCode::UnknownCreditAccount),
        (frozen, OutcomeCode::CreditAccountFrozen),
        (closed, OutcomeCode::CreditAccountClosed),
    ];
    for (payee, expected) in cases {
        let payment = world.payment(PaymentKind::Transfer, alice, payee, 40);
        assert_eq!(world.pay_record(ONE, &payment).code, OutcomeCode::InTransit);
        world.carry(ONE, TWO).unwrap();
        assert_eq!(world.books().assets[0].in_flight.to_string(), "40", "on the way back");
        assert_eq!(world.balance(ONE, alice), "60");
        world.carry(TWO, ONE).unwrap();
        assert_eq!(code(&world, &payment), expected);
        assert_eq!(world.balance(ONE, alice), "100");
        let last = world.ledger(ONE).last_position(&alice);
        assert_eq!(last, world.ledger(ONE).payment(&payment.id).unwrap().position);
    }
    world.books();
}

#[test]
fn money_returns_to_a_payer_that_was_frozen_meanwhile() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 100);
    let nobody = world.user("nobody", TWO);
    world.pay(ONE, PaymentKind::Transfer, alice, nobody, 100);
    let closing = world.set_account(ONE, alice, AccountStatus::Closed);
    assert_eq!(closing, OutcomeCode::AccountNotEmpty, "money may come back");
    assert_eq!(world.set_account(ONE, alice, AccountStatus::Frozen), OutcomeCode::Committed);
    world.relay();
    assert_eq!(world.balance(ONE, alice), "100");
    world.books();
}

#[test]
fn nothing_but_an_answer_ends_a_transfer() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 100);
    let bob = world.open("bob", TWO, 0);
    let payment = world.payment(PaymentKind::Transfer, alice, bob, 40);
    world.pay_record(ONE, &payment);
    world.advance(500_000);
    world.tick(ONE);
    assert_eq!(code(&world, &payment), OutcomeCode::InTransit);
    // Longer than the id window: the money is still neither here nor lost.
    world.advance(3_000_000);
    world.tick(ONE);
    assert_eq!(world.balance(ONE, alice), "60");
    world.relay();
    assert_eq!(world.balance(TWO, bob), "40");
    world.books();
}

#[test]
fn many_transfers_both_ways_are_answered_in_order() {
    let mut world = World::new(3);
    let three = tributary_types::ChainId::new(3);
    let chains = [ONE, TWO, three];
    let accounts = chains.map(|chain| world.open(&format!("user{chain}"), chain, 10_000));
    for round in 0..30_usize {
        for (index, chain) in chains.into_iter().enumerate() {
            let to = accounts[(index + 1 + round % 2) % 3];
            let minor = 1 + round as u128;
            world.pay(chain, PaymentKind::Transfer, accounts[index], to, minor);
        }
        let (from, to) = (chains[round % 3], chains[(round + 1) % 3]);
        world.carry(from, to).unwrap();
        world.books();
    }
    world.relay();
    let books = world.books();
    assert_eq!(books.assets[0].in_flight.to_string(), "0");
    assert_eq!(books.assets[0].users.to_string(), "30000");
}
