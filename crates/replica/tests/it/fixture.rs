//! One genesis, its keys, and batches to submit.

use tributary_chain::Batch;
use tributary_chain::operation::{Action, AssetEntry, InstitutionEntry, OpenAccount, Operation};
use tributary_ledger::{ChainKind, ChainSpec, Genesis, Parameters};
use tributary_replica::{Limits, ReplicaConfig};
use tributary_routing::RouteTable;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetId, ChainId, InstitutionId, PaymentId,
    PaymentKind, PaymentRecord, Reference, SigningKey, Slot, TimeMs,
};

pub const CHAIN: ChainId = ChainId::new(1);
pub const HF_CHAIN: ChainId = ChainId::new(2);
pub const BANK: InstitutionId = InstitutionId::new(7);
pub const POUND: AssetId = AssetId::new(1);
/// Wall clock when the virtual clock shows zero.
pub const START: TimeMs = TimeMs::new(1_800_000_000_000);

pub fn validator_key(validator: u16) -> SigningKey {
    let mut seed = [1; 32];
    seed[..2].copy_from_slice(&validator.to_le_bytes());
    SigningKey::from_seed(seed)
}

pub fn bank_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

/// A user chain of so many validators, and an HF chain of one.
pub fn genesis(validators: u16) -> Genesis {
    let keys = |count: u16| (0..count).map(|index| validator_key(index).public()).collect();
    Genesis {
        cluster: "replica tests".to_owned(),
        created: START,
        chains: vec![
            ChainSpec { id: CHAIN, kind: ChainKind::User, validators: keys(validators) },
            ChainSpec { id: HF_CHAIN, kind: ChainKind::Hf, validators: keys(1) },
        ],
        assets: vec![AssetEntry { id: POUND, code: "GBP".parse().unwrap(), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: BANK,
            name: "bank".parse().unwrap(),
            keys: vec![bank_key().public()],
            operator: true,
        }],
        routes: RouteTable::even(1, &[CHAIN], HF_CHAIN).unwrap(),
        parameters: Parameters::default(),
    }
}

pub fn config(validator: u16) -> ReplicaConfig {
    let limits = Limits { checkpoint_after_blocks: u64::MAX, ..Limits::default() };
    ReplicaConfig {
        tick_ms: 10,
        heartbeat_ticks: 2,
        election_ticks: 10,
        limits,
        ..ReplicaConfig::new(CHAIN, validator, validator_key(validator))
    }
}

/// A customer with an account, by number.
pub fn customer(number: u64) -> AccountId {
    let name: AccountName = format!("c{number}").parse().unwrap();
    AccountId::named(AccountClass::User, BANK, &name, Slot::new(1).unwrap())
}

/// The id of the payment that first gives the customer money.
pub fn issue_id(number: u64, at: TimeMs) -> PaymentId {
    id(number, at, 1)
}

/// An id that differs by number, time and purpose.
pub fn id(number: u64, at: TimeMs, purpose: u8) -> PaymentId {
    let mut random = [purpose; 10];
    random[2..].copy_from_slice(&number.to_be_bytes());
    PaymentId::new(at, random)
}

/// Opens the customer's account and issues 10 pounds to it.
pub fn open_and_issue(genesis: &Genesis, number: u64, at: TimeMs) -> Batch {
    let account = customer(number);
    let open = OpenAccount { account, asset: POUND, owner: None };
    let operation = Operation { id: id(number, at, 2), action: Action::OpenAccount(open) };
    let payment = Payment {
        id: issue_id(number, at),
        kind: PaymentKind::Issue,
        debit: AccountId::issuer(BANK, POUND, CHAIN),
        credit: account,
        amount: Amount::new(1_000),
        asset: POUND,
        reference: Reference::default(),
    };
    let records = vec![PaymentRecord::from(&payment)];
    Batch::sign(&genesis.hash(), CHAIN, BANK, &bank_key(), vec![operation], records, vec![])
}

/// A merchant, by number.
pub fn merchant(number: u64) -> AccountId {
    let name = merchant_name(number);
    AccountId::named(AccountClass::Hf, BANK, &name, Slot::new(1).unwrap())
}

pub fn merchant_name(number: u64) -> AccountName {
    format!("m{number}").parse().unwrap()
}

/// The customer pays the merchant so many pence.
pub fn pay(genesis: &Genesis, customer_number: u64, to: u64, pence: u128, at: TimeMs) -> Batch {
    let payment = Payment {
        id: id(customer_number, at, 4),
        kind: PaymentKind::Payment,
        debit: customer(customer_number),
        credit: merchant(to),
        amount: Amount::new(pence),
        asset: POUND,
        reference: Reference::default(),
    };
    let records = vec![PaymentRecord::from(&payment)];
    Batch::sign(&genesis.hash(), CHAIN, BANK, &bank_key(), vec![], records, vec![])
}
