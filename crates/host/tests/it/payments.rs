//! What the tests submit.

use std::sync::atomic::{AtomicU64, Ordering};

use tributary_chain::Batch;
use tributary_chain::operation::{Action, OpenAccount, Operation};
use tributary_ledger::Genesis;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, ChainId, PaymentId, PaymentKind, PaymentRecord, Reference,
    Slot, TimeMs,
};

use crate::cluster::{BANK, CHAIN, POUND, bank_key, now};

/// Distinguishes the ids that one test makes.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A fresh id of this moment.
pub fn fresh_id() -> PaymentId {
    fresh_id_at(now())
}

pub fn fresh_id_at(time: TimeMs) -> PaymentId {
    let mut entropy = [0; 10];
    entropy[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    PaymentId::new(time, entropy)
}

pub fn customer(number: u64) -> AccountId {
    let name = format!("c{number}").parse().unwrap();
    AccountId::named(AccountClass::User, BANK, &name, Slot::new(1).unwrap())
}

/// Opens customers and issues 10 pounds to each.
pub fn open_and_issue(genesis: &Genesis, customers: std::ops::Range<u64>) -> Batch {
    let open = |number| Operation {
        id: fresh_id(),
        action: Action::OpenAccount(OpenAccount {
            account: customer(number),
            asset: POUND,
            owner: None,
        }),
    };
    let issue = |number| {
        let issuer = AccountId::issuer(BANK, POUND, CHAIN);
        payment(PaymentKind::Issue, issuer, customer(number), 1_000)
    };
    batch(genesis, customers.clone().map(open).collect(), customers.map(issue).collect())
}

/// One customer gives another so many pence.
pub fn transfer(from: u64, to: u64, pence: u128) -> Payment {
    payment(PaymentKind::Transfer, customer(from), customer(to), pence)
}

pub fn batch(genesis: &Genesis, operations: Vec<Operation>, payments: Vec<Payment>) -> Batch {
    batch_for(CHAIN, genesis, operations, payments)
}

pub fn batch_for(
    chain: ChainId,
    genesis: &Genesis,
    operations: Vec<Operation>,
    payments: Vec<Payment>,
) -> Batch {
    let records = payments.iter().map(PaymentRecord::from).collect();
    Batch::sign(&genesis.hash(), chain, BANK, &bank_key(), operations, records, vec![])
}

pub fn payment(kind: PaymentKind, debit: AccountId, credit: AccountId, pence: u128) -> Payment {
    Payment {
        id: fresh_id(),
        kind,
        debit,
        credit,
        amount: Amount::new(pence),
        asset: POUND,
        reference: Reference::default(),
    }
}
