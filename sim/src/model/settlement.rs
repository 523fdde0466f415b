//! Settlement on user chains.

use tributary_chain::message::{MerchantNotice, STATEMENT_ROWS_MAX, Statement};
use tributary_chain::{Message, StatementRow};
use tributary_types::{AccountId, BlockHeight, Hash, Position, TimeMs};

use super::chain::Chain;
use super::holder::{Proxy, Totals};

/// Where the settlement of a user chain stands.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// The last one; 0 before the first.
    pub(super) epoch: u64,
    pub(super) height: BlockHeight,
    pub(super) time: TimeMs,
    statement: Hash,
    /// Where a statement that could not hold all ended, and the block of the
    /// first one like it.
    series: Option<(AccountId, BlockHeight)>,
    pub(super) unsettled_since: Option<BlockHeight>,
    /// The statements' numbers in the channel.
    numbers: Vec<u64>,
}

impl Settlement {
    pub(super) const fn new(created: TimeMs) -> Self {
        Self {
            epoch: 0,
            height: BlockHeight::new(0),
            time: created,
            statement: Hash::ZERO,
            series: None,
            unsettled_since: None,
            numbers: Vec::new(),
        }
    }
}

impl Chain {
    /// Settles if the interval is over or a statement did not hold all, there is
    /// something to say, and the HF chain is not behind.
    pub(super) fn settle_if_due(&mut self) {
        let Some(channel) = self.channels.get(&self.rules.hf_chain) else { return };
        let settlement = &mut self.settlement;
        settlement.numbers.retain(|number| *number > channel.acknowledged());
        let wait_ms = settlement.series.map_or(self.rules.settlement_interval_ms, |_| 0);
        let due = settlement.time.get().saturating_add(wait_ms);
        let behind = settlement.numbers.len() as u64 >= self.rules.statements_unacknowledged_max
            || !channel.may_begin();
        if self.block.time.get() >= due && !behind && self.unsettled_proxies().next().is_some() {
            self.settle();
        }
    }

    /// Opens a proxy or brings it up to date. A new float is put in force by
    /// the next settlement.
    pub(super) fn take_merchant(&mut self, notice: &MerchantNotice) -> Option<()> {
        let (id, number) = (notice.account, self.proxies.len());
        self.registry.assets.get(&notice.asset)?;
        let opened = !self.proxies.contains_key(&id);
        let proxy = self.proxies.entry(id).or_insert_with(|| Proxy {
            number,
            asset: notice.asset,
            status: notice.status,
            float: notice.float,
            totals: Totals::default(),
            unsettled: false,
            asking: false,
            request: None,
            waiting: [].into(),
            last: Position::NONE,
        });
        let float_changed = proxy.float != notice.float;
        (proxy.status, proxy.float) = (notice.status, notice.float);
        self.block.touched.insert(id);
        if float_changed || opened && notice.float.low_mark.get() > 0 {
            self.unsettled(id);
        }
        Some(())
    }

    fn unsettled_proxies(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.proxies.iter().filter(|(_, proxy)| proxy.unsettled).map(|(id, _)| *id)
    }

    /// Sweeps what each changed proxy holds above its float, asks for what the
    /// others lack, and says where that leaves them.
    fn settle(&mut self) {
        let accounts = self.accounts_to_state();
        let rows = accounts.iter().filter_map(|id| self.sweep(*id)).collect();
        for id in accounts {
            if self.proxies.get(&id).is_some_and(|proxy| proxy.waiting.is_empty()) {
                self.ask_for_funds(id);
            }
        }
        let (settlement, block) = (&mut self.settlement, &self.block);
        let statement = Statement {
            epoch: settlement.epoch + 1,
            first_height: settlement.height.next(),
            last_height: block.height,
            time: block.time,
            previous: settlement.statement,
            rows,
        };
        settlement.epoch += 1;
        (settlement.height, settlement.time) = (block.height, block.time);
        settlement.statement = statement.hash();
        if let Some(channel) = self.channels.get_mut(&self.rules.hf_chain) {
            channel.send(Message::Statement(statement));
            settlement.numbers.push(channel.sent);
        }
    }

    /// The unsettled proxies behind where the last statement ended, or behind
    /// none, as many as a statement holds. At the end of them, those before are
    /// as old as the first statement at most.
    fn accounts_to_state(&mut self) -> Vec<AccountId> {
        let (all, series) = (self.unsettled_proxies().count(), self.settlement.series.take());
        let began = series.map_or(self.block.height, |(_, began)| began);
        let behind = |id: &AccountId| series.is_none_or(|(last, _)| *id > last);
        let accounts: Vec<_> = self.unsettled_proxies().filter(behind).collect();
        let stated: Vec<_> = accounts.iter().copied().take(STATEMENT_ROWS_MAX).collect();
        if stated.len() < accounts.len() {
            self.settlement.series = stated.last().map(|last| (*last, began));
        } else {
            self.settlement.unsettled_since = (stated.len() < all).then_some(began);
        }
        stated
    }

    /// Nothing is swept while refunds wait, nor what the HF chain cannot take.
    fn sweep(&mut self, id: AccountId) -> Option<StatementRow> {
        let hf_chain = self.rules.hf_chain;
        let proxy = self.proxies.get_mut(&id)?;
        proxy.unsettled = false;
        let (asset, idle) = (proxy.asset, proxy.waiting.is_empty());
        let excess = proxy.totals.balance().saturating_sub(proxy.float.target.get());
        let swept = idle && excess > 0 && self.owe(hf_chain, asset, excess);
        let proxy = self.proxies.get_mut(&id)?;
        proxy.totals.swept += if swept { excess } else { 0 };
        Some(StatementRow { account: id, asset, counters: proxy.totals.counters() })
    }
}
