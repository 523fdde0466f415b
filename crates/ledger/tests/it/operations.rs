//! Operations: the registry, merchants, accounts, and how changes reach every
//! chain.

use tributary_chain::certificate::ValidatorSetError;
use tributary_chain::operation::{
    AssetEntry, InstitutionEntry, InstitutionKey, OpenAccount, OpenMerchant, RegistryChange,
    SetFloat,
};
use tributary_chain::{AccountStatus, Action, Batch};
use tributary_ledger::registry::RegistryError;
use tributary_ledger::{AdmissionError, Genesis, GenesisError, Ledger, Parameters};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, AssetId, ChainId, InstitutionId, OutcomeCode, PaymentKind, PaymentRecord, PublicKey,
};

use crate::harness::{
    BANK, EUR, GBP, HF, Item, ONE, OTHER, TWO, World, amount, float, genesis, institution_key,
    owner_key,
};

/// A point of small order: everybody's.
const WEAK: PublicKey = PublicKey::from_bytes([0; 32]);

#[test]
fn a_new_asset_reaches_every_chain_and_gets_its_accounts() {
    let mut world = World::new(2);
    let yen = AssetId::new(9);
    let entry = AssetEntry { id: yen, code: "JPY".parse().unwrap(), scale: 0 };
    let register = Action::Register(RegistryChange::Asset(entry.clone()));
    assert_eq!(world.act(HF, register.clone()), OutcomeCode::Committed);
    assert_eq!(world.act(HF, register), OutcomeCode::Committed, "again changes nothing");
    assert_eq!(world.ledger(ONE).registry().asset(yen), None);
    world.relay();
    for chain in world.chains() {
        assert_eq!(world.ledger(chain).registry().asset(yen), Some(&entry));
        for institution in [BANK, OTHER] {
            let issuer = AccountId::issuer(institution, yen, chain);
            assert!(world.ledger(chain).account(&issuer).is_some());
        }
        for peer in world.chains().into_iter().filter(|peer| *peer != chain) {
            let control = AccountId::control(chain, peer, yen);
            assert!(world.ledger(chain).account(&control).is_some());
        }
    }
    let account = world.user("kenji", ONE);
    let open = OpenAccount { account, asset: yen, owner: None };
    assert_eq!(world.act(ONE, Action::OpenAccount(open)), OutcomeCode::Committed);
    let issuer = AccountId::issuer(BANK, yen, ONE);
    let payment = world.payment(PaymentKind::Issue, issuer, account, 100);
    let receipt = world.pay_record(ONE, &Payment { asset: yen, ..payment });
    assert_eq!(receipt.code, OutcomeCode::Committed);
    world.books();
}

#[test]
fn keys_are_added_and_revoked_from_the_block_that_applies_it() {
    let mut world = World::new(1);
    let newcomer = InstitutionId::new(77);
    let entry = InstitutionEntry {
        id: newcomer,
        name: "newcomer".parse().unwrap(),
        keys: vec![institution_key(newcomer).public()],
        operator: false,
    };
    let register = Action::Register(RegistryChange::Institution(entry));
    assert_eq!(world.act(HF, register), OutcomeCode::Committed);
    let account = world.user_of(newcomer, "dora", ONE);
    let open = tributary_chain::operation::OpenAccount { account, asset: GBP, owner: None };
    let open = Action::OpenAccount(open);
    assert_eq!(world.act_as(ONE, newcomer, open.clone()), OutcomeCode::UnknownKey);
    world.relay();
    assert_eq!(world.act_as(ONE, newcomer, open.clone()), OutcomeCode::Committed);
    let key = InstitutionKey { institution: newcomer, key: institution_key(newcomer).public() };
    let revoke = Action::Register(RegistryChange::RevokeKey(key));
    assert_eq!(world.act(HF, revoke), OutcomeCode::Committed);
    world.relay();
    assert_eq!(world.act_as(ONE, newcomer, open), OutcomeCode::UnknownKey);
    let added = InstitutionKey { institution: newcomer, key: institution_key(OTHER).public() };
    let taken = Action::Register(RegistryChange::AddKey(added));
    assert_eq!(world.act(HF, taken), OutcomeCode::RegistryConflict);
}

#[test]
fn keys_that_anybody_can_sign_for_are_not_registered() {
    let mut world = World::new(1);
    let account = world.user("alice", ONE);
    for (owner, code) in
        [(WEAK, OutcomeCode::WeakKey), (owner_key(1).public(), OutcomeCode::Committed)]
    {
        let open = OpenAccount { account, asset: GBP, owner: Some(owner) };
        assert_eq!(world.act(ONE, Action::OpenAccount(open)), code);
    }
    let key = InstitutionKey { institution: OTHER, key: WEAK };
    let add = Action::Register(RegistryChange::AddKey(key));
    assert_eq!(world.act(HF, add), OutcomeCode::WeakKey);
    let entry = InstitutionEntry {
        id: InstitutionId::new(77),
        name: "newcomer".parse().unwrap(),
        keys: vec![institution_key(InstitutionId::new(77)).public(), WEAK],
        operator: false,
    };
    let register = Action::Register(RegistryChange::Institution(entry));
    assert_eq!(world.act(HF, register), OutcomeCode::WeakKey);
}

#[test]
fn the_last_operator_cannot_lock_everyone_out() {
    let mut world = World::new(1);
    let key = InstitutionKey { institution: BANK, key: institution_key(BANK).public() };
    let revoke = Action::Register(RegistryChange::RevokeKey(key));
    assert_eq!(world.act(HF, revoke.clone()), OutcomeCode::RegistryConflict);
    let second = InstitutionKey { institution: BANK, key: owner_key(3).public() };
    let add = Action::Register(RegistryChange::AddKey(second));
    assert_eq!(world.act(HF, add), OutcomeCode::Committed);
    assert_eq!(world.act(HF, revoke), OutcomeCode::Committed);
}

#[test]
fn opening_a_merchant_is_idempotent_and_checked() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(10, 5));
    let name = "shop".parse().unwrap();
    let open = OpenMerchant { account: shop, name, asset: GBP, float: float(10, 5) };
    let open_as = |open: OpenMerchant| Action::OpenMerchant(open);
    assert_eq!(world.act(HF, open_as(open.clone())), OutcomeCode::Committed);
    let other_asset = OpenMerchant { asset: EUR, ..open.clone() };
    assert_eq!(world.act(HF, open_as(other_asset)), OutcomeCode::AccountExists);
    let no_asset = OpenMerchant { asset: AssetId::new(99), ..open.clone() };
    assert_eq!(world.act(HF, open_as(no_asset)), OutcomeCode::UnknownAsset);
    let other_name = OpenMerchant { name: "else".parse().unwrap(), ..open.clone() };
    assert_eq!(world.act(HF, open_as(other_name)), OutcomeCode::Malformed);
    let upside_down = OpenMerchant { float: float(5, 6), ..open.clone() };
    assert_eq!(world.act(HF, open_as(upside_down)), OutcomeCode::Malformed);
    let user = OpenMerchant { account: world.user("shop", ONE), ..open.clone() };
    assert_eq!(world.act(HF, open_as(user)), OutcomeCode::KindMismatch);
    assert_eq!(world.act(ONE, open_as(open)), OutcomeCode::WrongChain);
    let set = SetFloat { account: world.merchant("nobody"), float: float(1, 1) };
    assert_eq!(world.act(HF, Action::SetFloat(set)), OutcomeCode::UnknownDebitAccount);
    assert_eq!(world.set_merchant(shop, AccountStatus::Frozen), OutcomeCode::Committed);
    assert_eq!(world.set_merchant(shop, AccountStatus::Open), OutcomeCode::Committed);
    world.relay();
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().status, AccountStatus::Open);
}

#[test]
fn hf_accounts_pay_each_other_and_withdraw() {
    let mut world = World::new(1);
    let [a, b] = ["a", "b"].map(|name| world.open_merchant(name, float(0, 0)));
    world.fund_merchant(a, 100);
    assert_eq!(world.pay(HF, PaymentKind::Transfer, a, b, 60).code, OutcomeCode::Committed);
    let short = world.pay(HF, PaymentKind::Transfer, a, b, 60);
    assert_eq!((short.code, short.detail), (OutcomeCode::InsufficientFunds, amount(40)));
    let issuer = world.issuer(HF);
    assert_eq!(world.pay(HF, PaymentKind::Redeem, b, issuer, 60).code, OutcomeCode::Committed);
    assert_eq!(world.balance(HF, issuer), "-40");
    let elsewhere = world.issuer(ONE);
    let receipt = world.pay(HF, PaymentKind::Redeem, a, elsewhere, 1);
    assert_eq!(receipt.code, OutcomeCode::WrongChain);
    assert_eq!(world.set_merchant(b, AccountStatus::Closed), OutcomeCode::Committed);
    let receipt = world.pay(HF, PaymentKind::Transfer, a, b, 1);
    assert_eq!(receipt.code, OutcomeCode::CreditAccountClosed);
    world.books();
}

#[test]
fn opening_thousands_of_merchants_needs_no_pause() {
    let mut world = World::new(3);
    let mut opened = 0;
    for _ in 0..2 {
        let mut items = Vec::new();
        for number in 0..4_000 {
            let name = format!("m{}", opened + number);
            let account = world.merchant(&name);
            let name = name.parse().unwrap();
            let open = OpenMerchant { account, name, asset: GBP, float: float(0, 0) };
            items.push(Item::Do(world.operation(Action::OpenMerchant(open))));
        }
        assert!(world.submit(HF, &items).iter().all(|receipt| receipt.code.is_committed()));
        opened += 4_000;
    }
    // Beyond what a channel holds, they are to be tried again.
    let name = "one-more";
    let mut codes = Vec::new();
    for number in 0..200 {
        let account = world.merchant(&format!("{name}{number}"));
        let name = format!("{name}{number}").parse().unwrap();
        let open = OpenMerchant { account, name, asset: GBP, float: float(0, 0) };
        codes.push(world.act(HF, Action::OpenMerchant(open)));
    }
    assert_eq!(codes.last(), Some(&OutcomeCode::LimitReached));
    world.relay();
    for chain in [ONE, TWO, ChainId::new(3)] {
        let last = world.merchant("m7999");
        assert!(world.ledger(chain).proxy(&last).is_some());
    }
}

#[test]
fn batches_are_admitted_by_cheap_rules() {
    let mut world = World::new(1);
    let alice = world.open("alice", ONE, 10);
    let bob = world.open("bob", ONE, 10);
    let record = PaymentRecord::from(&world.payment(PaymentKind::Transfer, alice, bob, 1));
    let batch = world.batch(ONE, BANK, &[Item::Pay(record)]);
    let ledger = world.ledger(ONE);
    assert_eq!(ledger.admit_batch(&batch), Ok(()));
    let empty = world.batch(ONE, BANK, &[]);
    assert_eq!(ledger.admit_batch(&empty), Err(AdmissionError::Empty));
    let elsewhere = Batch { chain: TWO, ..batch.clone() };
    assert_eq!(
        ledger.admit_batch(&elsewhere),
        Err(AdmissionError::WrongChain { expected: ONE, found: TWO })
    );
    let many = Batch { payments: vec![record; 8_193], ..batch.clone() };
    assert!(matches!(ledger.admit_batch(&many), Err(AdmissionError::TooMany { .. })));
    let stranger = Batch { institution: OTHER, ..batch };
    assert!(matches!(ledger.admit_batch(&stranger), Err(AdmissionError::UnknownKey { .. })));
}

#[test]
fn a_genesis_that_contradicts_itself_is_refused() {
    let valid = genesis(2, Parameters::default());
    assert_eq!(valid.validate(), Ok(()));
    let check = |change: fn(&mut Genesis), expected: fn(&GenesisError) -> bool| {
        let mut wrong = valid.clone();
        change(&mut wrong);
        let error = wrong.validate().unwrap_err();
        assert!(expected(&error), "{error}");
        assert_eq!(Ledger::genesis(&wrong, ONE).err(), Some(error));
    };
    check(|it| it.cluster.clear(), |error| matches!(error, GenesisError::ClusterName(0)));
    check(|it| it.chains.reverse(), |error| matches!(error, GenesisError::ChainOrder { .. }));
    check(
        |it| it.chains.retain(|chain| chain.id != HF),
        |error| matches!(error, GenesisError::HfChains(0)),
    );
    check(
        |it| it.chains[0].validators.clear(),
        |error| matches!(error, GenesisError::Validators { chain: ONE, .. }),
    );
    check(
        |it| {
            it.chains.remove(0);
        },
        |error| matches!(error, GenesisError::Route { .. }),
    );
    check(
        |it| it.assets.push(it.assets[0].clone()),
        |error| matches!(error, GenesisError::Registry(_)),
    );
    check(
        |it| it.institutions[1].keys = it.institutions[0].keys.clone(),
        |error| matches!(error, GenesisError::Registry(_)),
    );
    check(
        |it| it.chains[0].validators[2] = WEAK,
        |error| {
            let expected = ValidatorSetError::WeakKey(WEAK);
            matches!(error, GenesisError::Validators { chain: ONE, error } if *error == expected)
        },
    );
    check(
        |it| it.institutions[1].keys.push(WEAK),
        |error| matches!(error, GenesisError::Registry(RegistryError::WeakKey(WEAK))),
    );
    check(
        |it| it.institutions[0].operator = false,
        |error| matches!(error, GenesisError::NoOperator),
    );
    check(
        |it| it.parameters.settlement_interval_ms = 0,
        |error| matches!(error, GenesisError::Parameter { name: "settlement_interval_ms", .. }),
    );
    let unknown = Ledger::genesis(&valid, ChainId::new(55)).err();
    assert_eq!(unknown, Some(GenesisError::UnknownChain(ChainId::new(55))));
}

#[test]
fn a_genesis_is_read_from_json_with_the_same_identity() {
    let genesis = genesis(3, Parameters::default());
    let json = serde_json::to_string_pretty(&genesis).unwrap();
    let back: Genesis = serde_json::from_str(&json).unwrap();
    assert_eq!((back.hash(), &back), (genesis.hash(), &genesis));
    let unknown = json.replacen("\"cluster\"", "\"nonsense\": 1, \"cluster\"", 1);
    assert!(serde_json::from_str::<Genesis>(&unknown).is_err());
}
