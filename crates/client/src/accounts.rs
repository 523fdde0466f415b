//! Reading accounts, merchants and their histories.

use tributary_ledger::{AccountView, MerchantView, ProxyView};
use tributary_types::{AccountId, ChainId, Position};
use tributary_wire::query::{AnswerValue, HistoryEntry, PAGE_ENTRIES_MAX, Query};

use crate::client::{AsOf, Client};
use crate::error::AskError;

/// A merchant on every chain. What a proxy's counters exceed those that the
/// merchant's entry for that chain holds is in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MerchantReport {
    /// The merchant on its HF chain.
    pub merchant: AsOf<MerchantView>,
    /// Its proxies, ascending by chain; one that does not exist yet is absent.
    pub proxies: Vec<AsOf<ProxyView>>,
}

impl Client {
    /// A user or issuer account; `None` if its chain has none.
    ///
    /// # Errors
    /// [`AskError`] if its chain does not answer.
    pub async fn account(&self, account: AccountId) -> Result<Option<AsOf<AccountView>>, AskError> {
        let query = Query::Account(account);
        let answer =
            self.read_as(self.chain_of(account), query, "an account", |value| match value {
                AnswerValue::Account(found) => Some(found),
                _ => None,
            });
        Ok(answer.await?.transpose())
    }

    /// A merchant and all its proxies; `None` if the HF chain has none.
    ///
    /// # Errors
    /// [`AskError`] if a chain does not answer.
    pub async fn merchant(&self, account: AccountId) -> Result<Option<MerchantReport>, AskError> {
        let query = Query::Merchant(account);
        let answer =
            self.read_as(self.chain_of(account), query, "a merchant", |value| match value {
                AnswerValue::Merchant(found) => Some(found),
                _ => None,
            });
        let Some(merchant) = answer.await?.transpose() else {
            return Ok(None);
        };
        let mut proxies = Vec::new();
        for chain in self.routes().user_chains() {
            let query = Query::Proxy(account);
            let answer = self.read_as(chain, query, "a proxy", |value| match value {
                AnswerValue::Proxy(found) => Some(found),
                _ => None,
            });
            proxies.extend(answer.await?.transpose());
        }
        Ok(Some(MerchantReport { merchant, proxies }))
    }

    /// All merchants, page by page, in order of opening.
    #[must_use]
    pub fn merchants(&self) -> MerchantPages {
        let chains = self.routes().hf_chains();
        MerchantPages { client: self.clone(), chains: chains.into_iter(), current: None }
    }

    /// An account's history on one chain, page by page, newest entries first.
    /// The chain of a user account is [`Client::chain_of`]; a merchant has a
    /// history on every chain.
    #[must_use]
    pub fn history(&self, chain: ChainId, account: AccountId) -> HistoryPages {
        HistoryPages { client: self.clone(), chain, account, before: None }
    }
}

/// Pages of [`Client::merchants`].
pub struct MerchantPages {
    client: Client,
    chains: std::vec::IntoIter<ChainId>,
    /// The chain being read and the number of its next merchant.
    current: Option<(ChainId, u32)>,
}

impl MerchantPages {
    /// The next page, with the block that it is as of; `None` after the last.
    ///
    /// # Errors
    /// [`AskError`] if the HF chain does not answer; asking again continues.
    pub async fn next(&mut self) -> Result<Option<AsOf<Vec<MerchantView>>>, AskError> {
        loop {
            let current = self.current.or_else(|| self.chains.next().map(|chain| (chain, 0)));
            let Some((chain, from)) = current else {
                return Ok(None);
            };
            self.current = current;
            let query = Query::Merchants { from, limit: PAGE_ENTRIES_MAX };
            let answer = self.client.read_as(chain, query, "merchants", |value| match value {
                AnswerValue::Merchants(page) => Some(page),
                _ => None,
            });
            let page = answer.await?;
            let count = u32::try_from(page.value.len()).unwrap_or(u32::MAX);
            self.current = (count == PAGE_ENTRIES_MAX).then(|| (chain, from.saturating_add(count)));
            if count > 0 {
                return Ok(Some(page));
            }
        }
    }

    /// All merchants that are left, together.
    ///
    /// # Errors
    /// [`AskError`] if the HF chain does not answer.
    pub async fn collect(mut self) -> Result<Vec<MerchantView>, AskError> {
        let mut merchants = Vec::new();
        while let Some(page) = self.next().await? {
            merchants.extend(page.value);
        }
        Ok(merchants)
    }
}

/// Pages of [`Client::history`].
pub struct HistoryPages {
    client: Client,
    chain: ChainId,
    account: AccountId,
    /// Where the last entry stood that was read.
    before: Option<Position>,
}

impl HistoryPages {
    /// The next page; `None` when nothing is older.
    ///
    /// # Errors
    /// [`AskError`] if the chain does not answer; asking again continues.
    pub async fn next(&mut self) -> Result<Option<Vec<HistoryEntry>>, AskError> {
        self.page(PAGE_ENTRIES_MAX).await
    }

    /// So many entries, or all that are left if those are fewer.
    ///
    /// # Errors
    /// [`AskError`] if the chain does not answer.
    pub async fn take(mut self, count: usize) -> Result<Vec<HistoryEntry>, AskError> {
        let mut entries = Vec::new();
        while entries.len() < count {
            let wanted = u32::try_from(count - entries.len()).unwrap_or(u32::MAX);
            let Some(page) = self.page(wanted).await? else { break };
            entries.extend(page);
        }
        Ok(entries)
    }

    /// The next entries, at least one and at most `limit` or a page: how many of
    /// them an answer holds is for the chain to say.
    async fn page(&mut self, limit: u32) -> Result<Option<Vec<HistoryEntry>>, AskError> {
        let Self { account, before, .. } = *self;
        let query = Query::History { account, before, limit: limit.min(PAGE_ENTRIES_MAX) };
        let answer = self.client.read_as(self.chain, query, "a history", |value| match value {
            AnswerValue::History(entries) => Some(entries),
            _ => None,
        });
        let page = answer.await?.value;
        let Some(last) = page.last() else { return Ok(None) };
        self.before = Some(last.position);
        Ok(Some(page))
    }
}
