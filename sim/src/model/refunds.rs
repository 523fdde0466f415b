//! Refunds and payouts that wait for the merchant's money.

use tributary_chain::Message;
use tributary_chain::message::{Fund, FundRequest};
use tributary_types::payment::Payment;
use tributary_types::{AccountId, Amount, OutcomeCode, PaymentRecord, Receipt};

use super::chain::{Chain, NOWHERE, Refused, moved};
use super::holder::{Proxy, Request};
use super::payments::{check_available, check_parties};
use super::rules::UNANSWERED_MAX;

impl Chain {
    /// A refund joins the end of its proxy's queue.
    pub(super) fn await_funds(&mut self, payment: &Payment) -> Result<Receipt, Refused> {
        let limit = self.rules.waiting_refunds_max;
        let proxy = self.proxies.get_mut(&payment.debit);
        let proxy = proxy.ok_or(OutcomeCode::UnknownDebitAccount)?;
        if proxy.waiting.len() as u64 >= limit {
            return Err(OutcomeCode::TooManyWaiting.into());
        }
        proxy.waiting.push_back(*payment);
        self.block.touched.insert(payment.debit);
        Ok(moved(OutcomeCode::AwaitingFunds, NOWHERE, NOWHERE))
    }

    /// Serves the queue of a proxy and asks for what it lacks.
    pub(super) fn serve_refunds(&mut self, proxy: AccountId) {
        self.decide_refunds(proxy, false);
        if self.proxies.get(&proxy).is_some_and(|proxy| !proxy.waiting.is_empty()) {
            self.ask_for_funds(proxy);
        }
    }

    /// Asks the HF chain for money, one request at a time: for the waiting
    /// refunds and the float, or for the float if there is less than the low
    /// mark. What finds no room is asked for later.
    pub(super) fn ask_for_funds(&mut self, id: AccountId) {
        let hf_chain = self.rules.hf_chain;
        let requests = self.proxies.values().filter(|proxy| proxy.request.is_some()).count();
        let Some(channel) = self.channels.get_mut(&hf_chain) else { return };
        let Some(proxy) = self.proxies.get_mut(&id) else { return };
        let amount = proxy.lacks();
        let wanted = amount > 0 && proxy.request.is_none();
        let sent = wanted && requests < UNANSWERED_MAX && channel.may_begin();
        if sent {
            proxy.request = Some(Request { amount, covered: proxy.waiting.len() });
            let (asset, amount) = (proxy.asset, Amount::new(amount));
            channel.send(Message::FundRequest(FundRequest { account: id, asset, amount }));
        }
        proxy.asking = wanted && !sent;
    }

    /// The answer of the HF chain. What it could not pay is refused.
    pub(super) fn take_fund(&mut self, fund: &Fund) -> Option<()> {
        let (id, granted) = (fund.account, fund.granted.get());
        let asked = self.proxies.get(&id)?.request?.amount;
        if asked != fund.requested.get() || granted > asked {
            return None;
        }
        if granted > 0 {
            self.unsettled(id)?.totals.funded += granted;
            self.be_owed(self.rules.hf_chain, fund.asset, granted)?;
        }
        self.decide_refunds(id, granted < asked);
        self.block.touched.insert(id);
        self.proxies.get_mut(&id)?.request = None;
        Some(())
    }

    /// Decides refunds from the head of a queue on, as far as that can be done.
    /// Too little money means waiting, unless the merchant `cannot_pay` and its
    /// request covered the refund.
    fn decide_refunds(&mut self, id: AccountId, cannot_pay: bool) {
        while let Some(proxy) = self.proxies.get(&id) {
            let Some(payment) = proxy.waiting.front().copied() else { return };
            let covered = proxy.request.map_or(0, |request| request.covered);
            let position = self.block.late_position();
            let receipt = match self.check_refund(&payment) {
                Ok(()) => {
                    let amount = payment.amount.get();
                    let previous_debit = self.take(payment.debit, amount, position);
                    let previous_credit = self.give(payment.credit, amount, position);
                    moved(OutcomeCode::Committed, previous_debit, previous_credit)
                }
                Err(refused) => {
                    let short = refused.code == OutcomeCode::InsufficientFunds;
                    if short && !(cannot_pay && covered > 0) {
                        return;
                    }
                    refused.receipt()
                }
            };
            self.leave_queue(id);
            self.ids.update(payment.id, receipt.code, position);
            self.block.late.push((PaymentRecord::from(&payment), receipt));
        }
    }

    fn check_refund(&self, payment: &Payment) -> Result<(), Refused> {
        let payee = self.holder(payment.credit).ok_or(OutcomeCode::UnknownCreditAccount)?;
        let payer = self.holder(payment.debit).ok_or(OutcomeCode::UnknownDebitAccount)?;
        check_parties(payment.asset, &payer, &payee)?;
        if payee.room < payment.amount.get() {
            return Err(OutcomeCode::AmountOverflow.into());
        }
        check_available(&payer, payment.amount.get())
    }

    /// The head of a queue leaves it. What was kept for an emptied queue is for
    /// the next settlement.
    fn leave_queue(&mut self, id: AccountId) {
        let Some(proxy) = self.proxies.get_mut(&id) else { return };
        proxy.waiting.pop_front();
        if let Some(request) = &mut proxy.request {
            request.covered = request.covered.saturating_sub(1);
        }
        self.block.touched.insert(id);
        if proxy.waiting.is_empty() {
            self.unsettled(id);
        }
    }
}

impl Proxy {
    /// What the refunds in the queue wait for, in all.
    pub(super) fn waits_for(&self) -> u128 {
        self.waiting.iter().fold(0, |sum: u128, refund| sum.saturating_add(refund.amount.get()))
    }

    fn lacks(&self) -> u128 {
        let (held, target) = (self.totals.balance(), self.float.target.get());
        let wanted = match self.waits_for() {
            0 if held >= self.float.low_mark.get() => 0,
            0 => target,
            waiting => waiting.checked_add(target).unwrap_or(waiting),
        };
        wanted.saturating_sub(held)
    }
}
