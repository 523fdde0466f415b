//! Merchants: high-frequency accounts as the HF chain keeps them.

use std::slice::from_ref;

use prefetch_index::prefetch_index;
use serde::{Deserialize, Serialize};
use tributary_chain::Counters;
use tributary_chain::operation::{AccountStatus, FloatPolicy};
use tributary_types::{
    AccountId, AccountName, Amount, AssetId, BlockHeight, ChainId, Domain, Position, TimeMs,
    canonical,
};

use crate::balance::Balance;
use crate::row::Row;
use crate::view::MerchantView;

/// A merchant's one aggregated account; a row of the merchants table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merchant {
    /// Its id, also that of its proxies.
    pub id: AccountId,
    /// The name that the id is derived from.
    pub name: AccountName,
    /// What it holds.
    pub asset: AssetId,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// What each proxy keeps at a settlement.
    pub float: FloatPolicy,
    /// Everything that ever left the HF account.
    pub debits: Amount,
    /// Everything that ever came into the HF account.
    pub credits: Amount,
    /// Paid by users, over all chains.
    pub received: Amount,
    /// Given back or paid out to users, over all chains.
    pub refunded: Amount,
    /// Number of payments, refunds and payouts over all chains.
    pub payments: u64,
    /// The newest entry of its history on the HF chain.
    pub last: Position,
    /// Chain by chain, ascending.
    pub chains: Vec<MerchantChain>,
}
canonical!(Merchant {
    id: AccountId,
    name: AccountName,
    asset: AssetId,
    status: AccountStatus,
    float: FloatPolicy,
    debits: Amount,
    credits: Amount,
    received: Amount,
    refunded: Amount,
    payments: u64,
    last: Position,
    chains: Vec<MerchantChain>,
});

/// What the HF chain knows of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MerchantChain {
    /// The user chain.
    pub chain: ChainId,
    /// The proxy's counters, as last settled.
    pub counters: Counters,
    /// Money sent down to the proxy.
    pub funds_sent: Amount,
    /// The settlement that the counters are of; 0 before the first.
    pub epoch: u64,
    /// The block of the user chain that settled.
    pub as_of_height: BlockHeight,
    /// Its time.
    pub as_of_time: TimeMs,
}
canonical!(MerchantChain {
    chain: ChainId,
    counters: Counters,
    funds_sent: Amount,
    epoch: u64,
    as_of_height: BlockHeight,
    as_of_time: TimeMs,
});

impl Row for Merchant {
    const DOMAIN: Domain = Domain::Merchant;
    const ROWS_PER_PAGE: u32 = 64;

    fn id(&self) -> AccountId {
        self.id
    }

    fn prefetch(&self) {
        prefetch_index(from_ref(&self.id), 0);
        prefetch_index(from_ref(&self.received), 0);
        prefetch_index(from_ref(&self.debits), 0);
    }

    fn prefetch_further(&self) {
        for chain in &self.chains {
            prefetch_index(from_ref(&chain.counters), 0);
            prefetch_index(from_ref(&chain.funds_sent), 0);
        }
    }
}

impl Merchant {
    /// A new, empty merchant.
    #[must_use]
    pub const fn open(
        id: AccountId,
        name: AccountName,
        asset: AssetId,
        float: FloatPolicy,
    ) -> Self {
        Self {
            id,
            name,
            asset,
            status: AccountStatus::Open,
            float,
            debits: Amount::ZERO,
            credits: Amount::ZERO,
            received: Amount::ZERO,
            refunded: Amount::ZERO,
            payments: 0,
            last: Position::NONE,
            chains: Vec::new(),
        }
    }

    /// What the HF account holds.
    #[must_use]
    pub fn available(&self) -> Amount {
        self.credits.checked_sub(self.debits).unwrap_or(Amount::ZERO)
    }

    /// What is known of the proxy on `chain`, if it ever settled or was sent
    /// money.
    #[must_use]
    pub fn chain(&self, chain: ChainId) -> Option<&MerchantChain> {
        let found = self.chains.binary_search_by_key(&chain, |entry| entry.chain);
        found.ok().map(|index| &self.chains[index])
    }

    /// The same to be changed; begins with nothing.
    pub(crate) fn chain_mut(&mut self, chain: ChainId) -> &mut MerchantChain {
        let index = self.chains.binary_search_by_key(&chain, |entry| entry.chain);
        let index = index.unwrap_or_else(|index| {
            self.chains.insert(index, MerchantChain::new(chain));
            index
        });
        &mut self.chains[index]
    }

    /// All of the merchant's money as the HF chain knows it.
    #[must_use]
    pub fn balance(&self) -> Balance {
        let below: Balance = self.chains.iter().map(MerchantChain::balance).sum();
        Balance::of(self.credits, self.debits).plus(below)
    }

    /// What readers see.
    #[must_use]
    pub fn view(&self) -> MerchantView {
        MerchantView {
            account: self.id,
            name: self.name,
            asset: self.asset,
            status: self.status,
            float: self.float,
            debits: self.debits,
            credits: self.credits,
            available: self.available(),
            balance: self.balance(),
            received: self.received,
            refunded: self.refunded,
            payments: self.payments,
            chains: self.chains.clone(),
            last: self.last,
        }
    }
}

impl MerchantChain {
    const fn new(chain: ChainId) -> Self {
        Self {
            chain,
            counters: Counters {
                received: Amount::ZERO,
                refunded: Amount::ZERO,
                funded: Amount::ZERO,
                swept: Amount::ZERO,
                payments: 0,
            },
            funds_sent: Amount::ZERO,
            epoch: 0,
            as_of_height: BlockHeight::new(0),
            as_of_time: TimeMs::new(0),
        }
    }

    /// What the proxy held when it last settled, with what was sent since.
    fn balance(&self) -> Balance {
        let counters = &self.counters;
        let kept = Balance::of(counters.received, counters.refunded);
        kept.plus(Balance::of(self.funds_sent, counters.swept))
    }
}
