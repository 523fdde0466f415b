//! What the HF chain does with the messages of user chains: it credits
//! statements and answers requests for money.
//!
//! A statement is checked row by row before any row is applied. What fails a
//! check cannot come from an honest quorum: nothing of it is applied.

use std::collections::BTreeMap;

use tributary_chain::message::{Fund, FundRequest, Statement, StatementRow};
use tributary_chain::{AccountStatus, Counters, Message};
use tributary_types::{Amount, AssetId, ChainId};

use crate::account::ControlTotals;
use crate::core::Core;
use crate::hf::{HfChain, LastStatement};
use crate::limits::PROXY_TOTAL_MAX;
use crate::merchant::Merchant;
use crate::read_ahead::ROWS_AHEAD;
use crate::refusal::RuleBroken;

/// What one checked row makes of its merchant's totals.
struct Credited {
    merchant: u32,
    credits: Amount,
    received: Amount,
    refunded: Amount,
    payments: u64,
}

impl HfChain {
    /// Applies one message of a user chain.
    ///
    /// # Errors
    /// [`RuleBroken`]; then nothing is changed.
    pub(crate) fn receive(
        &mut self,
        core: &mut Core,
        source: ChainId,
        message: &Message,
    ) -> Result<(), RuleBroken> {
        match message {
            Message::Statement(statement) => self.credit(core, source, statement),
            Message::FundRequest(request) => self.answer(core, source, request),
            _ => Err(RuleBroken("a message that user chains do not send to the HF chain")),
        }
    }

    /// Credits every merchant of a statement by the difference to the last
    /// counters that are known.
    fn credit(
        &mut self,
        core: &mut Core,
        source: ChainId,
        statement: &Statement,
    ) -> Result<(), RuleBroken> {
        let last = self.settled.get().0.get(&source).copied();
        let last = last.ok_or(RuleBroken("statement of a chain that is no user chain"))?;
        if statement.epoch != last.epoch + 1 || statement.previous != last.statement {
            return Err(RuleBroken("statement that does not follow the one before"));
        }
        if statement.rows.windows(2).any(|pair| pair[0].account >= pair[1].account) {
            return Err(RuleBroken("statement whose rows do not ascend"));
        }
        let mut swept = BTreeMap::new();
        let mut credited = Vec::with_capacity(statement.rows.len());
        let near = self.merchants.near(statement.rows.iter().map(|row| row.account));
        for (row, near) in statement.rows.iter().zip(near) {
            credited.push(self.check_row(source, row, near, &mut swept)?);
        }
        let control = check_swept(core, source, &swept)?;
        for (number, totals) in control {
            core.accounts.row_mut(number).set_totals(totals);
        }
        for (place, (row, change)) in statement.rows.iter().zip(&credited).enumerate() {
            if let Some(later) = credited.get(place + ROWS_AHEAD) {
                self.merchants.prefetch(later.merchant);
            }
            let merchant = self.merchants.row_mut(change.merchant);
            change.apply(merchant, source, statement, row.counters);
        }
        let last = LastStatement { epoch: statement.epoch, statement: statement.hash() };
        self.settled.change().0.insert(source, last);
        Ok(())
    }

    fn check_row(
        &self,
        source: ChainId,
        row: &StatementRow,
        near: Option<u32>,
        swept: &mut BTreeMap<AssetId, Amount>,
    ) -> Result<Credited, RuleBroken> {
        let merchant = self.merchants.find_near(row.account, near);
        let number = merchant.ok_or(RuleBroken("row of an unknown merchant"))?;
        let merchant = self.merchants.row(number);
        if merchant.asset != row.asset {
            return Err(RuleBroken("row of another asset than the merchant's"));
        }
        let counters = row.counters;
        let known = merchant.chain(source);
        let last = known.map(|chain| chain.counters).unwrap_or_default();
        let funds_sent = known.map_or(Amount::ZERO, |chain| chain.funds_sent);
        counters.balance().ok_or(RuleBroken("row with a negative balance"))?;
        if !counters.is_successor_of(&last) {
            return Err(RuleBroken("row with a counter that shrank"));
        }
        if counters.funded > funds_sent {
            return Err(RuleBroken("row with more money from here than was sent"));
        }
        if counters.received.get() > PROXY_TOTAL_MAX {
            return Err(RuleBroken("row with more money than a proxy takes"));
        }
        let grown = |now: Amount, before: Amount| now.checked_sub(before).unwrap_or_default();
        let delta = grown(counters.swept, last.swept);
        let overflow = RuleBroken("row with more money than there can be");
        let add = |total: Amount, more: Amount| total.checked_add(more).ok_or(overflow);
        let sum = swept.entry(row.asset).or_insert(Amount::ZERO);
        *sum = add(*sum, delta)?;
        let payments = merchant.payments.checked_add(counters.payments - last.payments);
        Ok(Credited {
            merchant: number,
            credits: add(merchant.credits, delta)?,
            received: add(merchant.received, grown(counters.received, last.received))?,
            refunded: add(merchant.refunded, grown(counters.refunded, last.refunded))?,
            payments: payments.ok_or(overflow)?,
        })
    }

    /// Grants what the merchant can pay of a request, and answers in any case.
    fn answer(
        &mut self,
        core: &mut Core,
        source: ChainId,
        request: &FundRequest,
    ) -> Result<(), RuleBroken> {
        let merchant = self.merchants.find(request.account);
        let number = merchant.ok_or(RuleBroken("request for an unknown merchant"))?;
        let merchant = self.merchants.row(number);
        if merchant.asset != request.asset {
            return Err(RuleBroken("request of another asset than the merchant's"));
        }
        if !core.channels.may_answer(source) {
            return Err(RuleBroken("more requests than may be unanswered"));
        }
        let granted = self.grant(core, source, number, request.amount);
        let (account, asset, requested) = (request.account, request.asset, request.amount);
        let fund = Fund { account, asset, requested, granted };
        core.channels.send(source, Message::Fund(fund));
        Ok(())
    }

    /// Moves what can be paid of `requested` into the control account; returns
    /// how much that is. A frozen merchant pays nothing.
    fn grant(
        &mut self,
        core: &mut Core,
        source: ChainId,
        number: u32,
        requested: Amount,
    ) -> Amount {
        let merchant = self.merchants.row(number);
        let sent = merchant.chain(source).map_or(Amount::ZERO, |chain| chain.funds_sent);
        let room = Amount::new(PROXY_TOTAL_MAX).checked_sub(sent).unwrap_or_default();
        let granted = requested.min(merchant.available()).min(room);
        let debits = merchant.debits.checked_add(granted);
        let control = core.control(source, merchant.asset);
        let owed = control.and_then(|control| core.accounts.row(control).after_owing(granted));
        let (Some(control), Some(owed), Some(debits), Some(sent), false, false) = (
            control,
            owed,
            debits,
            sent.checked_add(granted),
            granted.is_zero(),
            merchant.status == AccountStatus::Frozen,
        ) else {
            return Amount::ZERO;
        };
        core.accounts.row_mut(control).set_totals(owed);
        let merchant = self.merchants.row_mut(number);
        merchant.debits = debits;
        merchant.chain_mut(source).funds_sent = sent;
        granted
    }
}

impl Credited {
    fn apply(
        &self,
        merchant: &mut Merchant,
        source: ChainId,
        statement: &Statement,
        counters: Counters,
    ) {
        merchant.credits = self.credits;
        merchant.received = self.received;
        merchant.refunded = self.refunded;
        merchant.payments = self.payments;
        let chain = merchant.chain_mut(source);
        chain.counters = counters;
        chain.epoch = statement.epoch;
        chain.as_of_height = statement.last_height;
        chain.as_of_time = statement.time;
    }
}

/// The control accounts after the money of a statement came up.
fn check_swept(
    core: &Core,
    source: ChainId,
    swept: &BTreeMap<AssetId, Amount>,
) -> Result<Vec<(u32, ControlTotals)>, RuleBroken> {
    let overflow = RuleBroken("statement of more money than there can be");
    let unknown = RuleBroken("statement of an asset that is not registered");
    let totals = |(asset, amount): (&AssetId, &Amount)| {
        let control = core.control(source, *asset).ok_or(unknown)?;
        let totals = core.accounts.row(control).after_being_owed(*amount).ok_or(overflow)?;
        Ok((control, totals))
    };
    swept.iter().map(totals).collect()
}
