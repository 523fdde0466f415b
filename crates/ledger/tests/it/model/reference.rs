//! The reference model: what a payment must come to, once more and as simply
//! as it can be said.

use std::collections::BTreeMap;

use tributary_chain::AccountStatus;
use tributary_routing::RouteTable;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, ChainId, OutcomeCode, PaymentId, PaymentKind, PaymentRecord, Receipt,
};

use crate::harness::HF;

/// What there must be, told from receipts alone.
pub struct Model {
    /// Balance and status of every user.
    pub users: BTreeMap<AccountId, (u128, AccountStatus)>,
    pub shops: BTreeMap<AccountId, Shop>,
    /// Payments without a final outcome.
    pub pending: BTreeMap<PaymentId, Payment>,
    /// What the id was decided as, by the chain that it ran on.
    pub decided: BTreeMap<PaymentId, (ChainId, Payment, OutcomeCode)>,
    routes: RouteTable,
}

#[derive(Default, Clone, Copy)]
pub struct Shop {
    pub received: u128,
    pub refunded: u128,
    pub payments: u64,
    /// Issued, withdrawn and moved on the HF chain.
    pub brought: u128,
    pub taken: u128,
}

/// What a proxy or HF account holds while one batch executes.
pub struct Holding {
    pub balance: u128,
    pub waits: bool,
    pub status: AccountStatus,
}

impl Model {
    /// Nobody has anything yet.
    pub fn new(routes: RouteTable) -> Self {
        let (users, shops) = (BTreeMap::new(), BTreeMap::new());
        let (pending, decided) = (BTreeMap::new(), BTreeMap::new());
        Self { users, shops, pending, decided, routes }
    }

    pub fn chain_of(&self, user: AccountId) -> ChainId {
        self.routes.chain_of(user.slot().unwrap())
    }

    /// The outcome of a payment in a block, while shops hold this much.
    pub fn predict(
        &self,
        chain: ChainId,
        payment: &Payment,
        holdings: &mut BTreeMap<AccountId, Holding>,
    ) -> OutcomeCode {
        let amount = payment.amount.get();
        let elsewhere =
            |id: AccountId| id.class() == AccountClass::User && self.chain_of(id) != chain;
        if payment.debit == payment.credit {
            return OutcomeCode::SameAccount;
        }
        match self.status(payment.debit, holdings) {
            AccountStatus::Frozen => return OutcomeCode::DebitAccountFrozen,
            AccountStatus::Closed if payment.debit.class() == AccountClass::User => {
                return OutcomeCode::DebitAccountClosed;
            }
            _ => {}
        }
        if !elsewhere(payment.credit) {
            match self.status(payment.credit, holdings) {
                AccountStatus::Frozen => return OutcomeCode::CreditAccountFrozen,
                AccountStatus::Closed => return OutcomeCode::CreditAccountClosed,
                AccountStatus::Open => {}
            }
        }
        match payment.debit.class() {
            AccountClass::User if self.users[&payment.debit].0 < amount => {
                return OutcomeCode::InsufficientFunds;
            }
            AccountClass::Hf => {
                let holding = holdings.get_mut(&payment.debit).unwrap();
                if holding.waits || holding.balance < amount {
                    if chain == HF {
                        return OutcomeCode::InsufficientFunds;
                    }
                    holding.waits = true;
                    return OutcomeCode::AwaitingFunds;
                }
                holding.balance -= amount;
            }
            _ => {}
        }
        if let Some(holding) = holdings.get_mut(&payment.credit) {
            holding.balance += amount;
        }
        if elsewhere(payment.credit) { OutcomeCode::InTransit } else { OutcomeCode::Committed }
    }

    fn status(&self, id: AccountId, holdings: &BTreeMap<AccountId, Holding>) -> AccountStatus {
        match id.class() {
            AccountClass::User => self.users[&id].1,
            AccountClass::Hf => holdings[&id].status,
            _ => AccountStatus::Open,
        }
    }

    /// Follows an outcome.
    pub fn apply(&mut self, chain: ChainId, payment: &Payment, receipt: &Receipt) {
        self.decided.insert(payment.id, (chain, *payment, receipt.code));
        match receipt.code {
            OutcomeCode::Committed => self.moved(payment, chain),
            OutcomeCode::InTransit => {
                self.users.get_mut(&payment.debit).unwrap().0 -= payment.amount.get();
                self.pending.insert(payment.id, *payment);
            }
            OutcomeCode::AwaitingFunds => {
                self.pending.insert(payment.id, *payment);
            }
            _ => {}
        }
    }

    /// Follows outcomes that were decided late.
    pub fn apply_late(&mut self, chain: ChainId, late: &[(PaymentRecord, Receipt)]) {
        for (record, receipt) in late {
            let payment = record.parse().unwrap();
            let committed = receipt.code.is_committed();
            let transfer = payment.kind == PaymentKind::Transfer;
            if transfer && self.chain_of(payment.credit) == chain {
                let (balance, status) = self.users.get_mut(&payment.credit).unwrap();
                assert_eq!(committed, *status == AccountStatus::Open, "{payment:?}");
                *balance += if committed { payment.amount.get() } else { 0 };
                continue;
            }
            let pending = self.pending.remove(&payment.id);
            assert_eq!(pending, Some(payment), "decided twice, or never begun");
            self.decided.insert(payment.id, (chain, payment, receipt.code));
            match (transfer, committed) {
                (true, true) => {}
                (true, false) => {
                    self.users.get_mut(&payment.debit).unwrap().0 += payment.amount.get();
                }
                (false, true) => self.moved(&payment, chain),
                (false, false) => {}
            }
        }
    }

    /// A committed payment moves money once.
    fn moved(&mut self, payment: &Payment, chain: ChainId) {
        let minor = payment.amount.get();
        if let Some((balance, _)) = self.users.get_mut(&payment.debit) {
            *balance -= minor;
        }
        if let Some((balance, _)) = self.users.get_mut(&payment.credit) {
            *balance += minor;
        }
        if let Some(shop) = self.shops.get_mut(&payment.debit) {
            if chain == HF {
                shop.taken += minor;
            } else {
                shop.refunded += minor;
                shop.payments += 1;
            }
        }
        if let Some(shop) = self.shops.get_mut(&payment.credit) {
            if chain == HF {
                shop.brought += minor;
            } else {
                shop.received += minor;
                shop.payments += 1;
            }
        }
    }
}
