//! Payments to merchants, and how they reach the merchant's one balance.

use tributary_chain::Action;
use tributary_chain::Message;
use tributary_chain::message::STATEMENT_ROWS_MAX;
use tributary_chain::operation::OpenMerchant;
use tributary_ledger::Parameters;
use tributary_types::{AccountId, OutcomeCode, PaymentKind};

use crate::harness::{GBP, HF, Item, ONE, TWO, World, amount, float};

#[test]
fn payments_on_two_chains_become_one_balance() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 1_000);
    assert_eq!(world.pay(ONE, PaymentKind::Payment, alice, shop, 300).code, OutcomeCode::Committed);
    assert_eq!(world.pay(TWO, PaymentKind::Payment, bob, shop, 200).code, OutcomeCode::Committed);
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(300));
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().available, amount(0));
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!(merchant.available, amount(500));
    assert_eq!((merchant.received, merchant.refunded), (amount(500), amount(0)));
    assert_eq!(merchant.balance.to_string(), "500");
    assert_eq!(merchant.payments, 2);
    assert_eq!(merchant.chains.len(), 2);
    assert_eq!(merchant.chains[0].as_of_height, {
        world.ledger(ONE).settlement_status().last_statement_height
    });
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(0));
    assert_eq!(world.balance(ONE, alice), "700");
    world.books();
}

#[test]
fn a_settlement_waits_for_its_interval_and_for_something_to_say() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    assert_eq!(world.ledger(ONE).next_due(), None, "nothing to settle");
    world.advance(10_000);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 0);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 1);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 1, "long due");
    world.pay(ONE, PaymentKind::Payment, alice, shop, 1);
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.last_epoch, status.unsettled_rows), (1, 1));
    assert_eq!(status.unsettled_since, Some(world.ledger(ONE).header().height));
    let due = world.ledger(ONE).next_due().unwrap();
    assert_eq!(due, world.now.plus_ms(200));
    world.advance(199);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 1);
    world.advance(1);
    world.tick(ONE);
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.last_epoch, status.unsettled_since), (2, None));
}

#[test]
fn a_backlog_never_grows_while_the_hf_chain_is_away() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    for _ in 0..20 {
        world.advance(200);
        world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
    }
    let status = world.ledger(ONE).settlement_status();
    assert_eq!(status.last_epoch, world.genesis.parameters.statements_unacknowledged_max);
    assert_eq!(world.ledger(ONE).next_due(), None, "blocked");
    world.books();
    world.relay();
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.received, merchant.payments), (amount(200), 20));
    assert_eq!(merchant.chains[0].epoch, 5, "one more statement says all the rest");
    world.books();
}

#[test]
fn the_float_stays_below_and_counts_as_the_merchants_money() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(100, 40));
    let alice = world.open("alice", ONE, 1_000);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 350);
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!(merchant.available, amount(250));
    assert_eq!(merchant.balance.to_string(), "350");
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(100));
    // Refunds below the low mark make the next settlement ask for more.
    assert_eq!(world.pay(ONE, PaymentKind::Refund, shop, alice, 70).code, OutcomeCode::Committed);
    world.settle();
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(100));
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.available, merchant.balance.to_string()), (amount(180), "280".to_owned()));
    // A lower target is put in force by the next settlement.
    assert_eq!(world.set_float(shop, float(10, 0)), OutcomeCode::Committed);
    world.relay();
    world.settle();
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(10));
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().available, amount(270));
    world.books();
}

#[test]
fn a_float_is_filled_before_the_first_payment() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    world.fund_merchant(shop, 1_000);
    assert_eq!(world.set_float(shop, float(100, 1)), OutcomeCode::Committed);
    world.relay();
    world.settle();
    for chain in [ONE, TWO] {
        assert_eq!(world.ledger(chain).proxy(&shop).unwrap().balance, amount(100));
    }
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.available, merchant.balance.to_string()), (amount(800), "1000".into()));
    world.books();
}

#[test]
fn a_merchant_without_money_is_asked_once_and_not_for_ever() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(100, 50));
    world.settle();
    let sent = world.ledger(ONE).settlement_status().sent_sequence_to_hf;
    for _ in 0..5 {
        world.settle();
    }
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.sent_sequence_to_hf, status.unsettled_rows), (sent, 0));
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().requested, None);
}

/// A world with more merchants than a statement holds, each of which `alice` has
/// paid 3.
fn many_merchants(interval_ms: u64) -> (World, AccountId, Vec<AccountId>) {
    let parameters = Parameters { settlement_interval_ms: interval_ms, ..Parameters::default() };
    let mut world = World::with(1, parameters);
    let names: Vec<String> = (0..STATEMENT_ROWS_MAX + 500).map(|n| format!("m{n}")).collect();
    let alice = world.open("alice", ONE, 1_000_000);
    for names in names.chunks(1_000) {
        let mut items = Vec::new();
        for name in names {
            let account = world.merchant(name);
            let name = name.parse().unwrap();
            let open = OpenMerchant { account, name, asset: GBP, float: float(0, 0) };
            items.push(Item::Do(world.operation(Action::OpenMerchant(open))));
        }
        assert!(world.submit(HF, &items).iter().all(|receipt| receipt.code.is_committed()));
    }
    world.relay();
    let mut shops: Vec<_> = names.iter().map(|name| world.merchant(name)).collect();
    shops.sort_unstable();
    let mut items = Vec::new();
    for shop in &shops {
        let payment = world.payment(PaymentKind::Payment, alice, *shop, 3);
        items.push(Item::Pay((&payment).into()));
    }
    assert!(world.submit(ONE, &items).iter().all(|receipt| receipt.code.is_committed()));
    (world, alice, shops)
}

#[test]
fn more_merchants_than_one_statement_holds_are_stated_block_by_block() {
    let (mut world, _, shops) = many_merchants(1_000);
    world.advance(1_000);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).settlement_status().unsettled_rows, 500);
    world.tick(ONE);
    world.relay();
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.unsettled_rows, status.last_epoch), (0, 2));
    assert_eq!(status.unsettled_since, None);
    assert_eq!(world.ledger(HF).merchants().len(), shops.len());
    assert!(world.ledger(HF).merchants().all(|merchant| merchant.available == amount(3)));
    world.books();
}

#[test]
fn what_changes_behind_a_series_waits_for_the_next_one() {
    let (mut world, alice, shops) = many_merchants(1_000);
    world.advance(1_000);
    world.tick(ONE);
    let began = world.ledger(ONE).header().height;
    // What is left of the series comes back from a checkpoint.
    world.restart(ONE);
    // The first was stated a moment ago, the last is still to come.
    let (first, last) = (shops[0], *shops.last().unwrap());
    let payments = [first, last].map(|shop| world.payment(PaymentKind::Payment, alice, shop, 4));
    let items = payments.map(|payment| Item::Pay((&payment).into()));
    assert!(world.submit(ONE, &items).iter().all(|receipt| receipt.code.is_committed()));
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.unsettled_rows, status.last_epoch), (1, 2));
    assert_eq!(status.unsettled_since, Some(began), "no change before that is unsaid");
    world.advance(999);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 2, "the interval is not over");
    world.advance(1);
    world.tick(ONE);
    world.relay();
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.unsettled_rows, status.last_epoch), (0, 3));
    assert_eq!(status.unsettled_since, None);
    let available = |shop| world.ledger(HF).merchant(&shop).unwrap().available;
    assert_eq!((available(first), available(last)), (amount(7), amount(7)));
    world.books();
}

#[test]
fn statements_name_their_predecessor_and_ascend() {
    let mut world = World::new(1);
    let [a, b] = ["a", "b"].map(|name| world.open_merchant(name, float(0, 0)));
    let alice = world.open("alice", ONE, 1_000);
    let mut statements = Vec::new();
    for _ in 0..3 {
        world.advance(200);
        world.pay(ONE, PaymentKind::Payment, alice, b, 1);
        world.pay(ONE, PaymentKind::Payment, alice, a, 1);
    }
    world.advance(200);
    world.tick(ONE);
    for message in world.delivery(ONE, HF).messages {
        if let Message::Statement(statement) = message {
            statements.push(statement);
        }
    }
    assert!(statements.len() >= 3);
    for pair in statements.windows(2) {
        assert_eq!(pair[1].previous, pair[0].hash());
        assert_eq!(pair[1].epoch, pair[0].epoch + 1);
        assert_eq!(pair[1].first_height, pair[0].last_height.next());
    }
    let ascending = |rows: &[tributary_chain::StatementRow]| {
        rows.windows(2).all(|pair| pair[0].account < pair[1].account)
    };
    assert!(statements.iter().all(|statement| ascending(&statement.rows)));
}
