//! Refunds and payouts that wait for the merchant's money.
//!
//! A proxy's queue is served in order of arrival. A refund leaves it by being
//! executed, by being refused because an account may no longer take part, or by
//! being refused because the merchant could not pay: that is decided by the
//! answer to a request for money, and only about refunds that were waiting when
//! the request was made.

use tributary_types::codec::{Decode, DecodeError, Encode, Reader};
use tributary_types::payment::Payment;
use tributary_types::{Amount, OutcomeCode, PaymentRecord, Receipt};

use crate::block::Block;
use crate::core::{Core, check_parties};
use crate::payment::moved;
use crate::queue::Queue;
use crate::refusal::Refusal;
use crate::user::UserChain;

/// A refund or payout in a proxy's queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitingRefund {
    pub(crate) payment: Payment,
}

impl Encode for WaitingRefund {
    fn encode(&self, out: &mut Vec<u8>) {
        PaymentRecord::from(&self.payment).encode(out);
    }
}

impl Decode for WaitingRefund {
    const BYTES_MIN: usize = PaymentRecord::BYTES;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let malformed = DecodeError::Invalid { what: "waiting refund", value: 0 };
        let payment = PaymentRecord::decode(reader)?.parse().map_err(|_| malformed)?;
        Ok(Self { payment })
    }
}

/// What to do with the head of a queue.
enum Head {
    Execute(Receipt),
    Refuse(Refusal),
    Wait,
}

impl UserChain {
    /// Puts a refund at the end of its proxy's queue.
    ///
    /// # Errors
    /// `too_many_waiting`.
    pub(crate) fn await_funds(
        &mut self,
        core: &Core,
        proxy: u32,
        refund: WaitingRefund,
    ) -> Result<(), Refusal> {
        let waiting = self.waiting.get(&proxy).map_or(0, Queue::len) as u64;
        if waiting >= core.rules.parameters.waiting_refunds_max {
            return Err(OutcomeCode::TooManyWaiting.into());
        }
        let queue = self.waiting.entry(proxy).or_default();
        queue.push(refund);
        let commitment = queue.commitment();
        self.proxies.row_mut(proxy).waiting = commitment.map(Box::new);
        self.dirty_queues.insert(proxy);
        Ok(())
    }

    /// Serves a queue as far as the proxy's money goes and asks for more if it
    /// does not suffice.
    pub(crate) fn serve_queue(&mut self, core: &mut Core, block: &mut Block, proxy: u32) {
        self.run_queue(core, block, proxy, false);
        if self.waiting.contains_key(&proxy) {
            self.ask_for_funds(core, proxy);
        }
    }

    /// Takes from the head of a queue what can be decided. If the merchant
    /// `cannot_pay`, what its last request covered and is still too much is
    /// refused.
    pub(crate) fn run_queue(
        &mut self,
        core: &mut Core,
        block: &mut Block,
        proxy: u32,
        cannot_pay: bool,
    ) {
        let request = self.proxies.row(proxy).request.as_ref();
        let mut covered = request.map_or(0, |request| request.covered);
        while let Some(refund) = self.waiting.get(&proxy).and_then(Queue::front).copied() {
            let refuse_short = cannot_pay && covered > 0;
            let receipt = match self.decide_head(core, block, proxy, &refund, refuse_short) {
                Head::Wait => break,
                Head::Execute(receipt) => receipt,
                Head::Refuse(refusal) => refusal.into(),
            };
            covered = covered.saturating_sub(1);
            self.pop_waiting(block, proxy, covered);
            let payment = &refund.payment;
            core.window.update(payment.id, receipt.code, block.late_position());
            block.decide_late(PaymentRecord::from(payment), receipt);
        }
    }

    /// What the refunds of one proxy wait for, in all.
    pub(crate) fn waiting_amount(&self, proxy: u32) -> Amount {
        let amounts = self.waiting.get(&proxy).into_iter().flat_map(Queue::iter);
        amounts.fold(Amount::ZERO, |sum, refund| {
            sum.checked_add(refund.payment.amount).unwrap_or(Amount::new(u128::MAX))
        })
    }

    /// Executes the head of a queue if it can be paid.
    fn decide_head(
        &mut self,
        core: &mut Core,
        block: &Block,
        proxy_number: u32,
        refund: &WaitingRefund,
        refuse_short: bool,
    ) -> Head {
        let payment = &refund.payment;
        let proxy = self.proxies.row(proxy_number);
        let Some(credit) = core.accounts.find(payment.credit) else {
            return Head::Refuse(OutcomeCode::UnknownCreditAccount.into());
        };
        let payee = core.accounts.row(credit);
        let checked = check_parties(payment.asset, proxy.party(), payee.party())
            .and_then(|()| payee.credits_after(payment.amount));
        let credits = match checked {
            Ok(credits) => credits,
            Err(refusal) => return Head::Refuse(refusal),
        };
        let counters = match proxy.after_refund(payment.amount) {
            Ok(counters) => counters,
            Err(refusal) if refusal.code == OutcomeCode::InsufficientFunds && !refuse_short => {
                return Head::Wait;
            }
            Err(refusal) => return Head::Refuse(refusal),
        };
        let position = block.late_position();
        let proxy = self.unsettled_mut(proxy_number, block);
        proxy.counters = counters;
        let previous_debit = std::mem::replace(&mut proxy.last, position);
        let previous_credit = core.accounts.row_mut(credit).credit(credits, position);
        Head::Execute(moved(OutcomeCode::Committed, previous_debit, previous_credit))
    }

    /// Removes the head of a queue. What was kept for an emptied queue is for the
    /// next settlement to sweep.
    fn pop_waiting(&mut self, block: &Block, proxy: u32, covered: u64) {
        let Some(queue) = self.waiting.get_mut(&proxy) else { return };
        queue.pop();
        let commitment = queue.commitment();
        let row = if commitment.is_none() {
            self.waiting.remove(&proxy);
            self.unsettled_mut(proxy, block)
        } else {
            self.proxies.row_mut(proxy)
        };
        row.waiting = commitment.map(Box::new);
        if let Some(request) = &mut row.request {
            request.covered = covered;
        }
        self.dirty_queues.insert(proxy);
    }
}
