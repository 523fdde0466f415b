//! What happens to whole chains, relays and clocks.

use tributary_chain::channel::DELIVERY_BYTES_MAX;
use tributary_chain::{AccountStatus, Body, InboxError};
use tributary_ledger::{Admission, Ledger};
use tributary_types::codec::decode_exact;
use tributary_types::{OutcomeCode, PaymentKind};

use crate::harness::{BANK, GBP, HF, Item, ONE, TWO, World, amount, float};

#[test]
fn settlement_is_part_of_execution_so_a_failover_cannot_settle_twice() {
    let (mut world, shop) = World::settled();
    let mut other = Ledger::genesis(&world.genesis, ONE).unwrap();
    let replayed = world.replay_into(ONE, &mut other);
    assert_eq!(replayed, world.ledger(ONE).header().hash(&world.genesis.hash()));
    let ours = world.ledger(ONE).outgoing(HF, 0, DELIVERY_BYTES_MAX).unwrap();
    assert_eq!(other.outgoing(HF, 0, DELIVERY_BYTES_MAX), Some(ours));
    world.relay();
    assert_eq!(world.available(shop), 300);
    world.tick(ONE);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 1);
}

#[test]
fn relays_may_be_killed_at_any_moment_and_any_number_may_run() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    let mut kept = Vec::new();
    for _ in 0..10 {
        world.pay(ONE, PaymentKind::Payment, alice, shop, 7);
        world.advance(200);
        world.tick(ONE);
        let delivery = world.delivery(ONE, HF);
        kept.push(delivery.clone());
        // One relay delivers, another does the same, a third is behind.
        let stale = kept[kept.len() / 2].clone();
        let executed = world.block(HF, Vec::new(), vec![delivery.clone(), stale, delivery]);
        assert!(executed.deliveries.iter().all(Result::is_ok));
        world.carry(HF, ONE).unwrap();
    }
    assert_eq!(world.available(shop), 70);
    for delivery in kept {
        assert!(world.deliver(HF, delivery).is_ok());
    }
    assert_eq!(world.available(shop), 70);
    world.books();
}

#[test]
fn a_closed_merchant_is_credited_whole() {
    let (mut world, shop) = World::settled();
    assert_eq!(world.set_merchant(shop, AccountStatus::Closed), OutcomeCode::Committed);
    world.relay();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.available, merchant.status), (amount(300), AccountStatus::Closed));
    let issuer = world.issuer(HF);
    let withdrawn = world.pay(HF, PaymentKind::Redeem, shop, issuer, 300);
    assert_eq!(withdrawn.code, OutcomeCode::Committed, "and can take its money");
    world.books();
}

#[test]
fn clocks_of_chains_may_differ_by_hours() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let bob = world.open("bob", TWO, 1_000);
    let alice = world.open("alice", ONE, 1_000);
    world.advance(3_000_000);
    world.tick(ONE);
    assert!(world.pay(ONE, PaymentKind::Payment, alice, shop, 5).code.is_committed());
    world.relay();
    world.now = world.now.minus_ms(3_000_000);
    assert!(world.pay(TWO, PaymentKind::Payment, bob, shop, 5).code.is_committed());
    world.advance(400);
    world.tick(TWO);
    world.relay();
    assert_eq!(world.available(shop), 10);
    world.books();
}

#[test]
fn while_one_chain_is_halted_the_others_go_on_and_it_catches_up() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 1_000);
    world.pay(TWO, PaymentKind::Payment, bob, shop, 5);
    for _ in 0..20 {
        world.advance(200);
        world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
        world.carry(ONE, HF).unwrap();
        world.carry(HF, ONE).unwrap();
    }
    assert!(world.available(shop) >= 190);
    world.settle();
    world.settle();
    assert_eq!(world.available(shop), 205);
    world.books();
}

#[test]
fn worthless_deliveries_change_nothing_and_cost_no_state() {
    let (mut world, _) = World::settled();
    let mut worthless = world.delivery(ONE, HF);
    worthless.leaf.received_sequence += 1;
    let pages = world.ledger(HF).all_pages();
    for _ in 0..10 {
        let executed = world.block(HF, Vec::new(), vec![worthless.clone(); 20]);
        assert!(executed.deliveries.iter().all(|answer| answer == &Err(InboxError::WrongPath)));
    }
    assert_eq!(world.ledger(HF).all_pages(), pages);
}

#[test]
fn a_stale_route_table_does_no_harm() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let bob = world.open("bob", TWO, 1_000);
    let payment = world.payment(PaymentKind::Payment, bob, shop, 5);
    let refund = world.payment(PaymentKind::Refund, shop, bob, 5);
    for payment in [&payment, &refund] {
        let receipt = world.pay_record(ONE, payment);
        assert_eq!((receipt.code, receipt.detail), (OutcomeCode::Moved, amount(3)));
    }
    let open = tributary_chain::operation::OpenAccount { account: bob, asset: GBP, owner: None };
    assert_eq!(world.act(ONE, tributary_chain::Action::OpenAccount(open)), OutcomeCode::Moved);
    let batch = world.batch(TWO, BANK, &[Item::Pay((&payment).into())]);
    let wrong_chain = world.block(ONE, vec![batch], Vec::new()).outcomes.receipts[0];
    assert_eq!(wrong_chain.code, OutcomeCode::WrongChain);
    assert_eq!(world.pay_record(TWO, &payment).code, OutcomeCode::Committed);
}

#[test]
fn an_acknowledgement_that_overtakes_execution_is_worth_a_block() {
    let (mut world, _) = World::settled();
    // Two validators have executed the settlement, a slow leader has not.
    let (_, before) = world.bodies[&ONE].split_last().unwrap();
    let mut slow = Ledger::genesis(&world.genesis, ONE).unwrap();
    for bytes in before {
        slow.execute(&decode_exact(bytes).unwrap(), Body::root_of_bytes(bytes));
    }
    world.carry(ONE, HF).unwrap();
    let acknowledgement = world.delivery(HF, ONE);
    assert!(acknowledgement.messages.is_empty());
    assert_eq!(slow.admit_delivery(&acknowledgement), Ok(Admission::Useful));
    world.deliver(ONE, acknowledgement.clone()).unwrap();
    let known = world.ledger(ONE).admit_delivery(&acknowledgement);
    assert!(matches!(known, Ok(Admission::Known(_))));
}
