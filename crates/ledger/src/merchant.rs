//! Merchants: high-frequency accounts as the HF chain keeps them.

use std::ops::Deref;
use std::slice::from_ref;

use prefetch_index::prefetch_index;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use tributary_chain::Counters;
use tributary_chain::operation::{AccountStatus, FloatPolicy};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, encode_list};
use tributary_types::{
    AccountId, AccountName, Amount, AssetId, BlockHeight, ChainId, Domain, Position, TimeMs,
    canonical,
};

use crate::balance::Balance;
use crate::row::Row;
use crate::view::MerchantView;

/// A merchant's one aggregated account; a row of the merchants table.
// Lines of cache are counted from the first field.
#[repr(C)]
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
    /// Chain by chain.
    pub chains: MerchantChains,
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
    chains: MerchantChains,
});

/// What the HF chain knows of a merchant's proxies, ascending by chain. A few stand
/// within the row: what is credited is then found with it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<MerchantChain>", into = "Vec<MerchantChain>")]
pub struct MerchantChains(SmallVec<[MerchantChain; CHAINS_IN_ROW]>);

/// Chains that stand within a merchant's row.
const CHAINS_IN_ROW: usize = 4;

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

/// Account ids that a line of cache holds.
const IDS_PER_LINE: usize = 64 / size_of::<AccountId>();

impl Row for Merchant {
    const DOMAIN: Domain = Domain::Merchant;
    const ROWS_PER_PAGE: u32 = 64;

    fn id(&self) -> AccountId {
        self.id
    }

    fn prefetch(&self) {
        for id in (0..size_of::<Self>() / size_of::<AccountId>()).step_by(IDS_PER_LINE) {
            prefetch_index(from_ref(&self.id), id);
        }
    }
}

impl Merchant {
    /// A new, empty merchant.
    #[must_use]
    pub fn open(id: AccountId, name: AccountName, asset: AssetId, float: FloatPolicy) -> Self {
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
            chains: MerchantChains::default(),
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
        let found = self.chains.binary_search_by_key(&chain, |known| known.chain);
        found.ok().map(|index| &self.chains[index])
    }

    /// The same to be changed; begins with nothing.
    pub(crate) fn chain_mut(&mut self, chain: ChainId) -> &mut MerchantChain {
        let chains = &mut self.chains.0;
        let index = chains.binary_search_by_key(&chain, |known| known.chain);
        let index = index.unwrap_or_else(|index| {
            chains.insert(index, MerchantChain::new(chain));
            index
        });
        &mut chains[index]
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
            chains: self.chains.to_vec(),
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

impl Deref for MerchantChains {
    type Target = [MerchantChain];
    fn deref(&self) -> &[MerchantChain] {
        &self.0
    }
}

impl From<Vec<MerchantChain>> for MerchantChains {
    fn from(chains: Vec<MerchantChain>) -> Self {
        Self(chains.into())
    }
}

impl From<MerchantChains> for Vec<MerchantChain> {
    fn from(chains: MerchantChains) -> Self {
        chains.0.into_vec()
    }
}

impl Encode for MerchantChains {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(self, out);
    }
}

impl Decode for MerchantChains {
    const BYTES_MIN: usize = <Vec<MerchantChain>>::BYTES_MIN;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        <Vec<MerchantChain>>::decode(reader).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use tributary_types::InstitutionId;
    use tributary_types::codec::decode_exact;
    use tributary_types::{AccountClass, Slot};

    use super::*;

    #[test]
    fn chains_ascend_and_are_encoded_as_a_list_however_many_there_are() {
        let name: AccountName = "shop".parse().unwrap();
        let slot = Slot::new(3).unwrap();
        let id = AccountId::named(AccountClass::Hf, InstitutionId::new(1), &name, slot);
        let mut merchant = Merchant::open(id, name, AssetId::new(1), FloatPolicy::default());
        for number in [5, 2, 9, 7, 1, 8] {
            let chain = ChainId::new(number);
            assert!(merchant.chain(chain).is_none());
            merchant.chain_mut(chain).epoch = number.into();
            merchant.chain_mut(chain).as_of_height = BlockHeight::new(number.into());
            assert_eq!(merchant.chain(chain).unwrap().epoch, u64::from(number));
            let numbers: Vec<u16> = merchant.chains.iter().map(|known| known.chain.get()).collect();
            assert!(numbers.is_sorted() && numbers.contains(&number));
            let list: Vec<MerchantChain> = merchant.chains.clone().into();
            assert_eq!(merchant.chains.to_bytes(), list.to_bytes());
            assert_eq!(decode_exact::<Merchant>(&merchant.to_bytes()).unwrap(), merchant);
            let json = serde_json::to_string(&merchant).unwrap();
            assert_eq!(serde_json::from_str::<Merchant>(&json).unwrap(), merchant);
        }
        assert!(merchant.chains.len() > CHAINS_IN_ROW);
    }
}
