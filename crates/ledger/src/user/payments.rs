//! Payments on a user chain.

use tributary_types::{OutcomeCode, Position, Receipt};

use crate::block::Block;
use crate::core::{Core, check_parties};
use crate::movement::{UserMovement, user_chain_of};
use crate::payment::{Ordered, moved};
use crate::refusal::Refusal;
use crate::user::UserChain;
use crate::user::waiting::WaitingRefund;

impl UserChain {
    /// Executes a payment whose shape and id are checked.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is changed.
    pub(crate) fn pay(
        &mut self,
        core: &mut Core,
        block: &Block,
        movement: UserMovement,
        ordered: &Ordered<'_>,
    ) -> Result<Receipt, Refusal> {
        movement.check_place(ordered.payment, &core.rules)?;
        ordered.check_authority(core)?;
        match movement {
            UserMovement::UserToProxy => self.pay_merchant(core, block, ordered),
            UserMovement::ProxyToUser => self.pay_back(core, block, ordered),
            UserMovement::UserToUser => {
                let payee_chain = user_chain_of(ordered.payment.credit, &core.rules.routes);
                match payee_chain.filter(|chain| *chain != core.rules.chain) {
                    Some(peer) => self.transfer_out(core, peer, ordered),
                    None => pay_between_accounts(core, ordered),
                }
            }
            UserMovement::IssuerToUser | UserMovement::UserToIssuer => {
                pay_between_accounts(core, ordered)
            }
        }
    }

    /// A user pays a merchant's proxy.
    fn pay_merchant(
        &mut self,
        core: &mut Core,
        block: &Block,
        ordered: &Ordered<'_>,
    ) -> Result<Receipt, Refusal> {
        let payment = ordered.payment;
        let debit = core.debit_account(payment.debit, ordered.near.debit)?;
        let credit = self.proxies.find_near(payment.credit, ordered.near.credit);
        let credit = credit.ok_or(OutcomeCode::UnknownCreditAccount)?;
        let (payer, proxy) = (core.accounts.row(debit), self.proxies.row(credit));
        check_parties(payment.asset, payer.party(), proxy.party())?;
        ordered.check_owner(payer, core)?;
        let debits = payer.debits_after(payment.amount)?;
        let counters = proxy.after_payment(payment.amount)?;
        let previous_debit = core.accounts.row_mut(debit).debit(debits, ordered.position);
        let proxy = self.unsettled_mut(credit, block);
        proxy.counters = counters;
        let previous_credit = std::mem::replace(&mut proxy.last, ordered.position);
        Ok(moved(OutcomeCode::Committed, previous_debit, previous_credit))
    }

    /// A proxy gives money back or pays it out; waits if it holds too little,
    /// or if others wait already.
    fn pay_back(
        &mut self,
        core: &mut Core,
        block: &Block,
        ordered: &Ordered<'_>,
    ) -> Result<Receipt, Refusal> {
        let payment = ordered.payment;
        let debit = self.proxies.find_near(payment.debit, ordered.near.debit);
        let debit = debit.ok_or(OutcomeCode::UnknownDebitAccount)?;
        let credit = core.credit_account(payment.credit, ordered.near.credit)?;
        let (proxy, payee) = (self.proxies.row(debit), core.accounts.row(credit));
        check_parties(payment.asset, proxy.party(), payee.party())?;
        let credits = payee.credits_after(payment.amount)?;
        if proxy.waiting.is_none() {
            match proxy.after_refund(payment.amount) {
                Ok(counters) => {
                    let proxy = self.unsettled_mut(debit, block);
                    proxy.counters = counters;
                    let previous_debit = std::mem::replace(&mut proxy.last, ordered.position);
                    let payee = core.accounts.row_mut(credit);
                    let previous_credit = payee.credit(credits, ordered.position);
                    return Ok(moved(OutcomeCode::Committed, previous_debit, previous_credit));
                }
                Err(refusal) if refusal.code != OutcomeCode::InsufficientFunds => {
                    return Err(refusal);
                }
                Err(_) => {}
            }
        }
        self.await_funds(core, debit, WaitingRefund { payment: *payment })?;
        Ok(moved(OutcomeCode::AwaitingFunds, Position::NONE, Position::NONE))
    }
}

/// Between users of this chain, or a user and an issuer of this chain.
fn pay_between_accounts(core: &mut Core, ordered: &Ordered<'_>) -> Result<Receipt, Refusal> {
    let payment = ordered.payment;
    let debit = core.debit_account(payment.debit, ordered.near.debit)?;
    let credit = core.credit_account(payment.credit, ordered.near.credit)?;
    let payer = core.accounts.row(debit);
    check_parties(payment.asset, payer.party(), core.accounts.row(credit).party())?;
    ordered.check_owner(payer, core)?;
    core.move_between_accounts(debit, credit, payment.amount, ordered.position)
}
