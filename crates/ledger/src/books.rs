//! The books: what each chain holds and what its channels carry.
//!
//! A [`BooksReport`] is one chain's, as of one block. [`check_books`] proves
//! from one report of each chain that no penny is missing.

mod check;

pub use check::{AssetSummary, BooksError, BooksSummary, check_books};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tributary_chain::Message;
use tributary_types::{AccountClass, Amount, AssetId, BlockHeight, ChainId, TimeMs};

use crate::balance::Balance;
use crate::ledger::{Ledger, Side};

/// One chain's books and what its channels hold, as of one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BooksReport {
    /// The chain.
    pub chain: ChainId,
    /// The block.
    pub height: BlockHeight,
    /// Its time.
    pub time: TimeMs,
    /// Ascending by asset.
    pub assets: Vec<AssetBooks>,
    /// Ascending by peer.
    pub channels: Vec<ChannelBooks>,
}

/// All accounts of one asset on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetBooks {
    /// The asset.
    pub asset: AssetId,
    /// Everything that ever went out of an account.
    pub debits: Balance,
    /// Everything that ever came into an account; equal to `debits`.
    pub credits: Balance,
    /// Held by users.
    pub users: Balance,
    /// Held by proxies (user chain).
    pub proxies: Balance,
    /// Held by HF accounts (HF chain).
    pub merchants: Balance,
    /// Balance of the issuers; negative: what they brought in.
    pub issuers: Balance,
    /// Balance of the control accounts.
    pub control: Balance,
}

/// One channel pair, seen from one end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelBooks {
    /// The other end.
    pub peer: ChainId,
    /// Number of the last message sent to the peer.
    pub sent: u64,
    /// Number of the last one known to be received there.
    pub acknowledged: u64,
    /// Number of the last message received from the peer.
    pub received: u64,
    /// Balance of the control account about the peer, ascending by asset.
    pub control: Vec<(AssetId, Balance)>,
    /// Unacknowledged messages that carry money, in order.
    pub carried: Vec<CarriedMoney>,
    /// Transfers sent to the peer whose answer has not come, in order.
    pub transfers: Vec<(AssetId, Amount)>,
    /// Unacknowledged answers to the peer's transfers, in order: number of the
    /// message, and whether it refuses and so carries the money back.
    pub answers: Vec<(u64, bool)>,
}

/// Money inside one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedMoney {
    /// Number of the message; a statement has several entries.
    pub sequence: u64,
    /// What.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
}

impl Ledger {
    /// The chain's books as of the last block.
    #[must_use]
    pub fn books(&self) -> BooksReport {
        let assets = self.registry().assets().map(|asset| (asset.id, AssetBooks::new(asset.id)));
        let mut assets: BTreeMap<AssetId, AssetBooks> = assets.collect();
        for account in self.core.accounts.rows() {
            if let Some(books) = assets.get_mut(&account.asset) {
                let class = account.id.class();
                books.add(account.debits, account.credits, |books| books.of_class(class));
            }
        }
        match &self.side {
            Side::User(user) => {
                for proxy in user.proxies.rows() {
                    let (Some(books), counters) = (assets.get_mut(&proxy.asset), &proxy.counters)
                    else {
                        continue;
                    };
                    books.add(counters.refunded, counters.received, |books| &mut books.proxies);
                    books.add(counters.swept, counters.funded, |books| &mut books.proxies);
                }
            }
            Side::Hf(hf) => {
                for merchant in hf.merchants.rows() {
                    if let Some(books) = assets.get_mut(&merchant.asset) {
                        let (debits, credits) = (merchant.debits, merchant.credits);
                        books.add(debits, credits, |books| &mut books.merchants);
                    }
                }
            }
        }
        BooksReport {
            chain: self.chain(),
            height: self.header.height,
            time: self.header.time,
            assets: assets.into_values().collect(),
            channels: self.core.channels.peers().map(|peer| self.channel_books(peer)).collect(),
        }
    }

    fn channel_books(&self, peer: ChainId) -> ChannelBooks {
        let control = self.registry().assets().filter_map(|asset| {
            let control = self.core.control(peer, asset.id)?;
            Some((asset.id, self.core.accounts.row(control).balance()))
        });
        let mut books = ChannelBooks {
            peer,
            sent: 0,
            acknowledged: 0,
            received: self.core.channels.received(peer),
            control: control.collect(),
            carried: Vec::new(),
            transfers: Vec::new(),
            answers: Vec::new(),
        };
        if let Some(outbox) = self.core.channels.outbox(peer) {
            books.sent = outbox.sent_sequence();
            books.acknowledged = outbox.acknowledged_sequence();
            for (sequence, message) in (books.acknowledged + 1..).zip(outbox.pending()) {
                match message {
                    Message::Fund(fund) => {
                        let (asset, amount) = (fund.asset, fund.granted);
                        books.carried.push(CarriedMoney { sequence, asset, amount });
                    }
                    Message::TransferOutcome(outcome) => {
                        books.answers.push((sequence, outcome.code.is_refused()));
                    }
                    _ => {}
                }
            }
        }
        if let Side::User(user) = &self.side {
            let transfers = user.transfers.to(peer);
            books.transfers = transfers.map(|payment| (payment.asset, payment.amount)).collect();
            if peer == self.core.rules.hf_chain {
                books.carried.extend(user.stated_money());
            }
        }
        books
    }
}

impl AssetBooks {
    fn new(asset: AssetId) -> Self {
        let zero = Balance::ZERO;
        Self {
            asset,
            debits: zero,
            credits: zero,
            users: zero,
            proxies: zero,
            merchants: zero,
            issuers: zero,
            control: zero,
        }
    }

    fn add(
        &mut self,
        debits: Amount,
        credits: Amount,
        holders: impl FnOnce(&mut Self) -> &mut Balance,
    ) {
        self.debits = self.debits.plus(debits.into());
        self.credits = self.credits.plus(credits.into());
        let sum = holders(self);
        *sum = sum.plus(Balance::of(credits, debits));
    }

    const fn of_class(&mut self, class: AccountClass) -> &mut Balance {
        match class {
            AccountClass::User => &mut self.users,
            AccountClass::Hf => &mut self.merchants,
            AccountClass::Issuer => &mut self.issuers,
            AccountClass::Control => &mut self.control,
        }
    }
}
