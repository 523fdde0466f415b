//! Refunds and payouts: at once, waiting, partly granted, refused.

use tributary_chain::AccountStatus;
use tributary_ledger::Parameters;
use tributary_types::payment::Payment;
use tributary_types::{AccountId, OutcomeCode, PaymentKind};

use crate::harness::{HF, ONE, TWO, World, amount, float};

/// A merchant that holds `available` on the HF chain, and a payer.
fn scene(available: u128) -> (World, AccountId, AccountId) {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    if available > 0 {
        world.fund_merchant(shop, available);
    }
    let alice = world.open("alice", ONE, 1_000);
    (world, shop, alice)
}

fn refund(world: &mut World, shop: AccountId, to: AccountId, minor: u128) -> Payment {
    let payment = world.payment(PaymentKind::Refund, shop, to, minor);
    world.pay_record(ONE, &payment);
    payment
}

fn code(world: &World, payment: &Payment) -> OutcomeCode {
    world.ledger(ONE).payment(&payment.id).unwrap().code
}

#[test]
fn a_refund_that_the_proxy_can_pay_is_final_at_once() {
    let (mut world, shop, alice) = scene(0);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 100);
    let receipt = world.pay(ONE, PaymentKind::Refund, shop, alice, 30);
    assert_eq!(receipt.code, OutcomeCode::Committed);
    let receipt = world.pay(ONE, PaymentKind::Payout, shop, alice, 70);
    assert_eq!(receipt.code, OutcomeCode::Committed);
    let proxy = world.ledger(ONE).proxy(&shop).unwrap();
    assert_eq!((proxy.counters.refunded, proxy.counters.payments), (amount(100), 3));
    assert_eq!(world.balance(ONE, alice), "1000");
}

#[test]
fn a_refund_waits_for_the_merchants_money_and_then_executes() {
    let (mut world, shop, alice) = scene(500);
    let payment = refund(&mut world, shop, alice, 300);
    assert_eq!(code(&world, &payment), OutcomeCode::AwaitingFunds);
    let proxy = world.ledger(ONE).proxy(&shop).unwrap();
    assert_eq!((proxy.waiting, proxy.waiting_amount), (1, amount(300)));
    assert_eq!(proxy.requested, Some(amount(300)));
    assert_eq!(world.balance(ONE, alice), "1000");
    world.books();
    world.relay();
    assert_eq!(code(&world, &payment), OutcomeCode::Committed);
    assert_eq!(world.balance(ONE, alice), "1300");
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.available, merchant.refunded), (amount(200), amount(300)));
    assert_eq!(merchant.balance.to_string(), "200");
    world.books();
}

#[test]
fn payments_that_arrive_meanwhile_serve_the_queue() {
    let (mut world, shop, alice) = scene(0);
    let payment = refund(&mut world, shop, alice, 300);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 200);
    assert_eq!(code(&world, &payment), OutcomeCode::AwaitingFunds);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 100);
    assert_eq!(code(&world, &payment), OutcomeCode::Committed);
    world.settle();
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().balance.to_string(), "0");
    world.books();
}

#[test]
fn refunds_execute_in_order_of_arrival_and_nobody_overtakes() {
    let (mut world, shop, alice) = scene(100);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 50);
    let large = refund(&mut world, shop, alice, 120);
    let small = refund(&mut world, shop, alice, 10);
    assert_eq!(code(&world, &small), OutcomeCode::AwaitingFunds, "although 50 are there");
    world.relay();
    let large = world.ledger(ONE).payment(&large.id).unwrap();
    let small = world.ledger(ONE).payment(&small.id).unwrap();
    assert_eq!((large.code, small.code), (OutcomeCode::Committed, OutcomeCode::Committed));
    assert!(large.position < small.position);
    world.books();
}

#[test]
fn a_merchant_that_cannot_pay_all_pays_what_it_can_and_refuses_the_rest() {
    let (mut world, shop, alice) = scene(100);
    let payments: Vec<Payment> =
        [60, 500, 30, 20].map(|minor| refund(&mut world, shop, alice, minor)).into();
    world.relay();
    let codes: Vec<_> = payments.iter().map(|payment| code(&world, payment)).collect();
    assert_eq!(
        codes,
        [
            OutcomeCode::Committed,
            OutcomeCode::InsufficientFunds,
            OutcomeCode::Committed,
            OutcomeCode::InsufficientFunds,
        ]
    );
    let proxy = world.ledger(ONE).proxy(&shop).unwrap();
    assert_eq!((proxy.waiting, proxy.requested), (0, None));
    assert_eq!(proxy.balance, amount(10), "granted 100, paid back 90");
    world.settle();
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().available, amount(10));
    world.books();
}

#[test]
fn the_refusal_says_what_was_available() {
    let (mut world, shop, alice) = scene(70);
    let payment = refund(&mut world, shop, alice, 100);
    world.carry(ONE, HF).unwrap();
    world.carry(HF, ONE).unwrap();
    let late = &world.last[&ONE].outcomes.late;
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].0.parse().unwrap(), payment);
    assert_eq!(late[0].1.code, OutcomeCode::InsufficientFunds);
    assert_eq!(late[0].1.detail, amount(70));
}

#[test]
fn an_answer_decides_only_about_refunds_that_it_was_asked_for() {
    let (mut world, shop, alice) = scene(100);
    let early = refund(&mut world, shop, alice, 200);
    world.carry(ONE, HF).unwrap();
    // Comes after the request was made; the merchant earns in between.
    let late = refund(&mut world, shop, alice, 150);
    world.fund_merchant(shop, 1_000);
    world.carry(HF, ONE).unwrap();
    assert_eq!(code(&world, &early), OutcomeCode::InsufficientFunds);
    assert_eq!(code(&world, &late), OutcomeCode::AwaitingFunds, "asks for itself");
    world.relay();
    assert_eq!(code(&world, &late), OutcomeCode::Committed);
    world.settle();
    world.books();
}

#[test]
fn a_frozen_merchant_grants_nothing_and_its_refunds_are_refused() {
    let (mut world, shop, alice) = scene(1_000);
    let payment = refund(&mut world, shop, alice, 100);
    assert_eq!(world.set_merchant(shop, AccountStatus::Frozen), OutcomeCode::Committed);
    world.relay();
    assert_eq!(code(&world, &payment), OutcomeCode::DebitAccountFrozen);
    let receipt = world.pay(ONE, PaymentKind::Refund, shop, alice, 1);
    assert_eq!(receipt.code, OutcomeCode::DebitAccountFrozen);
    let receipt = world.pay(ONE, PaymentKind::Payment, alice, shop, 1);
    assert_eq!(receipt.code, OutcomeCode::CreditAccountFrozen);
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().available, amount(1_000));
    world.books();
}

#[test]
fn a_closed_merchant_takes_no_payment_but_pays_back() {
    let (mut world, shop, alice) = scene(1_000);
    assert_eq!(world.set_merchant(shop, AccountStatus::Closed), OutcomeCode::Committed);
    world.relay();
    let receipt = world.pay(ONE, PaymentKind::Payment, alice, shop, 1);
    assert_eq!(receipt.code, OutcomeCode::CreditAccountClosed);
    let payment = refund(&mut world, shop, alice, 100);
    world.relay();
    assert_eq!(code(&world, &payment), OutcomeCode::Committed);
    assert_eq!(world.set_merchant(shop, AccountStatus::Open), OutcomeCode::StatusConflict);
    world.settle();
    world.books();
}

#[test]
fn a_payee_that_closed_meanwhile_refuses_its_refund_and_holds_up_nobody() {
    let (mut world, shop, alice) = scene(1_000);
    let bob = world.open("bob", ONE, 0);
    let to_bob = refund(&mut world, shop, bob, 100);
    let to_alice = refund(&mut world, shop, alice, 100);
    assert_eq!(world.set_account(ONE, bob, AccountStatus::Closed), OutcomeCode::Committed);
    world.relay();
    assert_eq!(code(&world, &to_bob), OutcomeCode::CreditAccountClosed);
    assert_eq!(code(&world, &to_alice), OutcomeCode::Committed);
    world.settle();
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().balance.to_string(), "900");
    world.books();
}

#[test]
fn nothing_is_swept_from_under_waiting_refunds() {
    let (mut world, shop, alice) = scene(0);
    refund(&mut world, shop, alice, 300);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 250);
    world.advance(1_000);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(250));
    world.pay(ONE, PaymentKind::Payment, alice, shop, 50);
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().waiting, 0);
    world.settle();
    world.books();
}

#[test]
fn what_was_kept_for_a_refused_refund_is_swept() {
    let (mut world, shop, alice) = scene(0);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 40);
    let payment = refund(&mut world, shop, alice, 100);
    world.settle();
    assert_eq!(code(&world, &payment), OutcomeCode::InsufficientFunds);
    world.settle();
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(0));
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap().available, amount(40));
}

#[test]
fn a_refund_is_covered_by_sales_on_another_chain_once_they_settle() {
    let (mut world, shop, alice) = scene(0);
    let bob = world.open("bob", TWO, 1_000);
    world.pay(TWO, PaymentKind::Payment, bob, shop, 500);
    world.settle();
    let payment = refund(&mut world, shop, alice, 400);
    world.relay();
    assert_eq!(code(&world, &payment), OutcomeCode::Committed);
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!(merchant.balance.to_string(), "100");
    assert_eq!((merchant.received, merchant.refunded), (amount(500), amount(400)));
    world.books();
}

#[test]
fn waiting_refunds_may_be_forbidden() {
    let parameters = Parameters { waiting_refunds_max: 0, ..Parameters::default() };
    let mut world = World::with(1, parameters);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 10);
    let receipt = world.pay(ONE, PaymentKind::Refund, shop, alice, 1);
    assert_eq!(receipt.code, OutcomeCode::TooManyWaiting);
}

#[test]
fn a_fund_request_that_cannot_be_sent_is_sent_later() {
    // Transfers and requests share nothing, but an outbox that nobody empties
    // fills: requests are then noted, not lost.
    use tributary_chain::channel::OUTBOX_MESSAGES_MAX;
    use tributary_ledger::limits::UNANSWERED_MAX;
    assert_eq!(UNANSWERED_MAX * 2, OUTBOX_MESSAGES_MAX);
    let mut world = World::new(1);
    let alice = world.open("alice", ONE, 0);
    let mut opened = Vec::new();
    for first in (0..UNANSWERED_MAX + 10).step_by(4_000) {
        let names = first..(first + 4_000).min(UNANSWERED_MAX + 10);
        let mut items = Vec::new();
        for name in names {
            let name = format!("m{name}");
            let account = world.merchant(&name);
            let name = name.parse().unwrap();
            let asset = crate::harness::GBP;
            let open = tributary_chain::operation::OpenMerchant {
                account,
                name,
                asset,
                float: float(0, 0),
            };
            items.push(crate::harness::Item::Do(
                world.operation(tributary_chain::Action::OpenMerchant(open)),
            ));
            opened.push(account);
        }
        assert!(world.submit(HF, &items).iter().all(|receipt| receipt.code.is_committed()));
        world.relay();
    }
    for shops in opened.chunks(8_000) {
        let mut items = Vec::new();
        for shop in shops {
            let payment = world.payment(PaymentKind::Refund, *shop, alice, 1);
            items.push(crate::harness::Item::Pay((&payment).into()));
        }
        let receipts = world.submit(ONE, &items);
        assert!(receipts.iter().all(|receipt| receipt.code == OutcomeCode::AwaitingFunds));
    }
    let last = world.ledger(ONE).proxy(opened.last().unwrap()).unwrap();
    assert_eq!((last.waiting, last.requested), (1, None), "the channel is full");
    world.relay();
    let last = world.ledger(ONE).proxy(opened.last().unwrap()).unwrap();
    assert_eq!((last.waiting, last.requested), (0, None), "asked, answered, refused");
    world.books();
}
