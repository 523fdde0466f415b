//! Payments: what each kind moves, where it runs, and what it is checked for.

use tributary_chain::AccountStatus;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AssetId, ChainId, OutcomeCode, PaymentKind, Receipt,
};

use super::chain::{Chain, Order, Refused, moved};
use super::holder::Holder;

impl Chain {
    /// The first check that fails is the outcome; all come before any change.
    pub(super) fn pay(&mut self, order: Order<'_>) -> Result<Receipt, Refused> {
        let payment = &order.payment;
        check_shape(payment, self.is_hf())?;
        self.check_place(payment)?;
        self.check_asset(payment.asset)?;
        if payment.debit.institution() != order.batch.institution {
            return Err(OutcomeCode::Unauthorized.into());
        }
        if let Some(peer) = self.elsewhere(payment.credit) {
            return self.send_transfer(order, peer);
        }
        let payer = self.holder(payment.debit).ok_or(OutcomeCode::UnknownDebitAccount)?;
        let payee = self.holder(payment.credit).ok_or(OutcomeCode::UnknownCreditAccount)?;
        check_parties(payment.asset, &payer, &payee)?;
        self.check_owner(&payer, order)?;
        let amount = payment.amount.get();
        let overflow: Refused = OutcomeCode::AmountOverflow.into();
        if let Some(proxy) = self.proxies.get(&payment.debit) {
            if payee.room < amount {
                return Err(overflow);
            }
            if !proxy.waiting.is_empty() || proxy.totals.balance() < amount {
                return self.await_funds(payment);
            }
        }
        check_available(&payer, amount)?;
        if payee.room < amount {
            return Err(overflow);
        }
        let position = self.block.position();
        let previous_debit = self.take(payment.debit, amount, position);
        let previous_credit = self.give(payment.credit, amount, position);
        Ok(moved(OutcomeCode::Committed, previous_debit, previous_credit))
    }

    pub(super) fn is_hf(&self) -> bool {
        self.id == self.rules.hf_chain
    }

    pub(super) fn check_asset(&self, asset: AssetId) -> Result<(), Refused> {
        let known = self.registry.assets.contains_key(&asset);
        if known { Ok(()) } else { Err(OutcomeCode::UnknownAsset.into()) }
    }

    /// Whether an account belongs here: a user or merchant by its slot, an
    /// issuer by its chain.
    pub(super) fn check_home(&self, id: AccountId) -> Result<(), Refused> {
        let home = match (id.class(), id.slot()) {
            (AccountClass::User, Some(slot)) => self.rules.user_chain(slot),
            (AccountClass::Hf, Some(slot)) => self.rules.merchant_chain(slot),
            _ if id.home_chain() == Some(self.id) => return Ok(()),
            _ => return Err(OutcomeCode::WrongChain.into()),
        };
        if home == Some(self.id) {
            return Ok(());
        }
        let detail = u128::from(self.rules.routes.version());
        Err(Refused { code: OutcomeCode::Moved, detail })
    }

    /// The owner of an account that has one must have signed.
    pub(super) fn check_owner(&self, payer: &Holder, order: Order<'_>) -> Result<(), Refused> {
        let Some(owner) = payer.owner else { return Ok(()) };
        let signature = order.signature.ok_or(OutcomeCode::OwnerSignatureMissing)?;
        let signed = order.record.signing_hash(&self.rules.cluster);
        let good = owner.verifies(&signed, signature);
        if good { Ok(()) } else { Err(OutcomeCode::OwnerSignatureInvalid.into()) }
    }

    /// A payment runs where its user is; a transfer where its payer is.
    fn check_place(&self, payment: &Payment) -> Result<(), Refused> {
        let is_proxy = |id: AccountId| !self.is_hf() && id.class() == AccountClass::Hf;
        if !is_proxy(payment.debit) {
            self.check_home(payment.debit)?;
        }
        let is_payee_of_transfer = !self.is_hf() && payment.kind == PaymentKind::Transfer;
        if !is_proxy(payment.credit) && !is_payee_of_transfer {
            self.check_home(payment.credit)?;
        }
        Ok(())
    }

    /// The chain of a user account, if it is another one.
    fn elsewhere(&self, id: AccountId) -> Option<ChainId> {
        let slot = id.slot().filter(|_| id.class() == AccountClass::User)?;
        self.rules.user_chain(slot).filter(|chain| *chain != self.id)
    }
}

/// Whether a payment's kind fits its accounts, and this kind of chain.
pub(super) fn check_shape(payment: &Payment, is_hf: bool) -> Result<(), Refused> {
    use AccountClass::{Hf, Issuer, User};
    if payment.amount.get() == 0 {
        return Err(OutcomeCode::AmountZero.into());
    }
    if payment.debit == payment.credit {
        return Err(OutcomeCode::SameAccount.into());
    }
    let runs_on_hf = match (payment.kind, payment.debit.class(), payment.credit.class()) {
        (PaymentKind::Payment, User, Hf)
        | (PaymentKind::Refund | PaymentKind::Payout, Hf, User)
        | (PaymentKind::Transfer, User, User)
        | (PaymentKind::Issue, Issuer, User)
        | (PaymentKind::Redeem, User, Issuer) => false,
        (PaymentKind::Transfer, Hf, Hf)
        | (PaymentKind::Issue, Issuer, Hf)
        | (PaymentKind::Redeem, Hf, Issuer) => true,
        _ => return Err(OutcomeCode::KindMismatch.into()),
    };
    if runs_on_hf == is_hf { Ok(()) } else { Err(OutcomeCode::WrongChain.into()) }
}

/// Both sides hold the asset and take part.
pub(super) fn check_parties(asset: AssetId, payer: &Holder, payee: &Holder) -> Result<(), Refused> {
    if payer.asset != asset || payee.asset != asset {
        return Err(OutcomeCode::AssetMismatch.into());
    }
    check_pays(payer)?;
    check_is_paid(payee)
}

pub(super) fn check_pays(payer: &Holder) -> Result<(), Refused> {
    match payer.status {
        AccountStatus::Frozen => Err(OutcomeCode::DebitAccountFrozen.into()),
        AccountStatus::Closed if !payer.pays_when_closed => {
            Err(OutcomeCode::DebitAccountClosed.into())
        }
        AccountStatus::Open | AccountStatus::Closed => Ok(()),
    }
}

pub(super) fn check_is_paid(payee: &Holder) -> Result<(), Refused> {
    match payee.status {
        AccountStatus::Open => Ok(()),
        AccountStatus::Frozen => Err(OutcomeCode::CreditAccountFrozen.into()),
        AccountStatus::Closed => Err(OutcomeCode::CreditAccountClosed.into()),
    }
}

pub(super) fn check_available(payer: &Holder, amount: u128) -> Result<(), Refused> {
    match payer.available {
        Some(detail) if detail < amount => {
            Err(Refused { code: OutcomeCode::InsufficientFunds, detail })
        }
        _ if payer.debits.checked_add(amount).is_none() => Err(OutcomeCode::AmountOverflow.into()),
        _ => Ok(()),
    }
}
