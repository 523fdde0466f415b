//! Every outcome code once, each from its own cause.

use std::collections::BTreeSet;

use tributary_chain::AccountStatus;
use tributary_chain::batch::OwnerSignature;
use tributary_chain::operation::{AssetEntry, OpenAccount, RegistryChange};
use tributary_chain::{Action, Batch};
use tributary_ledger::Parameters;
use tributary_ledger::limits::{TOTAL_MAX, UNANSWERED_MAX};
use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, AssetId, Encode, OutcomeCode, PaymentKind, PaymentRecord, PublicKey, Receipt,
};

use crate::harness::{
    EUR, GBP, HF, Item, ONE, OTHER, TWO, World, amount, float, institution_key, owner_key,
};

/// Accounts of every condition on two chains.
struct Scene {
    world: World,
    alice: AccountId,
    bob: AccountId,
    /// Needs its owner's signature.
    owned: AccountId,
    frozen: AccountId,
    closed: AccountId,
    /// On the other user chain.
    carol: AccountId,
    shop: AccountId,
    /// Codes that were seen.
    seen: BTreeSet<OutcomeCode>,
}

impl Scene {
    fn new() -> Self {
        let parameters = Parameters { waiting_refunds_max: 2, ..Parameters::default() };
        let mut world = World::with(2, parameters);
        let shop = world.open_merchant("shop", float(0, 0));
        let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 1_000));
        let owned = world.open_owned("owned", ONE, 1_000, Some(owner_key(5).public()));
        let frozen = world.open("frozen", ONE, 1_000);
        let closed = world.open("closed", ONE, 0);
        let carol = world.open("carol", TWO, 1_000);
        let freeze = world.set_account(ONE, frozen, AccountStatus::Frozen);
        let close = world.set_account(ONE, closed, AccountStatus::Closed);
        assert_eq!((freeze, close), (OutcomeCode::Committed, OutcomeCode::Committed));
        Self { world, alice, bob, owned, frozen, closed, carol, shop, seen: BTreeSet::new() }
    }

    fn see(&mut self, receipt: Receipt, expected: OutcomeCode) -> Receipt {
        assert_eq!(receipt.code, expected);
        self.seen.insert(receipt.code);
        receipt
    }

    fn transfer(&mut self, from: AccountId, to: AccountId, minor: u128, expected: OutcomeCode) {
        let receipt = self.world.pay(ONE, PaymentKind::Transfer, from, to, minor);
        self.see(receipt, expected);
    }

    fn pay(&mut self, payment: &Payment, expected: OutcomeCode) -> Receipt {
        let receipt = self.world.pay_record(ONE, payment);
        self.see(receipt, expected)
    }

    fn act(&mut self, action: Action, expected: OutcomeCode) {
        let code = self.world.act(ONE, action);
        self.see(Receipt::refused(code, amount(0)), expected);
    }
}

#[test]
fn every_code_has_its_cause() {
    let mut scene = Scene::new();
    codes_of_accounts(&mut scene);
    codes_of_amounts_and_assets(&mut scene);
    codes_of_refunds(&mut scene);
    codes_of_ids(&mut scene);
    codes_of_authority(&mut scene);
    codes_of_place(&mut scene);
    codes_of_operations(&mut scene);
    codes_of_limits(&mut scene);
    let missing: Vec<_> =
        OutcomeCode::ALL.iter().filter(|code| !scene.seen.contains(code)).collect();
    assert!(missing.is_empty(), "no cause shown for {missing:?}");
    scene.world.books();
}

fn codes_of_accounts(scene: &mut Scene) {
    let (alice, bob, frozen, closed) = (scene.alice, scene.bob, scene.frozen, scene.closed);
    let nobody = scene.world.user("nobody", ONE);
    scene.transfer(alice, bob, 10, OutcomeCode::Committed);
    scene.transfer(nobody, bob, 10, OutcomeCode::UnknownDebitAccount);
    scene.transfer(alice, nobody, 10, OutcomeCode::UnknownCreditAccount);
    scene.transfer(frozen, bob, 10, OutcomeCode::DebitAccountFrozen);
    scene.transfer(alice, frozen, 10, OutcomeCode::CreditAccountFrozen);
    scene.transfer(closed, bob, 10, OutcomeCode::DebitAccountClosed);
    scene.transfer(alice, closed, 10, OutcomeCode::CreditAccountClosed);
    scene.transfer(alice, alice, 10, OutcomeCode::SameAccount);
    let wrong_kind = scene.world.payment(PaymentKind::Payment, alice, bob, 10);
    scene.pay(&wrong_kind, OutcomeCode::KindMismatch);
}

fn codes_of_amounts_and_assets(scene: &mut Scene) {
    let (alice, bob, issuer) = (scene.alice, scene.bob, scene.world.issuer(ONE));
    scene.transfer(alice, bob, 0, OutcomeCode::AmountZero);
    let too_much = scene.world.payment(PaymentKind::Transfer, alice, bob, 991);
    let receipt = scene.pay(&too_much, OutcomeCode::InsufficientFunds);
    assert_eq!(receipt.detail, amount(990), "what was available");
    let all_there_is = scene.world.payment(PaymentKind::Issue, issuer, bob, TOTAL_MAX);
    scene.pay(&all_there_is, OutcomeCode::AmountOverflow);
    let payment = scene.world.payment(PaymentKind::Transfer, alice, bob, 10);
    scene.pay(&Payment { asset: EUR, ..payment }, OutcomeCode::AssetMismatch);
    let payment = scene.world.payment(PaymentKind::Transfer, alice, bob, 10);
    scene.pay(&Payment { asset: AssetId::new(77), ..payment }, OutcomeCode::UnknownAsset);
}

fn codes_of_refunds(scene: &mut Scene) {
    let (alice, carol, shop) = (scene.alice, scene.carol, scene.shop);
    for expected in
        [OutcomeCode::AwaitingFunds, OutcomeCode::AwaitingFunds, OutcomeCode::TooManyWaiting]
    {
        let refund = scene.world.payment(PaymentKind::Refund, shop, alice, 10);
        scene.pay(&refund, expected);
    }
    scene.transfer(alice, carol, 10, OutcomeCode::InTransit);
}

fn codes_of_ids(scene: &mut Scene) {
    let payment = scene.world.payment(PaymentKind::Transfer, scene.alice, scene.bob, 10);
    scene.pay(&payment, OutcomeCode::Committed);
    scene.pay(&Payment { amount: amount(11), ..payment }, OutcomeCode::IdReused);
    let now = scene.world.now;
    let old = scene.world.id_at(now.minus_ms(600_001));
    let receipt = scene.pay(&Payment { id: old, ..payment }, OutcomeCode::Expired);
    assert_eq!(receipt.detail, amount(u128::from(now.get())), "block time");
    let early = scene.world.id_at(now.plus_ms(60_001));
    scene.pay(&Payment { id: early, ..payment }, OutcomeCode::FromFuture);
}

fn codes_of_authority(scene: &mut Scene) {
    let (alice, bob, owned) = (scene.alice, scene.bob, scene.owned);
    let payment = scene.world.payment(PaymentKind::Transfer, alice, bob, 10);
    let items = [Item::Pay(PaymentRecord::from(&payment))];
    let receipt = scene.world.submit_as(ONE, OTHER, &items)[0];
    scene.see(receipt, OutcomeCode::Unauthorized);
    let stranger = Batch {
        key: owner_key(9).public(),
        ..scene.world.batch(ONE, crate::harness::BANK, &items)
    };
    let receipt = scene.world.block(ONE, vec![stranger], Vec::new()).outcomes.receipts[0];
    scene.see(receipt, OutcomeCode::UnknownKey);
    let payment = scene.world.payment(PaymentKind::Transfer, owned, bob, 10);
    scene.pay(&payment, OutcomeCode::OwnerSignatureMissing);
    let record = PaymentRecord::from(&payment);
    let hash = record.signing_hash(&scene.world.genesis.hash());
    for (key, expected) in [
        (institution_key(OTHER), OutcomeCode::OwnerSignatureInvalid),
        (owner_key(5), OutcomeCode::Committed),
    ] {
        let signatures = vec![OwnerSignature { payment: 0, signature: key.sign(&hash) }];
        let items = [Item::Pay(record)];
        let bank = crate::harness::BANK;
        let batch = scene.world.signed_batch(ONE, bank, &items, signatures);
        let receipt = scene.world.block(ONE, vec![batch], Vec::new()).outcomes.receipts[0];
        scene.see(receipt, expected);
    }
}

fn codes_of_place(scene: &mut Scene) {
    let (alice, bob, carol) = (scene.alice, scene.bob, scene.carol);
    let moved = scene.world.payment(PaymentKind::Transfer, carol, alice, 10);
    let receipt = scene.pay(&moved, OutcomeCode::Moved);
    assert_eq!(receipt.detail, amount(3), "version of the route table");
    let receipt = scene.world.pay(HF, PaymentKind::Transfer, alice, bob, 10);
    scene.see(receipt, OutcomeCode::WrongChain);
    let payment = scene.world.payment(PaymentKind::Transfer, alice, bob, 10);
    let mut bytes = PaymentRecord::from(&payment).to_bytes();
    bytes[69] = 1;
    let malformed: PaymentRecord = decode_exact(&bytes).unwrap();
    let receipt = scene.world.submit(ONE, &[Item::Pay(malformed)])[0];
    scene.see(receipt, OutcomeCode::Malformed);
}

fn codes_of_operations(scene: &mut Scene) {
    let (alice, closed) = (scene.alice, scene.closed);
    let open = |asset| Action::OpenAccount(OpenAccount { account: alice, asset, owner: None });
    scene.act(open(GBP), OutcomeCode::Committed);
    scene.act(open(EUR), OutcomeCode::AccountExists);
    let (account, owner) = (scene.world.user("dora", ONE), Some(PublicKey::from_bytes([0; 32])));
    let weak = OpenAccount { account, asset: GBP, owner };
    scene.act(Action::OpenAccount(weak), OutcomeCode::WeakKey);
    let code = scene.world.set_account(ONE, alice, AccountStatus::Closed);
    scene.see(Receipt::refused(code, amount(0)), OutcomeCode::AccountNotEmpty);
    let code = scene.world.set_account(ONE, closed, AccountStatus::Open);
    scene.see(Receipt::refused(code, amount(0)), OutcomeCode::StatusConflict);
    let conflict = AssetEntry { id: GBP, code: "USD".parse().unwrap(), scale: 2 };
    let code = scene.world.act(HF, Action::Register(RegistryChange::Asset(conflict)));
    scene.see(Receipt::refused(code, amount(0)), OutcomeCode::RegistryConflict);
}

fn codes_of_limits(scene: &mut Scene) {
    let (bob, carol) = (scene.bob, scene.carol);
    let receipt = scene.world.pay(ONE, PaymentKind::Issue, scene.world.issuer(ONE), bob, 1_000_000);
    assert_eq!(receipt.code, OutcomeCode::Committed);
    let mut items = Vec::new();
    for _ in 0..UNANSWERED_MAX {
        let payment = scene.world.payment(PaymentKind::Transfer, bob, carol, 1);
        items.push(Item::Pay(PaymentRecord::from(&payment)));
    }
    let receipts = scene.world.submit(ONE, &items);
    let last = *receipts.last().unwrap();
    assert_eq!(receipts[0].code, OutcomeCode::InTransit);
    scene.see(last, OutcomeCode::LimitReached);
    // Nothing was remembered of it: the same id may try again, later.
    scene.world.relay();
    let receipts = scene.world.submit(ONE, &items);
    assert_eq!(receipts.last().unwrap().code, OutcomeCode::InTransit);
    assert!(!receipts.last().unwrap().replay);
}
