//! Settlement: sweeping the proxies and stating their totals to the HF chain.
//!
//! It is part of execution and a function of the chain's history: no leader
//! decides, and (chain, epoch) is its identity. A statement is cumulative, so
//! the next one repeats whatever an unsent one would have said; when too many
//! are unacknowledged the chain simply waits.
//!
//! Where more proxies have changed than one statement holds, a settlement is a
//! *series*: statements in blocks that follow one another, through all accounts
//! once, ascending. The interval counts from the last statement of the series.

use std::collections::{BTreeMap, VecDeque};

use tributary_chain::message::{STATEMENT_ROWS_MAX, Statement, StatementRow};
use tributary_chain::{Message, Outbox};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{AccountId, Amount, AssetId, BlockHeight, Hash, TimeMs, canonical};

use crate::block::Block;
use crate::books::CarriedMoney;
use crate::core::Core;
use crate::limits::{ASSETS_MAX, STATEMENTS_UNACKNOWLEDGED_MAX};
use crate::user::UserChain;
use crate::view::SettlementStatus;

/// Where a user chain's settlement stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settlement {
    /// The last settlement; 0 before the first.
    pub(crate) epoch: u64,
    /// Its block.
    pub(crate) height: BlockHeight,
    /// Its time; that of the genesis before the first.
    pub(crate) time: TimeMs,
    /// Hash of its statement; zero before the first.
    pub(crate) statement: Hash,
    /// The series under way, if there is one.
    pub(crate) series: Option<Series>,
    /// The oldest block with a change that no statement has said yet, or one
    /// before it.
    pub(crate) unsettled_since: Option<BlockHeight>,
    /// Statements that the HF chain is not known to have, oldest first.
    pub(crate) unacknowledged: VecDeque<Stated>,
}

/// A settlement of several statements, of which some are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Series {
    /// The block of its first statement: it speaks of all that changed before.
    pub(crate) began: BlockHeight,
    /// The last account that was spoken of; those behind it are still to come.
    pub(crate) resume_after: AccountId,
}
canonical!(Series { began: BlockHeight, resume_after: AccountId });

/// What a settlement sweeps of one asset.
struct Swept {
    /// The account of what is owed to the HF chain, if the asset is registered.
    control: Option<u32>,
    sum: Amount,
}

/// A statement on its way, and the money in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stated {
    /// Its number in the channel.
    pub(crate) sequence: u64,
    /// What was swept, ascending by asset.
    pub(crate) swept: Vec<(AssetId, Amount)>,
}
canonical!(Stated { sequence: u64, swept: Vec<(AssetId, Amount)> });

impl Settlement {
    /// Nothing settled yet.
    pub(crate) const fn new(created: TimeMs) -> Self {
        Self {
            epoch: 0,
            height: BlockHeight::new(0),
            time: created,
            statement: Hash::ZERO,
            series: None,
            unsettled_since: None,
            unacknowledged: VecDeque::new(),
        }
    }
}

impl UserChain {
    /// The block time from which a settlement is due; `None` if nothing is
    /// unsettled or the HF chain must first acknowledge.
    pub(crate) fn settlement_due(&self, core: &Core) -> Option<TimeMs> {
        let settlement = self.settlement.get();
        let acknowledged = core.channels.outbox(core.rules.hf_chain);
        let acknowledged = acknowledged.map_or(0, Outbox::acknowledged_sequence);
        let open = settlement.unacknowledged.iter();
        let open = open.filter(|stated| stated.sequence > acknowledged).count() as u64;
        let blocked = open >= core.rules.parameters.statements_unacknowledged_max
            || !core.channels.may_begin(core.rules.hf_chain);
        let interval_ms = core.rules.parameters.settlement_interval_ms;
        let wait_ms = if settlement.series.is_some() { 0 } else { interval_ms };
        let due = settlement.time.plus_ms(wait_ms);
        (!self.unsettled.is_empty() && !blocked).then_some(due)
    }

    /// Settles if it is time.
    pub(crate) fn settle_if_due(&mut self, core: &mut Core, block: &Block) {
        self.forget_acknowledged(core);
        if self.settlement_due(core).is_some_and(|due| block.time >= due) {
            self.settle(core, block);
        }
    }

    /// What readers see.
    pub(crate) fn settlement_status(&self, core: &Core) -> SettlementStatus {
        let settlement = self.settlement.get();
        let outbox = core.channels.outbox(core.rules.hf_chain);
        SettlementStatus {
            unsettled_since: settlement.unsettled_since,
            unsettled_rows: self.unsettled.len() as u64,
            last_epoch: settlement.epoch,
            last_statement_height: settlement.height,
            sent_sequence_to_hf: outbox.map_or(0, Outbox::sent_sequence),
        }
    }

    /// Money in statements that are not acknowledged, in order.
    pub(crate) fn stated_money(&self) -> impl Iterator<Item = CarriedMoney> + '_ {
        self.settlement.get().unacknowledged.iter().flat_map(|stated| {
            let sequence = stated.sequence;
            let swept = stated.swept.iter();
            swept.map(move |(asset, amount)| CarriedMoney {
                sequence,
                asset: *asset,
                amount: *amount,
            })
        })
    }

    fn settle(&mut self, core: &mut Core, block: &Block) {
        let numbers = self.take_rows(block);
        let mut swept = BTreeMap::new();
        let mut rows = Vec::with_capacity(numbers.len());
        let mut lacking = Vec::new();
        for (place, number) in numbers.iter().enumerate() {
            self.proxies.prefetch_ahead(&numbers, place);
            rows.push(self.sweep(core, *number, &mut swept));
            if self.proxies.row(*number).waiting.is_none() && self.has_to_ask(*number) {
                lacking.push(*number);
            }
        }
        for number in lacking {
            self.ask_for_funds(core, number);
        }
        self.state(core, block, rows, swept);
    }

    /// The proxies that the next statement speaks of, ascending by account.
    fn take_rows(&mut self, block: &Block) -> Vec<u32> {
        let settlement = self.settlement.change();
        let series = settlement.series.take();
        let began = series.map_or(block.height, |series| series.began);
        let resumed = series.map(|series| series.resume_after);
        let (rows, is_more) =
            self.unsettled.take_behind(resumed, STATEMENT_ROWS_MAX, &self.proxies);
        if is_more {
            let last = rows.last().map(|number| self.proxies.row(*number).id);
            settlement.series = last.map(|resume_after| Series { began, resume_after });
        } else if self.unsettled.is_empty() {
            settlement.unsettled_since = None;
        } else {
            // They have changed after the series had passed them.
            settlement.unsettled_since = Some(began);
        }
        rows
    }

    /// Sweeps what a proxy holds above its float target, and nothing while
    /// refunds wait; says where that leaves it.
    fn sweep(
        &mut self,
        core: &mut Core,
        number: u32,
        swept: &mut BTreeMap<AssetId, Swept>,
    ) -> StatementRow {
        let proxy = self.proxies.row_mut(number);
        proxy.unsettled = false;
        let (account, asset) = (proxy.id, proxy.asset);
        let excess = proxy.balance().checked_sub(proxy.float.target).unwrap_or(Amount::ZERO);
        if proxy.waiting.is_none() && !excess.is_zero() {
            let hf_chain = core.rules.hf_chain;
            let swept = swept.entry(asset).or_insert_with(|| Swept {
                control: core.control(hf_chain, asset),
                sum: Amount::ZERO,
            });
            // What the HF chain could not take stays where it is.
            let counters = proxy.after_sweep(excess);
            let sum = swept.sum.checked_add(excess);
            if let (Some(control), Some(counters), Some(sum)) = (swept.control, counters, sum)
                && let Some(owed) = core.accounts.row(control).after_owing(excess)
            {
                proxy.counters = counters;
                core.accounts.row_mut(control).set_totals(owed);
                swept.sum = sum;
            }
        }
        StatementRow { account, asset, counters: proxy.counters }
    }

    /// Puts the statement into the channel.
    fn state(
        &mut self,
        core: &mut Core,
        block: &Block,
        rows: Vec<StatementRow>,
        swept: BTreeMap<AssetId, Swept>,
    ) {
        let settlement = self.settlement.change();
        let statement = Statement {
            epoch: settlement.epoch + 1,
            first_height: settlement.height.next(),
            last_height: block.height,
            time: block.time,
            previous: settlement.statement,
            rows,
        };
        settlement.epoch = statement.epoch;
        settlement.height = block.height;
        settlement.time = block.time;
        settlement.statement = statement.hash();
        let hf_chain = core.rules.hf_chain;
        core.channels.send(hf_chain, Message::Statement(statement));
        let sequence = core.channels.outbox(hf_chain).map_or(0, Outbox::sent_sequence);
        let swept = swept.into_iter().map(|(asset, swept)| (asset, swept.sum));
        let swept = swept.filter(|(_, sum)| !sum.is_zero()).collect();
        settlement.unacknowledged.push_back(Stated { sequence, swept });
    }

    fn forget_acknowledged(&mut self, core: &Core) {
        let outbox = core.channels.outbox(core.rules.hf_chain);
        let acknowledged = outbox.map_or(0, Outbox::acknowledged_sequence);
        let is_known = |stated: &Stated| stated.sequence <= acknowledged;
        while self.settlement.get().unacknowledged.front().is_some_and(is_known) {
            self.settlement.change().unacknowledged.pop_front();
        }
    }
}

impl Encode for Settlement {
    fn encode(&self, out: &mut Vec<u8>) {
        self.epoch.encode(out);
        self.height.encode(out);
        self.time.encode(out);
        self.statement.encode(out);
        self.series.encode(out);
        self.unsettled_since.encode(out);
        encode_list(&self.unacknowledged.iter().cloned().collect::<Vec<_>>(), out);
    }
}

impl Decode for Settlement {
    const BYTES_MIN: usize = 8 + 8 + 8 + 32 + 1 + 1 + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let statements_max = usize::try_from(STATEMENTS_UNACKNOWLEDGED_MAX).unwrap_or(usize::MAX);
        let settlement = Self {
            epoch: u64::decode(reader)?,
            height: BlockHeight::decode(reader)?,
            time: TimeMs::decode(reader)?,
            statement: Hash::decode(reader)?,
            series: Option::decode(reader)?,
            unsettled_since: Option::decode(reader)?,
            unacknowledged: decode_list(reader, "statements", statements_max)?.into(),
        };
        let assets = settlement.unacknowledged.iter().map(|stated: &Stated| stated.swept.len());
        match assets.max() {
            Some(found) if found > ASSETS_MAX => {
                Err(DecodeError::TooMany { what: "swept assets", found, limit: ASSETS_MAX })
            }
            _ => Ok(settlement),
        }
    }
}
