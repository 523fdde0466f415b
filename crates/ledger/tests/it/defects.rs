//! The defects of the 2017-18 implementation, numbered as in the design. Each
//! test makes the attack or the accident, and shows that it fails.

use tributary_chain::certificate::Vote;
use tributary_chain::message::{Fund, TransferOutcome};
use tributary_chain::operation::{
    AssetEntry, InstitutionKey, OpenAccount, OpenMerchant, RegistryChange, SetFloat, SetStatus,
};
use tributary_chain::{AccountStatus, Action, Certificate, CertificateError, InboxError, Message};
use tributary_ledger::Ledger;
use tributary_types::{OutcomeCode, PaymentKind, PaymentRecord};

use crate::harness::{
    BANK, CREATED, EUR, GBP, HF, Item, ONE, OTHER, TWO, World, amount, float, owner_key,
};
use crate::puppet::Puppet;

#[test]
fn defect_1_nobody_mints_by_going_round_the_relay() {
    let (mut world, shop) = World::settled();
    let mut minted = world.delivery(ONE, HF);
    minted.certificate = Certificate { votes: Vec::new() };
    let refused = world.deliver(HF, minted).unwrap_err();
    assert!(matches!(refused, InboxError::Certificate(CertificateError::NoQuorum { .. })));
    assert_eq!(world.available(shop), 0, "execution itself verifies");
}

#[test]
fn defect_2_the_signed_hash_is_tied_to_the_proved_root() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    // A header that the quorum did sign, beside a channel that it does not have.
    let mut puppet = Puppet::new(&world.genesis, ONE, HF);
    puppet.send(genuine.messages.last().unwrap().clone());
    let mut mixed = puppet.delivery(0);
    mixed.header = genuine.header.clone();
    mixed.certificate = genuine.certificate.clone();
    assert_eq!(world.deliver(HF, mixed), Err(InboxError::WrongPath));
    assert_eq!(world.available(shop), 0);
}

#[test]
fn defect_3_keys_of_the_prover_count_for_nothing() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let hash = genuine.header.hash(&world.genesis.hash());
    let made_up = Vote::sign(0, &owner_key(1), &hash);
    let real = genuine.certificate.votes[0];
    for (votes, expected) in [
        (vec![made_up], CertificateError::NoQuorum { found: 1, needed: 2 }),
        (vec![real, real, real], CertificateError::NotAscending(0)),
        (vec![real, Vote { validator: 9, ..made_up }], CertificateError::UnknownValidator(9)),
        (vec![real, Vote { validator: 1, ..made_up }], CertificateError::WrongSignature(1)),
    ] {
        let mut forged = genuine.clone();
        forged.certificate = Certificate { votes };
        assert_eq!(world.deliver(HF, forged), Err(InboxError::Certificate(expected)));
    }
    assert_eq!(world.available(shop), 0);
}

#[test]
fn defect_4_merchant_and_amount_are_inside_what_is_proved() {
    let (mut world, shop) = World::settled();
    let mut altered = world.delivery(ONE, HF);
    let Some(Message::Statement(statement)) = altered.messages.last_mut() else { panic!() };
    statement.rows[0].counters.swept = amount(3_000_000);
    assert_eq!(world.deliver(HF, altered), Err(InboxError::WrongDigest));
    assert_eq!(world.available(shop), 0);
}

#[test]
fn defect_5_only_success_enters_the_proxys_books() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    let receipt = world.pay(ONE, PaymentKind::Payment, alice, shop, 10_000);
    assert_eq!(receipt.code, OutcomeCode::InsufficientFunds);
    world.settle();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.received, merchant.payments), (amount(300), 1));
}

#[test]
fn defect_6_a_proof_is_deposited_once_and_in_order() {
    let (mut world, shop) = World::settled();
    let delivery = world.delivery(ONE, HF);
    for _ in 0..10 {
        world.deliver(HF, delivery.clone()).unwrap();
    }
    assert_eq!(world.available(shop), 300);
}

#[test]
fn defect_7_an_outstanding_withdrawal_blocks_nobody_and_survives_a_crash() {
    let (mut world, shop) = World::settled();
    world.relay();
    let other = world.open_merchant("other", float(0, 0));
    let (alice, bob) = (world.user("alice", ONE), world.open("bob", TWO, 500));
    let refund = world.payment(PaymentKind::Refund, shop, alice, 250);
    assert_eq!(world.pay_record(ONE, &refund).code, OutcomeCode::AwaitingFunds);
    // The merchant and everyone else go on.
    for (chain, payer, payee) in [(ONE, alice, shop), (ONE, alice, other), (TWO, bob, shop)] {
        let receipt = world.pay(chain, PaymentKind::Payment, payer, payee, 1);
        assert_eq!(receipt.code, OutcomeCode::Committed);
    }
    let issuer = world.issuer(HF);
    let withdrawn = world.pay(HF, PaymentKind::Redeem, shop, issuer, 40);
    assert_eq!(withdrawn.code, OutcomeCode::Committed);
    // Both ends crash after the first step and come back from their pages.
    world.carry(ONE, HF).unwrap();
    for chain in [ONE, HF] {
        world.restart(chain);
    }
    world.relay();
    assert_eq!(world.ledger(ONE).payment(&refund.id).unwrap().code, OutcomeCode::Committed);
    world.books();
}

#[test]
fn defect_8_time_alone_returns_no_money() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 100);
    let bob = world.open("bob", TWO, 0);
    world.pay(ONE, PaymentKind::Transfer, alice, bob, 100);
    world.carry(ONE, TWO).unwrap();
    assert_eq!(world.balance(TWO, bob), "100");
    for _ in 0..5 {
        world.advance(3_600_000);
        world.tick(ONE);
        world.tick(TWO);
    }
    assert_eq!(world.balance(ONE, alice), "0", "it does not exist twice");
    world.books();
}

#[test]
fn defect_9_an_answer_fits_its_question_or_freezes_who_gave_it() {
    let refused = OutcomeCode::UnknownCreditAccount;
    let cases: [(&str, bool, OutcomeCode); 3] = [
        ("the answer to another transfer", false, refused),
        ("an answer that is not final", true, OutcomeCode::InTransit),
        ("an answer to nothing", false, OutcomeCode::Committed),
    ];
    for (case, right_id, code) in cases {
        let mut world = World::new(3);
        let alice = world.open("alice", ONE, 100);
        let bob = world.open("bob", TWO, 0);
        let three = world.open("three", tributary_types::ChainId::new(3), 0);
        let first = world.payment(PaymentKind::Transfer, alice, bob, 10);
        let second = world.payment(PaymentKind::Transfer, alice, three, 10);
        world.pay_record(ONE, &first);
        world.pay_record(ONE, &second);
        let mut puppet = Puppet::new(&world.genesis, TWO, ONE);
        let id = if right_id { first.id } else { second.id };
        puppet.send(Message::TransferOutcome(TransferOutcome { id, code }));
        let lie = puppet.delivery(0);
        let answer = world.deliver(ONE, lie).unwrap_err();
        assert!(matches!(answer, InboxError::BrokenRule { .. }), "{case}: {answer}");
        assert_eq!(world.balance(ONE, alice), "80", "{case}");
        assert!(world.ledger(ONE).channel_status()[0].frozen.is_some(), "{case}");
        let pending = world.ledger(ONE).payment(&second.id).unwrap();
        assert_eq!(pending.code, OutcomeCode::InTransit, "{case}");
    }
}

#[test]
fn defect_9_money_comes_down_only_for_a_request() {
    let mut world = World::new(1);
    let shop = world.merchant("shop");
    let mut puppet = Puppet::new(&world.genesis, HF, ONE);
    let notice = tributary_chain::message::MerchantNotice {
        account: shop,
        asset: GBP,
        status: AccountStatus::Open,
        float: float(0, 0),
    };
    puppet.send(Message::Merchant(notice));
    let fund = Fund { account: shop, asset: GBP, requested: amount(5), granted: amount(5) };
    puppet.send(Message::Fund(fund));
    let lie = puppet.delivery(0);
    let refused = world.deliver(ONE, lie).unwrap_err();
    assert!(matches!(refused, InboxError::BrokenRule { sequence: 2, .. }));
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().balance, amount(0));
}

#[test]
fn defect_10_nobody_else_registers_opens_freezes_or_changes() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    let dollars = AssetEntry { id: EUR, code: "USD".parse().unwrap(), scale: 2 };
    let own_key = InstitutionKey { institution: OTHER, key: owner_key(1).public() };
    let open = OpenMerchant {
        account: world.merchant("new"),
        name: "new".parse().unwrap(),
        asset: GBP,
        float: float(0, 0),
    };
    let freeze = |account| SetStatus { account, status: AccountStatus::Frozen };
    let on_hf = [
        Action::Register(RegistryChange::Asset(dollars)),
        Action::Register(RegistryChange::AddKey(own_key)),
        Action::Register(RegistryChange::RevokeKey(own_key)),
        Action::OpenMerchant(open),
        Action::SetMerchantStatus(freeze(shop)),
        Action::SetFloat(SetFloat { account: shop, float: float(9, 9) }),
    ];
    for action in on_hf {
        assert_eq!(world.act_as(HF, OTHER, action), OutcomeCode::Unauthorized);
    }
    let open = OpenAccount { account: world.user("new", ONE), asset: GBP, owner: None };
    for action in [Action::OpenAccount(open), Action::SetAccountStatus(freeze(alice))] {
        assert_eq!(world.act_as(ONE, OTHER, action), OutcomeCode::Unauthorized);
    }
    let stolen = world.payment(PaymentKind::Payment, alice, shop, 1);
    let refund = world.payment(PaymentKind::Refund, shop, alice, 1);
    let items = [stolen, refund].map(|payment| Item::Pay(PaymentRecord::from(&payment)));
    for receipt in world.submit_as(ONE, OTHER, &items) {
        assert_eq!(receipt.code, OutcomeCode::Unauthorized);
    }
    let items =
        [Item::Pay(PaymentRecord::from(&world.payment(PaymentKind::Payment, alice, shop, 1)))];
    let batch = world.batch(ONE, BANK, &items);
    let unsigned = tributary_chain::Batch { key: owner_key(2).public(), ..batch };
    assert!(world.ledger(ONE).admit_batch(&unsigned).is_err());
}

#[test]
fn defect_11_what_is_unsettled_is_stated_and_books_are_compared_by_machine() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 5);
    let status = world.ledger(ONE).settlement_status();
    assert_eq!((status.unsettled_rows, status.last_epoch), (1, 1));
    assert_eq!(status.unsettled_since, Some(world.ledger(ONE).header().height));
    let books = world.books();
    assert_eq!(books.assets[0].in_flight.to_string(), "300");
    assert_eq!(books.assets[0].proxies.to_string(), "5");
    world.settle();
    let books = world.books();
    assert_eq!(books.assets[0].in_flight.to_string(), "0");
    assert_eq!(books.assets[0].merchants.to_string(), "305");
}

#[test]
fn defect_12_chains_and_merchants_settle_side_by_side() {
    let mut world = World::new(2);
    let shops = ["a", "b", "c"].map(|name| world.open_merchant(name, float(0, 0)));
    let payers = [(ONE, "alice"), (TWO, "bob")].map(|(chain, name)| {
        let payer = world.open(name, chain, 1_000);
        (chain, payer)
    });
    for (chain, payer) in payers {
        for shop in shops {
            world.pay(chain, PaymentKind::Payment, payer, shop, 10);
        }
    }
    world.advance(200);
    let deliveries = payers.map(|(chain, _)| {
        world.tick(chain);
        world.delivery(chain, HF)
    });
    let before = world.ledger(HF).header().height;
    let executed = world.block(HF, Vec::new(), deliveries.into());
    assert!(executed.deliveries.iter().all(Result::is_ok));
    assert_eq!(executed.header.height, before.next(), "one block of the HF chain");
    for shop in shops {
        assert_eq!(world.available(shop), 20);
    }
    let epochs = payers.map(|(chain, _)| world.ledger(chain).settlement_status().last_epoch);
    assert_eq!(epochs, [1, 1], "all merchants in one statement of each chain");
}

#[test]
fn the_genesis_state_has_nothing_to_settle() {
    let world = World::new(1);
    let ledger: &Ledger = world.ledger(ONE);
    assert_eq!(ledger.header().time, CREATED);
    assert_eq!(ledger.next_due(), None);
}
