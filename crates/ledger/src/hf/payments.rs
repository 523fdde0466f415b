//! Payments on the HF chain: between merchants, and to and from issuers.

use tributary_types::{AccountId, Amount, OutcomeCode, Position, Receipt};

use crate::account;
use crate::core::{Core, Party, check_parties};
use crate::hf::HfChain;
use crate::merchant::Merchant;
use crate::movement::HfMovement;
use crate::payment::{Ordered, moved};
use crate::refusal::Refusal;

impl HfChain {
    /// Executes a payment whose shape and id are checked.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is changed.
    pub(crate) fn pay(
        &mut self,
        core: &mut Core,
        movement: HfMovement,
        ordered: &Ordered<'_>,
    ) -> Result<Receipt, Refusal> {
        movement.check_place(ordered.payment, &core.rules)?;
        ordered.check_authority(core)?;
        let (previous_debit, previous_credit) = match movement {
            HfMovement::HfToHf => self.pay_merchant(ordered)?,
            HfMovement::IssuerToHf => self.issue(core, ordered)?,
            HfMovement::HfToIssuer => self.redeem(core, ordered)?,
        };
        Ok(moved(OutcomeCode::Committed, previous_debit, previous_credit))
    }

    fn pay_merchant(&mut self, ordered: &Ordered<'_>) -> Result<(Position, Position), Refusal> {
        let payment = ordered.payment;
        let debit =
            self.find(payment.debit, ordered.near.debit, OutcomeCode::UnknownDebitAccount)?;
        let credit =
            self.find(payment.credit, ordered.near.credit, OutcomeCode::UnknownCreditAccount)?;
        let (payer, payee) = (self.merchants.row(debit), self.merchants.row(credit));
        check_parties(payment.asset, payer.party(), payee.party())?;
        let debits = payer.debits_after(payment.amount)?;
        let credits = account::credits_after(payee.credits, payment.amount)?;
        let previous_debit = self.merchants.row_mut(debit).debit(debits, ordered.position);
        let previous_credit = self.merchants.row_mut(credit).credit(credits, ordered.position);
        Ok((previous_debit, previous_credit))
    }

    fn issue(
        &mut self,
        core: &mut Core,
        ordered: &Ordered<'_>,
    ) -> Result<(Position, Position), Refusal> {
        let payment = ordered.payment;
        let debit = core.debit_account(payment.debit, ordered.near.debit)?;
        let credit =
            self.find(payment.credit, ordered.near.credit, OutcomeCode::UnknownCreditAccount)?;
        let (issuer, payee) = (core.accounts.row(debit), self.merchants.row(credit));
        check_parties(payment.asset, issuer.party(), payee.party())?;
        let debits = issuer.debits_after(payment.amount)?;
        let credits = account::credits_after(payee.credits, payment.amount)?;
        let previous_debit = core.accounts.row_mut(debit).debit(debits, ordered.position);
        let previous_credit = self.merchants.row_mut(credit).credit(credits, ordered.position);
        Ok((previous_debit, previous_credit))
    }

    fn redeem(
        &mut self,
        core: &mut Core,
        ordered: &Ordered<'_>,
    ) -> Result<(Position, Position), Refusal> {
        let payment = ordered.payment;
        let debit =
            self.find(payment.debit, ordered.near.debit, OutcomeCode::UnknownDebitAccount)?;
        let credit = core.credit_account(payment.credit, ordered.near.credit)?;
        let (payer, issuer) = (self.merchants.row(debit), core.accounts.row(credit));
        check_parties(payment.asset, payer.party(), issuer.party())?;
        let debits = payer.debits_after(payment.amount)?;
        let credits = issuer.credits_after(payment.amount)?;
        let previous_debit = self.merchants.row_mut(debit).debit(debits, ordered.position);
        let previous_credit = core.accounts.row_mut(credit).credit(credits, ordered.position);
        Ok((previous_debit, previous_credit))
    }

    /// The number of a merchant, which is most often `near`.
    pub(crate) fn find(
        &self,
        id: AccountId,
        near: Option<u32>,
        unknown: OutcomeCode,
    ) -> Result<u32, Refusal> {
        self.merchants.find_near(id, near).ok_or_else(|| unknown.into())
    }
}

impl Merchant {
    const fn party(&self) -> Party {
        Party { asset: self.asset, status: self.status, pays_when_closed: true }
    }

    fn debits_after(&self, amount: Amount) -> Result<Amount, Refusal> {
        let available = self.available();
        if available < amount {
            return Err(Refusal::insufficient(available));
        }
        self.debits.checked_add(amount).ok_or(OutcomeCode::AmountOverflow.into())
    }

    const fn debit(&mut self, debits: Amount, position: Position) -> Position {
        self.debits = debits;
        std::mem::replace(&mut self.last, position)
    }

    const fn credit(&mut self, credits: Amount, position: Position) -> Position {
        self.credits = credits;
        std::mem::replace(&mut self.last, position)
    }
}
