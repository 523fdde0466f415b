//! From names to accounts.
//!
//! An account's id follows from institution, name and the slot that placement
//! chose when it was opened. Rules may have changed since, so a name can stand
//! for one of a few ids; with one candidate no chain needs to be asked.

use tributary_routing::placement::{candidates, place};
use tributary_routing::route_account;
use tributary_types::{AccountClass, AccountId, AccountName, AssetId, ChainId};
use tributary_wire::query::{AnswerValue, Query};

use crate::client::Client;
use crate::error::{AskError, ResolveError};
use crate::id::wall_clock;

impl Client {
    /// The id that a user account of this name gets if it is opened now.
    #[must_use]
    pub fn place_user(&self, name: &AccountName, asset: AssetId) -> AccountId {
        self.place(AccountClass::User, name, asset)
    }

    /// The id that a merchant of this name gets if it is opened now.
    #[must_use]
    pub fn place_merchant(&self, name: &AccountName, asset: AssetId) -> AccountId {
        self.place(AccountClass::Hf, name, asset)
    }

    /// The institution's issuer account of an asset on one chain. Money enters
    /// and leaves an account through the issuer of the account's own chain:
    /// see [`Client::chain_of`].
    #[must_use]
    pub fn issuer(&self, asset: AssetId, chain: ChainId) -> AccountId {
        AccountId::issuer(self.institution(), asset, chain)
    }

    /// The chain of an account: of a merchant, the HF chain.
    #[must_use]
    pub fn chain_of(&self, account: AccountId) -> ChainId {
        route_account(account, self.routes())
    }

    /// The user account of this name, at the client's institution.
    ///
    /// # Errors
    /// [`ResolveError::Unknown`] if no chain knows one.
    pub async fn resolve_user(&self, name: &AccountName) -> Result<AccountId, ResolveError> {
        self.resolve(AccountClass::User, name).await?.ok_or(ResolveError::Unknown(*name))
    }

    /// The merchant of this name, at the client's institution.
    ///
    /// # Errors
    /// [`ResolveError::Unknown`] if no chain knows one.
    pub async fn resolve_merchant(&self, name: &AccountName) -> Result<AccountId, ResolveError> {
        self.resolve(AccountClass::Hf, name).await?.ok_or(ResolveError::Unknown(*name))
    }

    /// The user account of this name or, if there is none, the merchant.
    ///
    /// # Errors
    /// [`ResolveError::Unknown`] if no chain knows either.
    pub async fn resolve_any(&self, name: &AccountName) -> Result<AccountId, ResolveError> {
        match self.resolve(AccountClass::User, name).await? {
            Some(account) => Ok(account),
            None => self.resolve_merchant(name).await,
        }
    }

    /// The ids that a name can stand for: one unless placement rules apply.
    #[must_use]
    pub fn candidates(&self, class: AccountClass, name: &AccountName) -> Vec<AccountId> {
        let slots = candidates(self.placement(), self.institution(), class, name);
        let named = |slot| AccountId::named(class, self.institution(), name, slot);
        slots.into_iter().map(named).collect()
    }

    fn place(&self, class: AccountClass, name: &AccountName, asset: AssetId) -> AccountId {
        let institution = self.institution();
        let slot = place(self.placement(), institution, asset, class, name, wall_clock());
        AccountId::named(class, institution, name, slot)
    }

    async fn resolve(
        &self,
        class: AccountClass,
        name: &AccountName,
    ) -> Result<Option<AccountId>, AskError> {
        for account in self.candidates(class, name) {
            if self.exists(account).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    async fn exists(&self, account: AccountId) -> Result<bool, AskError> {
        let merchant = account.class() == AccountClass::Hf;
        let query = if merchant { Query::Merchant(account) } else { Query::Account(account) };
        let answer =
            self.read_as(self.chain_of(account), query, "an account", |value| match value {
                AnswerValue::Account(found) => Some(found.is_some()),
                AnswerValue::Merchant(found) => Some(found.is_some()),
                _ => None,
            });
        Ok(answer.await?.value)
    }
}
