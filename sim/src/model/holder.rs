//! Who holds money: accounts, proxies and merchants, and what all have in
//! common.

use std::collections::{BTreeMap, VecDeque};

use tributary_chain::operation::FloatPolicy;
use tributary_chain::{AccountStatus, Counters};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetId, BlockHeight, ChainId, Position,
    PublicKey, TimeMs,
};

use super::chain::Chain;
use super::rules::{PROXY_TOTAL_MAX, TOTAL_MAX};

/// A user or an issuer.
#[derive(Debug, Clone)]
pub struct Account {
    pub(super) asset: AssetId,
    pub(super) status: AccountStatus,
    pub(super) debits: u128,
    pub(super) credits: u128,
    pub(super) owner: Option<PublicKey>,
    pub(super) last: Position,
}

/// A merchant's account on a user chain.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// In order of opening.
    pub(super) number: usize,
    pub(super) asset: AssetId,
    pub(super) status: AccountStatus,
    pub(super) float: FloatPolicy,
    pub(super) totals: Totals,
    /// Whether the next statement must speak of it.
    pub(super) unsettled: bool,
    /// Whether a request for money found no room.
    pub(super) asking: bool,
    /// The outstanding request for money.
    pub(super) request: Option<Request>,
    /// Refunds that wait for money, oldest first.
    pub(super) waiting: VecDeque<Payment>,
    pub(super) last: Position,
}

/// What a proxy did since it was opened.
#[derive(Debug, Clone, Copy, Default)]
pub struct Totals {
    pub(super) received: u128,
    pub(super) refunded: u128,
    pub(super) funded: u128,
    pub(super) swept: u128,
    pub(super) payments: u64,
}

/// A request for money that is not answered yet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request {
    pub(super) amount: u128,
    /// How many of the refunds that wait were waiting when it was made: about
    /// these the answer decides.
    pub(super) covered: usize,
}

/// A merchant on the HF chain.
#[derive(Debug, Clone)]
pub struct Merchant {
    pub(super) name: AccountName,
    pub(super) asset: AssetId,
    pub(super) status: AccountStatus,
    pub(super) float: FloatPolicy,
    pub(super) debits: u128,
    pub(super) credits: u128,
    pub(super) received: u128,
    pub(super) refunded: u128,
    pub(super) payments: u64,
    pub(super) last: Position,
    /// What is known of its proxies that settled or were sent money.
    pub(super) chains: BTreeMap<ChainId, Known>,
}

/// What the HF chain knows of one proxy.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) totals: Totals,
    pub(super) funds_sent: u128,
    pub(super) epoch: u64,
    pub(super) height: BlockHeight,
    pub(super) time: TimeMs,
}

/// What a payment must know of either of its sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Holder {
    pub(super) asset: AssetId,
    pub(super) status: AccountStatus,
    /// Whether it still pays when it is closed.
    pub(super) pays_when_closed: bool,
    /// What it can pay; `None` if it may be negative.
    pub(super) available: Option<u128>,
    /// What it paid so far.
    pub(super) debits: u128,
    /// What it can still be paid.
    pub(super) room: u128,
    pub(super) owner: Option<PublicKey>,
}

impl Account {
    pub(super) const fn open(asset: AssetId, owner: Option<PublicKey>) -> Self {
        let (status, last) = (AccountStatus::Open, Position::NONE);
        Self { asset, status, debits: 0, credits: 0, owner, last }
    }
}

impl Totals {
    pub(super) const fn balance(&self) -> u128 {
        (self.received + self.funded) - (self.refunded + self.swept)
    }

    pub(super) const fn counters(&self) -> Counters {
        Counters {
            received: Amount::new(self.received),
            refunded: Amount::new(self.refunded),
            funded: Amount::new(self.funded),
            swept: Amount::new(self.swept),
            payments: self.payments,
        }
    }
}

impl Chain {
    /// An account, or on its chain a proxy or merchant.
    pub(super) fn holder(&self, id: AccountId) -> Option<Holder> {
        if let Some(account) = self.accounts.get(&id) {
            let balance = || account.credits - account.debits;
            return Some(Holder {
                asset: account.asset,
                status: account.status,
                pays_when_closed: false,
                available: (id.class() == AccountClass::User).then(balance),
                debits: account.debits,
                room: TOTAL_MAX.saturating_sub(account.credits),
                owner: account.owner,
            });
        }
        if let Some(proxy) = self.proxies.get(&id) {
            return Some(Holder {
                asset: proxy.asset,
                status: proxy.status,
                pays_when_closed: true,
                available: Some(proxy.totals.balance()),
                debits: proxy.totals.refunded,
                room: PROXY_TOTAL_MAX - proxy.totals.received,
                owner: None,
            });
        }
        let merchant = self.merchants.get(&id)?;
        Some(Holder {
            asset: merchant.asset,
            status: merchant.status,
            pays_when_closed: true,
            available: Some(merchant.credits - merchant.debits),
            debits: merchant.debits,
            room: TOTAL_MAX.saturating_sub(merchant.credits),
            owner: None,
        })
    }

    /// Takes money from a holder that has it; returns the entry before.
    pub(super) fn take(&mut self, id: AccountId, amount: u128, position: Position) -> Position {
        let last = if let Some(account) = self.accounts.get_mut(&id) {
            account.debits += amount;
            &mut account.last
        } else if let Some(proxy) = self.unsettled(id) {
            proxy.totals.refunded += amount;
            proxy.totals.payments += 1;
            &mut proxy.last
        } else if let Some(merchant) = self.merchants.get_mut(&id) {
            merchant.debits += amount;
            &mut merchant.last
        } else {
            return Position::NONE;
        };
        std::mem::replace(last, position)
    }

    /// Gives money to a holder that has room; returns the entry before.
    pub(super) fn give(&mut self, id: AccountId, amount: u128, position: Position) -> Position {
        let last = if let Some(account) = self.accounts.get_mut(&id) {
            account.credits += amount;
            &mut account.last
        } else if let Some(proxy) = self.unsettled(id) {
            proxy.totals.received += amount;
            proxy.totals.payments += 1;
            &mut proxy.last
        } else if let Some(merchant) = self.merchants.get_mut(&id) {
            merchant.credits += amount;
            &mut merchant.last
        } else {
            return Position::NONE;
        };
        std::mem::replace(last, position)
    }

    /// The proxy, of which the next statement must speak from now on.
    pub(super) fn unsettled(&mut self, id: AccountId) -> Option<&mut Proxy> {
        let proxy = self.proxies.get_mut(&id)?;
        if !proxy.unsettled {
            self.settlement.unsettled_since.get_or_insert(self.block.height);
        }
        proxy.unsettled = true;
        self.block.touched.insert(id);
        Some(proxy)
    }
}
