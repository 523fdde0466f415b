//! Which chain executes a payment: one line per pair of classes.

use proptest::prelude::*;
use tributary_routing::{RouteError, RouteTable, route, route_account};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, ChainId, InstitutionId, PaymentId, PaymentKind,
    Reference, Slot, TimeMs,
};

use crate::{HF_CHAIN, slot};

const ASSET: AssetId = AssetId::new(1);
const INSTITUTION: InstitutionId = InstitutionId::new(7);

fn routes() -> RouteTable {
    RouteTable::even(9, &[ChainId::new(1), ChainId::new(2)], HF_CHAIN).unwrap()
}

fn account(class: AccountClass, slot_number: u16) -> AccountId {
    AccountId::named(class, INSTITUTION, &"someone".parse().unwrap(), slot(slot_number))
}

/// A user of chain 1 or 2.
fn user(chain: u16) -> AccountId {
    account(AccountClass::User, if chain == 1 { 8_191 } else { 8_192 })
}

fn merchant() -> AccountId {
    account(AccountClass::Hf, 3)
}

fn issuer(chain: ChainId) -> AccountId {
    AccountId::issuer(INSTITUTION, ASSET, chain)
}

fn control() -> AccountId {
    AccountId::control(ChainId::new(1), HF_CHAIN, ASSET)
}

fn payment(debit: AccountId, credit: AccountId) -> Payment {
    Payment {
        id: PaymentId::new(TimeMs::new(1), [0; 10]),
        kind: PaymentKind::Payment,
        debit,
        credit,
        amount: Amount::new(1),
        asset: ASSET,
        reference: Reference::default(),
    }
}

fn routed(debit: AccountId, credit: AccountId) -> Result<ChainId, RouteError> {
    route(&payment(debit, credit), &routes())
}

#[test]
fn a_payment_runs_where_its_user_is() {
    let check = |debit, credit, chain| assert_eq!(routed(debit, credit), Ok(chain));
    let (one, two) = (ChainId::new(1), ChainId::new(2));
    check(user(1), merchant(), one);
    check(user(2), merchant(), two);
    check(user(1), user(2), one);
    check(user(2), issuer(two), two);
    check(merchant(), user(1), one);
    check(merchant(), user(2), two);
    check(merchant(), merchant(), HF_CHAIN);
    check(merchant(), issuer(HF_CHAIN), HF_CHAIN);
    check(issuer(one), user(1), one);
    check(issuer(two), user(2), two);
    check(issuer(HF_CHAIN), merchant(), HF_CHAIN);
}

#[test]
fn a_control_account_is_refused_and_its_field_named() {
    assert_eq!(routed(control(), user(1)), Err(RouteError::DebitControl(control())));
    assert_eq!(routed(control(), control()), Err(RouteError::DebitControl(control())));
    for debit in [user(1), merchant(), issuer(ChainId::new(1))] {
        let error = routed(debit, control()).unwrap_err();
        assert_eq!(error, RouteError::CreditControl(control()));
        assert!(error.to_string().starts_with("credit: tacc1"));
    }
}

#[test]
fn an_account_has_one_home_chain() {
    let check = |account, chain| assert_eq!(route_account(account, &routes()), chain);
    check(user(1), ChainId::new(1));
    check(user(2), ChainId::new(2));
    check(merchant(), HF_CHAIN);
    check(issuer(ChainId::new(2)), ChainId::new(2));
    check(control(), ChainId::new(1));
}

proptest! {
    #[test]
    fn no_user_is_debited_or_paid_by_a_merchant_on_a_chain_without_the_slot(
        user_slot in 0..Slot::COUNT,
        hf_slot in 0..Slot::COUNT,
        count in 1..60_u16,
    ) {
        let chains: Vec<_> = (1..=count).map(ChainId::new).collect();
        let routes = RouteTable::even(1, &chains, HF_CHAIN).unwrap();
        let user = account(AccountClass::User, user_slot);
        let merchant = account(AccountClass::Hf, hf_slot);
        for (debit, credit) in [(user, merchant), (merchant, user), (user, user)] {
            let chain = route(&payment(debit, credit), &routes).unwrap();
            prop_assert!(routes.owns(chain, slot(user_slot)));
            prop_assert_eq!(chain, route_account(user, &routes));
        }
        let between_merchants = route(&payment(merchant, merchant), &routes);
        prop_assert_eq!(between_merchants, Ok(HF_CHAIN));
    }
}
