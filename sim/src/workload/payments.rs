//! Payments of every kind, as they should be.

use tributary_types::{AccountId, PaymentKind};

use super::{Workload, asset_of};
use crate::cluster::BANK;
use crate::orders::Order;
use crate::stage::Stage;

/// Most pence of a payment to a merchant.
const PAYMENT_PENCE_MAX: u64 = 60;
/// Most pence that a merchant gives back at once.
const REFUND_PENCE_MAX: u64 = 150;
/// Pence that a user begins with.
const FIRST_PENCE: u64 = 1_000;

impl Workload {
    /// Money for everybody who was opened at the start.
    pub(super) fn issue_to_everybody(&mut self, stage: &Stage) -> Vec<Order> {
        let users: Vec<_> = self.directory.users().collect();
        let issue = |(chain, _, user): (_, u64, _)| {
            let issuer = AccountId::issuer(BANK, asset_of(user), chain);
            let payment = self.payment(stage, PaymentKind::Issue, issuer, user, FIRST_PENCE);
            self.order(stage, &payment)
        };
        users.into_iter().map(issue).collect()
    }

    pub(super) fn pay_merchant(&mut self, stage: &mut Stage) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let (credit, _) = self.directory.some_merchant(&mut self.prng)?;
        let asset = asset_of(credit);
        let debit = self.directory.some_user_with(asset, chain, &mut self.prng)?;
        let pence = self.prng.between(1, PAYMENT_PENCE_MAX);
        let payment = self.payment(stage, PaymentKind::Payment, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn refund(&mut self, stage: &mut Stage) -> Option<Order> {
        self.merchant_pays(stage, PaymentKind::Refund)
    }

    pub(super) fn payout(&mut self, stage: &mut Stage) -> Option<Order> {
        self.merchant_pays(stage, PaymentKind::Payout)
    }

    fn merchant_pays(&mut self, stage: &Stage, kind: PaymentKind) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let (debit, _) = self.directory.some_merchant(&mut self.prng)?;
        let asset = asset_of(debit);
        let credit = self.directory.some_user_with(asset, chain, &mut self.prng)?;
        let pence = self.prng.between(1, REFUND_PENCE_MAX);
        let payment = self.payment(stage, kind, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn transfer_here(&mut self, stage: &mut Stage) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let debit = self.directory.some_user(chain, &mut self.prng)?;
        let asset = asset_of(debit);
        let credit = self.directory.some_user_with(asset, chain, &mut self.prng)?;
        let pence = self.prng.between(1, PAYMENT_PENCE_MAX);
        let payment = self.payment(stage, PaymentKind::Transfer, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn transfer_across(&mut self, stage: &mut Stage) -> Option<Order> {
        let from = self.directory.some_chain(&mut self.prng)?;
        let to = self.directory.some_chain(&mut self.prng)?;
        let debit = self.directory.some_user(from, &mut self.prng)?;
        let asset = asset_of(debit);
        let credit = self.directory.some_user_with(asset, to, &mut self.prng)?;
        let pence = self.prng.between(1, PAYMENT_PENCE_MAX);
        let payment = self.payment(stage, PaymentKind::Transfer, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn issue(&mut self, stage: &mut Stage) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let credit = self.directory.some_user(chain, &mut self.prng)?;
        let debit = AccountId::issuer(BANK, asset_of(credit), chain);
        let pence = self.prng.between(1, FIRST_PENCE);
        let payment = self.payment(stage, PaymentKind::Issue, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn redeem(&mut self, stage: &mut Stage) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let debit = self.directory.some_user(chain, &mut self.prng)?;
        let credit = AccountId::issuer(debit.institution(), asset_of(debit), chain);
        let pence = self.prng.between(1, PAYMENT_PENCE_MAX);
        let payment = self.payment(stage, PaymentKind::Redeem, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn between_merchants(&mut self, stage: &mut Stage) -> Option<Order> {
        let (debit, _) = self.directory.some_merchant(&mut self.prng)?;
        let (credit, _) = self.directory.some_merchant(&mut self.prng)?;
        let pence = self.prng.between(1, REFUND_PENCE_MAX);
        let payment = self.payment(stage, PaymentKind::Transfer, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn issue_to_merchant(&mut self, stage: &mut Stage) -> Option<Order> {
        let (credit, _) = self.directory.some_merchant(&mut self.prng)?;
        let debit = AccountId::issuer(BANK, asset_of(credit), stage.cluster.hf);
        let pence = self.prng.between(1, FIRST_PENCE);
        let payment = self.payment(stage, PaymentKind::Issue, debit, credit, pence);
        Some(self.order(stage, &payment))
    }

    pub(super) fn redeem_from_merchant(&mut self, stage: &mut Stage) -> Option<Order> {
        let (debit, _) = self.directory.some_merchant(&mut self.prng)?;
        let credit = AccountId::issuer(debit.institution(), asset_of(debit), stage.cluster.hf);
        let pence = self.prng.between(1, FIRST_PENCE);
        let payment = self.payment(stage, PaymentKind::Redeem, debit, credit, pence);
        Some(self.order(stage, &payment))
    }
}
