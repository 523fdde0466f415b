//! Proxies: a merchant's account on one user chain.
//!
//! Its books are four counters that only grow; what it holds follows from them.

use std::slice::from_ref;

use prefetch_index::prefetch_index;
use serde::{Deserialize, Serialize};
use tributary_chain::Counters;
use tributary_chain::operation::{AccountStatus, FloatPolicy};
use tributary_types::{AccountId, Amount, AssetId, Domain, OutcomeCode, Position, canonical};

use crate::core::Party;
use crate::limits::PROXY_TOTAL_MAX;
use crate::queue::QueueCommitment;
use crate::refusal::Refusal;
use crate::row::Row;
use crate::view::ProxyView;

/// A merchant's account on this chain; a row of the proxies table. What few have
/// stands elsewhere, so that the row takes less than three lines of cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proxy {
    /// The merchant's id.
    pub id: AccountId,
    /// What it holds.
    pub asset: AssetId,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// Whether there is something that the next statement must say.
    pub unsettled: bool,
    /// Whether a request for money is due that could not be sent yet.
    pub asking: bool,
    /// What it keeps at a settlement.
    pub float: FloatPolicy,
    /// Everything it ever did.
    pub counters: Counters,
    /// The newest entry of its history.
    pub last: Position,
    /// The request for money that is not answered yet.
    pub request: Option<Box<FundsRequested>>,
    /// Refunds and payouts that wait for money.
    pub waiting: Option<Box<QueueCommitment>>,
}
canonical!(Proxy {
    id: AccountId,
    asset: AssetId,
    status: AccountStatus,
    unsettled: bool,
    asking: bool,
    float: FloatPolicy,
    counters: Counters,
    last: Position,
    request: Option<Box<FundsRequested>>,
    waiting: Option<Box<QueueCommitment>>,
});

/// A request for money that is on its way or being answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FundsRequested {
    /// How much was asked for.
    pub amount: Amount,
    /// How many of the refunds that wait now were waiting already when the
    /// request was made. The answer decides about these.
    pub covered: u64,
}
canonical!(FundsRequested { amount: Amount, covered: u64 });

impl Row for Proxy {
    const DOMAIN: Domain = Domain::Proxy;
    const ROWS_PER_PAGE: u32 = 256;

    fn id(&self) -> AccountId {
        self.id
    }

    fn prefetch(&self) {
        prefetch_index(from_ref(&self.id), 0);
        prefetch_index(from_ref(&self.counters.received), 0);
        prefetch_index(from_ref(&self.counters.swept), 0);
        prefetch_index(from_ref(&self.last), 0);
    }
}

impl Proxy {
    /// A new, empty proxy.
    #[must_use]
    pub fn open(id: AccountId, asset: AssetId, status: AccountStatus, float: FloatPolicy) -> Self {
        Self {
            id,
            asset,
            status,
            unsettled: false,
            asking: false,
            float,
            counters: Counters::default(),
            last: Position::NONE,
            request: None,
            waiting: None,
        }
    }

    /// What it holds. Never negative: execution checks before it writes.
    #[must_use]
    pub fn balance(&self) -> Amount {
        self.counters.balance().unwrap_or(Amount::ZERO)
    }

    /// The counters after a payment of `amount`.
    ///
    /// # Errors
    /// `amount_overflow`.
    pub(crate) fn after_payment(&self, amount: Amount) -> Result<Counters, Refusal> {
        self.counters_after(|counters| {
            counters.received = bounded(counters.received.checked_add(amount)?)?;
            counters.payments = counters.payments.checked_add(1)?;
            Some(())
        })
        .ok_or(OutcomeCode::AmountOverflow.into())
    }

    /// The counters after a refund or payout of `amount`.
    ///
    /// # Errors
    /// `insufficient_funds` with what it holds; `amount_overflow`.
    pub(crate) fn after_refund(&self, amount: Amount) -> Result<Counters, Refusal> {
        let available = self.balance();
        if available < amount {
            return Err(Refusal::insufficient(available));
        }
        self.counters_after(|counters| {
            counters.refunded = counters.refunded.checked_add(amount)?;
            counters.payments = counters.payments.checked_add(1)?;
            Some(())
        })
        .ok_or(OutcomeCode::AmountOverflow.into())
    }

    /// The counters after money came down; `None` beyond 128 bits.
    pub(crate) fn after_fund(&self, granted: Amount) -> Option<Counters> {
        self.counters_after(|counters| {
            counters.funded = bounded(counters.funded.checked_add(granted)?)?;
            Some(())
        })
    }

    /// The counters after money went up; `None` beyond 128 bits.
    pub(crate) fn after_sweep(&self, swept: Amount) -> Option<Counters> {
        self.counters_after(|counters| {
            counters.swept = counters.swept.checked_add(swept)?;
            Some(())
        })
    }

    /// Changed counters, if every sum over them fits.
    fn counters_after(&self, change: impl FnOnce(&mut Counters) -> Option<()>) -> Option<Counters> {
        let mut counters = self.counters;
        change(&mut counters)?;
        counters.balance().map(|_| counters)
    }

    pub(crate) const fn party(&self) -> Party {
        Party { asset: self.asset, status: self.status, pays_when_closed: true }
    }

    /// What readers see; `waiting_amount` is that of the queue.
    #[must_use]
    pub(crate) fn view(&self, waiting_amount: Amount) -> ProxyView {
        ProxyView {
            account: self.id,
            asset: self.asset,
            status: self.status,
            float: self.float,
            counters: self.counters,
            balance: self.balance(),
            requested: self.request.as_ref().map(|request| request.amount),
            waiting: self.waiting.as_ref().map_or(0, |queue| queue.count),
            waiting_amount,
            unsettled: self.unsettled,
            last: self.last,
        }
    }
}

/// A total of money that came in, if a proxy may have so much.
fn bounded(total: Amount) -> Option<Amount> {
    (total.get() <= PROXY_TOTAL_MAX).then_some(total)
}
