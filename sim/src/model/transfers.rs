//! Transfers between users of different chains.

use tributary_chain::Message;
use tributary_chain::message::{Transfer, TransferOutcome};
use tributary_types::payment::Payment;
use tributary_types::{ChainId, OutcomeCode, PaymentRecord, Position, Receipt};

use super::chain::{Chain, NOWHERE, Order, Refused, moved};
use super::payments::{check_available, check_is_paid, check_pays, check_shape};
use super::rules::{TOTAL_MAX, UNANSWERED_MAX};

impl Chain {
    /// Debits the payer and sends the money to the payee's chain.
    pub(super) fn send_transfer(
        &mut self,
        order: Order<'_>,
        peer: ChainId,
    ) -> Result<Receipt, Refused> {
        let payment = &order.payment;
        let payer = self.holder(payment.debit).ok_or(OutcomeCode::UnknownDebitAccount)?;
        if payer.asset != payment.asset {
            return Err(OutcomeCode::AssetMismatch.into());
        }
        check_pays(&payer)?;
        self.check_owner(&payer, order)?;
        let amount = payment.amount.get();
        check_available(&payer, amount)?;
        // Money may come back to an account that is full: none leaves it then.
        let credits = self.accounts.get(&payment.debit).map_or(0, |account| account.credits);
        if credits > TOTAL_MAX || !self.may_owe(peer, payment.asset, amount) {
            return Err(OutcomeCode::AmountOverflow.into());
        }
        let under_way = self.in_transit.entry(peer).or_default();
        let channel = self.channels.get_mut(&peer).filter(|channel| channel.may_begin());
        let Some(channel) = channel.filter(|_| under_way.len() < UNANSWERED_MAX) else {
            return Err(OutcomeCode::LimitReached.into());
        };
        channel.send(Message::Transfer(Transfer { payment: *order.record }));
        under_way.push_back(*payment);
        self.owe(peer, payment.asset, amount);
        let previous_debit = self.take(payment.debit, amount, self.block.position());
        Ok(moved(OutcomeCode::InTransit, previous_debit, NOWHERE))
    }

    /// Credits a transfer of another chain or refuses it, and answers.
    pub(super) fn take_transfer(&mut self, source: ChainId, transfer: &Transfer) -> Option<()> {
        let payment = transfer.payment.parse().ok()?;
        check_shape(&payment, self.is_hf()).ok()?;
        let position = self.block.late_position();
        let receipt = match self.credit_transfer(source, &payment, position) {
            Ok(previous_credit) => moved(OutcomeCode::Committed, NOWHERE, previous_credit),
            Err(refused) => refused.receipt(),
        };
        self.block.late.push((transfer.payment, receipt));
        let answer = TransferOutcome { id: payment.id, code: receipt.code };
        self.channels.get_mut(&source)?.send(Message::TransferOutcome(answer));
        Some(())
    }

    /// The answer to the oldest transfer to `source`: a refusal gives the payer
    /// the money back, whatever the status of the account.
    pub(super) fn take_transfer_outcome(
        &mut self,
        source: ChainId,
        outcome: &TransferOutcome,
    ) -> Option<()> {
        let payment = self.in_transit.get_mut(&source)?.pop_front()?;
        if payment.id != outcome.id || outcome.code.is_pending() {
            return None;
        }
        let position = self.block.late_position();
        let mut receipt = moved(outcome.code, NOWHERE, NOWHERE);
        if outcome.code != OutcomeCode::Committed {
            let amount = payment.amount.get();
            self.be_owed(source, payment.asset, amount)?;
            receipt.previous_debit = self.give(payment.debit, amount, position);
        }
        self.ids.update(payment.id, receipt.code, position);
        self.block.late.push((PaymentRecord::from(&payment), receipt));
        Some(())
    }

    fn credit_transfer(
        &mut self,
        source: ChainId,
        payment: &Payment,
        position: Position,
    ) -> Result<Position, Refused> {
        self.check_home(payment.credit)?;
        self.check_asset(payment.asset)?;
        let payee = self.holder(payment.credit).ok_or(OutcomeCode::UnknownCreditAccount)?;
        if payee.asset != payment.asset {
            return Err(OutcomeCode::AssetMismatch.into());
        }
        check_is_paid(&payee)?;
        let amount = payment.amount.get();
        if payee.room < amount {
            return Err(OutcomeCode::AmountOverflow.into());
        }
        self.be_owed(source, payment.asset, amount).ok_or(OutcomeCode::AmountOverflow)?;
        Ok(self.give(payment.credit, amount, position))
    }
}
