//! Requests for a merchant's money, and the answers of the HF chain.
//!
//! A proxy has at most one request outstanding; every request is answered by
//! one [`Fund`], in order. A request that cannot be sent yet, because too many
//! are unanswered, stays noted at its proxy and is sent in a later block.

use tributary_chain::Message;
use tributary_chain::message::{Fund, FundRequest};
use tributary_types::Amount;

use crate::block::Block;
use crate::core::Core;
use crate::limits::UNANSWERED_MAX;
use crate::proxy::{FundsRequested, Proxy};
use crate::queue::Queue;
use crate::refusal::RuleBroken;
use crate::user::UserChain;

impl UserChain {
    /// Asks the HF chain for what a proxy lacks: for its waiting refunds and
    /// its float target if refunds wait, else for its float target if it holds
    /// less than the low mark. Does nothing if nothing is lacking or a request
    /// is outstanding.
    pub(crate) fn ask_for_funds(&mut self, core: &mut Core, number: u32) {
        let wanted = self.wanted(number);
        let hf_chain = core.rules.hf_chain;
        let may_send = self.requests < UNANSWERED_MAX && core.channels.may_begin(hf_chain);
        if let Some(amount) = wanted.filter(|_| may_send) {
            let proxy = self.proxies.row(number);
            let (account, asset) = (proxy.id, proxy.asset);
            let request = FundRequest { account, asset, amount };
            core.channels.send(hf_chain, Message::FundRequest(request));
            let covered = self.waiting.get(&number).map_or(0, Queue::len) as u64;
            self.proxies.row_mut(number).request =
                Some(Box::new(FundsRequested { amount, covered }));
            self.requests += 1;
        }
        self.note_asking(number, wanted.is_some() && !may_send);
    }

    /// Whether [`UserChain::ask_for_funds`] changes anything.
    pub(crate) fn has_to_ask(&self, number: u32) -> bool {
        self.proxies.row(number).asking || self.wanted(number).is_some()
    }

    /// Sends the requests that could not be sent before, as far as they can be
    /// sent now.
    pub(crate) fn ask_again(&mut self, core: &mut Core) {
        let mut after = None;
        while let Some(number) = self.next_asking(after) {
            if self.requests >= UNANSWERED_MAX || !core.channels.may_begin(core.rules.hf_chain) {
                break;
            }
            self.ask_for_funds(core, number);
            after = Some(number);
        }
    }

    /// Takes the answer to a proxy's request, serves its queue, and refuses what
    /// the merchant could not pay.
    ///
    /// # Errors
    /// [`RuleBroken`] if this answers no request of ours; then nothing is
    /// changed.
    pub(crate) fn receive_fund(
        &mut self,
        core: &mut Core,
        block: &mut Block,
        fund: &Fund,
    ) -> Result<(), RuleBroken> {
        let hf_chain = core.rules.hf_chain;
        let number = self.proxies.find(fund.account).ok_or(RuleBroken("fund for no proxy"))?;
        let proxy = self.proxies.row(number);
        let request = proxy.request.as_deref().ok_or(RuleBroken("fund without a request"))?;
        if proxy.asset != fund.asset
            || request.amount != fund.requested
            || fund.granted > fund.requested
        {
            return Err(RuleBroken("fund does not fit its request"));
        }
        let overflow = RuleBroken("fund of more money than there can be");
        let counters = proxy.after_fund(fund.granted).ok_or(overflow)?;
        let control = core.control(hf_chain, fund.asset);
        let control = control.ok_or(RuleBroken("fund of an asset that is not registered"))?;
        let totals = core.accounts.row(control).after_being_owed(fund.granted).ok_or(overflow)?;
        if !fund.granted.is_zero() {
            core.accounts.row_mut(control).set_totals(totals);
            self.unsettled_mut(number, block).counters = counters;
        }
        self.run_queue(core, block, number, fund.granted < fund.requested);
        self.proxies.row_mut(number).request = None;
        self.requests -= 1;
        Ok(())
    }

    /// How much a proxy should ask for now; `None` if it lacks nothing or a request is
    /// outstanding.
    fn wanted(&self, number: u32) -> Option<Amount> {
        let amount = self.lacking(number);
        (self.proxies.row(number).request.is_none() && !amount.is_zero()).then_some(amount)
    }

    /// How much a proxy lacks.
    fn lacking(&self, number: u32) -> Amount {
        let proxy = self.proxies.row(number);
        let waiting = self.waiting_amount(number);
        let wanted = if waiting.is_zero() {
            if proxy.balance() >= proxy.float.low_mark {
                return Amount::ZERO;
            }
            proxy.float.target
        } else {
            waiting.checked_add(proxy.float.target).unwrap_or(waiting)
        };
        wanted.checked_sub(proxy.balance()).unwrap_or(Amount::ZERO)
    }

    fn note_asking(&mut self, number: u32, asking: bool) {
        if self.proxies.row(number).asking != asking {
            let proxy: &mut Proxy = self.proxies.row_mut(number);
            proxy.asking = asking;
            if asking {
                self.asking.insert(number);
            } else {
                self.asking.remove(&number);
            }
        }
    }

    fn next_asking(&self, after: Option<u32>) -> Option<u32> {
        let from = after.map_or(0, |number| number + 1);
        self.asking.range(from..).next().copied()
    }
}
