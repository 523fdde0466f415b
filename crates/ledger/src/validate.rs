//! Every invariant of a state, checked over the whole of it. For tests,
//! simulation and audits: it costs as much as the state is large.

use thiserror::Error;
use tributary_chain::AccountStatus;
use tributary_types::Amount;

use crate::balance::Balance;
use crate::books::AssetBooks;
use crate::ledger::{Ledger, Side};
use crate::limits::{ROWS_MAX, UNANSWERED_MAX};
use crate::merchant::Merchant;
use crate::proxy::Proxy;
use crate::queue::Queue;
use crate::table::Table;
use crate::user::UserChain;
use crate::user::settlement::Series;

/// An invariant that does not hold: a bug, or memory gone bad.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("violated: {rule}: {found}")]
pub struct Violation {
    /// The invariant, as a sentence.
    pub rule: &'static str,
    /// What was found instead.
    pub found: String,
}

impl Ledger {
    /// Checks every invariant.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn validate(&self) -> Result<(), Violation> {
        self.validate_rows()?;
        self.validate_roots()
    }

    /// Checks every invariant but that hashes are those of what they stand for,
    /// which takes most of the time.
    ///
    /// # Errors
    /// The first [`Violation`] found.
    pub fn validate_rows(&self) -> Result<(), Violation> {
        self.validate_accounts()?;
        for books in self.books().assets {
            validate_double_entry(&books)?;
        }
        match &self.side {
            Side::User(user) => self.validate_user(user),
            Side::Hf(hf) => hf.merchants.rows().iter().try_for_each(validate_merchant),
        }
    }

    fn validate_accounts(&self) -> Result<(), Violation> {
        for account in self.core.accounts.rows() {
            let may_be_negative = account.id.class().may_be_negative();
            check(
                "only issuer and control accounts are negative",
                may_be_negative || account.debits <= account.credits,
                || format!("{account:?}"),
            )?;
            check(
                "an account holds a registered asset",
                self.registry().asset(account.asset).is_some(),
                || format!("{account:?}"),
            )?;
            check(
                "a closed account is empty",
                account.status != AccountStatus::Closed || account.balance().is_zero(),
                || format!("{account:?}"),
            )?;
        }
        let rows = self.core.accounts.rows().len();
        check("tables are bounded", rows <= ROWS_MAX + UNANSWERED_MAX, || rows.to_string())
    }

    fn validate_user(&self, user: &UserChain) -> Result<(), Violation> {
        for proxy in user.proxies.rows() {
            validate_proxy(proxy)?;
        }
        let mut unsettled: Vec<u32> = user.unsettled.iter().collect();
        unsettled.sort_unstable();
        let derived = user.derived_lists();
        check(
            "the lists of proxies are those of their marks",
            unsettled == derived.0 && user.asking == derived.1 && user.requests == derived.2,
            || format!("{unsettled:?}, asking {:?}, {} requests", user.asking, user.requests),
        )?;
        let series = user.settlement.get().series;
        let is_ahead = |series: Series| {
            unsettled.iter().any(|number| user.proxies.row(*number).id > series.resume_after)
        };
        check(
            "a settlement of several statements has something left to say",
            series.is_none_or(is_ahead),
            || format!("{series:?}, {unsettled:?}"),
        )?;
        for (number, queue) in &user.waiting {
            let limit = self.parameters().waiting_refunds_max;
            let committed = user.proxies.row(*number).waiting.as_deref().copied();
            check(
                "a queue is the one that its proxy commits to, within its limit",
                queue.is_consistent()
                    && committed == queue.commitment()
                    && !queue.is_empty()
                    && queue.len() as u64 <= limit,
                || format!("queue of proxy {number}: {} refunds, limit {limit}", queue.len()),
            )?;
        }
        let waiting = user.proxies.rows().iter().filter(|proxy| proxy.waiting.is_some()).count();
        check("every queue that is committed is there", waiting == user.waiting.len(), || {
            format!("{waiting} committed, {} there", user.waiting.len())
        })?;
        for (number, queue) in &user.waiting {
            let proxy = user.proxies.row(*number);
            check(
                "waiting refunds have asked for money",
                proxy.request.is_some() || proxy.asking,
                || format!("{} refunds wait at {proxy:?}", Queue::len(queue)),
            )?;
        }
        check("transfers under way are as committed", user.transfers.is_consistent(), || {
            "a queue or the count of a payer is off".to_owned()
        })
    }

    fn validate_roots(&self) -> Result<(), Violation> {
        let parts = &self.parts;
        check("the header names the state", self.header.state_root == parts.root(), || {
            format!("header {}, state {}", self.header.state_root, parts.root())
        })?;
        check("every id bucket is as committed", self.core.window.is_consistent(), || {
            "a bucket does not give its digest".to_owned()
        })?;
        check("every outbox is as committed", self.core.channels.is_consistent(), || {
            "an outbox does not give its digest".to_owned()
        })?;
        let rebuilt = |same| check("trees are those of their rows", same, || "not so".to_owned());
        rebuilt(is_rebuilt(&self.core.accounts))?;
        match &self.side {
            Side::User(user) => rebuilt(is_rebuilt(&user.proxies)),
            Side::Hf(hf) => rebuilt(is_rebuilt(&hf.merchants)),
        }
    }
}

fn validate_double_entry(books: &AssetBooks) -> Result<(), Violation> {
    check("debits and credits are equal", books.debits == books.credits, || {
        format!("asset {}: {} and {}", books.asset, books.debits, books.credits)
    })?;
    let holders = [books.users, books.proxies, books.merchants, books.issuers, books.control];
    let sum: Balance = holders.into_iter().sum();
    check("balances sum to zero", sum.is_zero(), || format!("asset {}: {sum}", books.asset))
}

fn validate_merchant(merchant: &Merchant) -> Result<(), Violation> {
    let covered = merchant.debits <= merchant.credits;
    check("a merchant pays no more than it holds", covered, || format!("{merchant:?}"))?;
    let negative = merchant.balance().is_negative();
    check("a merchant's shown balance is not negative", !negative, || format!("{merchant:?}"))
}

fn validate_proxy(proxy: &Proxy) -> Result<(), Violation> {
    let balance: Option<Amount> = proxy.counters.balance();
    check("a proxy's counters give a balance", balance.is_some(), || format!("{proxy:?}"))?;
    let covered = proxy.request.as_ref().map_or(0, |request| request.covered);
    let waiting = proxy.waiting.as_ref().map_or(0, |queue| queue.count);
    check("a request covers refunds that wait", covered <= waiting, || format!("{proxy:?}"))
}

fn is_rebuilt<R: crate::row::Row + Clone>(table: &Table<R>) -> bool {
    let rebuilt = Table::of(table.rows().to_vec(), table.key());
    rebuilt.is_some_and(|rebuilt| rebuilt.commitment() == table.commitment())
}

fn check(rule: &'static str, holds: bool, found: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(Violation { rule, found: found() }) }
}
