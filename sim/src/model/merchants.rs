//! What the HF chain does with statements and requests for money.

use tributary_chain::message::{Fund, FundRequest, Statement};
use tributary_chain::{AccountStatus, Message};
use tributary_types::{Amount, ChainId};

use super::chain::Chain;
use super::holder::Totals;
use super::rules::PROXY_TOTAL_MAX;

impl Chain {
    /// Credits every merchant by the difference to what was known.
    pub(super) fn take_statement(&mut self, source: ChainId, statement: &Statement) -> Option<()> {
        for row in &statement.rows {
            let merchant = self.merchants.get_mut(&row.account)?;
            let known = merchant.chains.entry(source).or_default();
            let counters = &row.counters;
            let totals = Totals {
                received: counters.received.get(),
                refunded: counters.refunded.get(),
                funded: counters.funded.get(),
                swept: counters.swept.get(),
                payments: counters.payments,
            };
            let swept = totals.swept.checked_sub(known.totals.swept)?;
            merchant.credits += swept;
            merchant.received += totals.received.checked_sub(known.totals.received)?;
            merchant.refunded += totals.refunded.checked_sub(known.totals.refunded)?;
            merchant.payments += totals.payments.checked_sub(known.totals.payments)?;
            (known.totals, known.epoch) = (totals, statement.epoch);
            (known.height, known.time) = (statement.last_height, statement.time);
            self.be_owed(source, row.asset, swept)?;
        }
        Some(())
    }

    /// Grants what the merchant has of a request, and answers in any case. A
    /// frozen merchant pays nothing.
    pub(super) fn take_fund_request(
        &mut self,
        source: ChainId,
        request: &FundRequest,
    ) -> Option<()> {
        let (account, asset, requested) = (request.account, request.asset, request.amount);
        let merchant = self.merchants.get(&account)?;
        let sent = merchant.chains.get(&source).map_or(0, |known| known.funds_sent);
        let available = merchant.credits - merchant.debits;
        let mut granted = requested.get().min(available).min(PROXY_TOTAL_MAX - sent);
        if merchant.status == AccountStatus::Frozen || !self.owe(source, asset, granted) {
            granted = 0;
        }
        if granted > 0 {
            let merchant = self.merchants.get_mut(&account)?;
            merchant.debits += granted;
            merchant.chains.entry(source).or_default().funds_sent += granted;
        }
        let granted = Amount::new(granted);
        let fund = Fund { account, asset, requested, granted };
        self.channels.get_mut(&source)?.send(Message::Fund(fund));
        Some(())
    }
}
