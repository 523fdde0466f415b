//! Which payment comes next: a seeded sequence over accounts that exist.

use std::sync::Arc;

use prefetch_index::prefetch_index;
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tributary_client::{
    AccountId, Amount, AssetId, Hash, Payment, PaymentDraft, PaymentId, PaymentKind, Reference,
    SigningKey, new_payment_id, new_payment_ids,
};

/// Minor units of one payment.
const AMOUNT: Amount = Amount::new(1);

/// One user account that pays.
#[derive(Debug, Clone)]
pub struct Payer {
    /// Its id.
    pub account: AccountId,
    /// Index of its chain among the user chains.
    pub chain: usize,
    /// Its owner's key, if payments must be signed; elsewhere, so that a million
    /// payers without one stay small.
    pub owner: Option<Box<SigningKey>>,
}

/// What payments are made of.
#[derive(Debug)]
pub struct Parties {
    /// The cluster's name in signatures.
    pub cluster: Hash,
    /// The asset of all accounts.
    pub asset: AssetId,
    /// Who pays.
    pub payers: Vec<Payer>,
    /// Who is paid; the hot ones first.
    pub merchants: Vec<AccountId>,
}

impl Parties {
    /// A payment of the first payer of a user chain, given by index, to the
    /// first merchant; nothing if nobody pays there.
    pub fn draft_on(&self, chain: usize) -> Option<PaymentDraft> {
        let payer = self.payers.iter().position(|payer| payer.chain == chain)?;
        let payment = Drawn { kind: PaymentKind::Payment, payer, other: self.merchants[0] };
        Some(self.draft(new_payment_id(), &payment))
    }

    fn draft(&self, id: PaymentId, drawn: &Drawn) -> PaymentDraft {
        let payer = &self.payers[drawn.payer];
        let (debit, credit) = match drawn.kind {
            PaymentKind::Refund => (drawn.other, payer.account),
            _ => (payer.account, drawn.other),
        };
        let (kind, amount, asset) = (drawn.kind, AMOUNT, self.asset);
        let reference = Reference::default();
        let draft =
            PaymentDraft::from(Payment { id, kind, debit, credit, amount, asset, reference });
        match payer.owner.as_ref().filter(|_| debit == payer.account) {
            Some(owner) => draft.signed(&self.cluster, owner),
            None => draft,
        }
    }
}

/// What chance decides of a payment.
#[derive(Debug)]
struct Drawn {
    kind: PaymentKind,
    /// Index of the user: who pays, but for a refund.
    payer: usize,
    other: AccountId,
}

/// How often which kind of payment comes.
#[derive(Debug, Clone, Copy)]
pub struct Mix {
    /// Of a hundred payments, to the hot merchants.
    pub hot_percent: u32,
    /// How many merchants are hot.
    pub hot_count: usize,
    /// Of a hundred payments, refunds.
    pub refund_percent: u32,
    /// Of a hundred payments, to a user of another chain.
    pub cross_chain_percent: u32,
}

/// A seeded sequence of payments.
#[derive(Debug)]
pub struct Workload {
    parties: Arc<Parties>,
    mix: Mix,
    random: SmallRng,
}

impl Workload {
    /// The sequence of `seed`.
    pub fn new(parties: Arc<Parties>, mix: Mix, seed: u64) -> Self {
        Self { parties, mix, random: SmallRng::seed_from_u64(seed) }
    }

    /// The next `count` payments, each with a fresh id. All are drawn before the
    /// first payer is looked at, which is prefetched meanwhile.
    pub fn next(&mut self, count: usize) -> Vec<PaymentDraft> {
        let drawn: Vec<_> = (0..count).map(|_| self.draw()).collect();
        let ids = new_payment_ids(count).into_iter();
        ids.zip(&drawn).map(|(id, drawn)| self.parties.draft(id, drawn)).collect()
    }

    fn draw(&mut self) -> Drawn {
        let share = self.random.random_range(0..100);
        let payer = self.random.random_range(0..self.parties.payers.len());
        prefetch_index(&self.parties.payers, payer);
        let (kind, other) = if share < self.mix.refund_percent {
            (PaymentKind::Refund, self.merchant())
        } else if share < self.mix.refund_percent + self.mix.cross_chain_percent {
            (PaymentKind::Transfer, self.payee_elsewhere(self.parties.payers[payer].chain))
        } else {
            (PaymentKind::Payment, self.merchant())
        };
        Drawn { kind, payer, other }
    }

    fn merchant(&mut self) -> AccountId {
        let hot = self.random.random_range(0..100) < self.mix.hot_percent;
        let among = if hot { self.mix.hot_count } else { self.parties.merchants.len() };
        self.parties.merchants[self.random.random_range(0..among)]
    }

    /// A user of another chain; setup makes sure that there is one.
    fn payee_elsewhere(&mut self, chain: usize) -> AccountId {
        loop {
            let payee = self.random.random_range(0..self.parties.payers.len());
            let payee = &self.parties.payers[payee];
            if payee.chain != chain {
                return payee.account;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_client::{AccountClass, AccountName, InstitutionId};
    use tributary_types::Slot;

    fn account(class: AccountClass, number: usize) -> AccountId {
        let name: AccountName = format!("n{number}").parse().unwrap();
        AccountId::named(class, InstitutionId::new(1), &name, Slot::new(7).unwrap())
    }

    fn parties() -> Parties {
        let payer = |number: usize| Payer {
            account: account(AccountClass::User, number),
            chain: number % 2,
            owner: Some(Box::new(SigningKey::from_seed([1; 32]))),
        };
        Parties {
            cluster: Hash::ZERO,
            asset: AssetId::new(1),
            payers: (0..10).map(payer).collect(),
            merchants: (0..5).map(|number| account(AccountClass::Hf, number)).collect(),
        }
    }

    fn mix() -> Mix {
        Mix { hot_percent: 50, hot_count: 1, refund_percent: 20, cross_chain_percent: 30 }
    }

    #[test]
    fn the_same_seed_gives_the_same_payments_but_for_their_ids() {
        let parties = Arc::new(parties());
        let drawn = |seed| {
            let drafts = Workload::new(Arc::clone(&parties), mix(), seed).next(100);
            drafts.iter().map(|d| (d.payment().debit, d.payment().credit)).collect::<Vec<_>>()
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn shares_are_about_what_was_asked_and_payers_sign() {
        let parties = Arc::new(parties());
        let drafts = Workload::new(Arc::clone(&parties), mix(), 1).next(10_000);
        let count = |kind| drafts.iter().filter(|d| d.payment().kind == kind).count();
        assert!((1_800..2_200).contains(&count(PaymentKind::Refund)));
        assert!((2_800..3_200).contains(&count(PaymentKind::Transfer)));
        let paid = drafts.iter().filter(|d| d.payment().kind == PaymentKind::Payment);
        let hot = paid.filter(|d| d.payment().credit == parties.merchants[0]).count();
        assert!((2_800..3_200).contains(&hot), "{hot}");
        let is_refund = |d: &PaymentDraft| d.payment().kind == PaymentKind::Refund;
        assert!(drafts.iter().all(|d| is_refund(d) == d.owner_signature().is_none()));
        let chain = |id| parties.payers.iter().find(|p| p.account == id).unwrap().chain;
        for draft in drafts.iter().filter(|d| d.payment().kind == PaymentKind::Transfer) {
            assert_ne!(chain(draft.payment().debit), chain(draft.payment().credit));
        }
    }
}
