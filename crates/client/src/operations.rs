//! Operations on single accounts and the registry, built and submitted.
//!
//! To run many at once, build them here and give them to [`Client::operate`].

use tributary_chain::operation::{
    FloatPolicy, OpenAccount, OpenMerchant, RegistryChange, SetFloat, SetStatus,
};
use tributary_chain::{AccountStatus, Action, Operation};
use tributary_types::{AccountClass, AccountId, AccountName, AssetId, PublicKey};

use crate::client::Client;
use crate::id::new_payment_id;
use crate::undecided::{ItemError, ItemResult};

/// An operation with a fresh id.
#[must_use]
pub fn operation(action: Action) -> Operation {
    Operation { id: new_payment_id(), action }
}

impl Client {
    /// The operation that opens a user account by name. With an `owner` every
    /// debit needs that key's signature.
    #[must_use]
    pub fn account_opening(
        &self,
        name: &AccountName,
        asset: AssetId,
        owner: Option<PublicKey>,
    ) -> Operation {
        let account = self.place_user(name, asset);
        operation(Action::OpenAccount(OpenAccount { account, asset, owner }))
    }

    /// The operation that opens a merchant by name.
    #[must_use]
    pub fn merchant_opening(
        &self,
        name: &AccountName,
        asset: AssetId,
        float: FloatPolicy,
    ) -> Operation {
        let account = self.place_merchant(name, asset);
        operation(Action::OpenMerchant(OpenMerchant { account, name: *name, asset, float }))
    }

    /// Opens a user account; see [`Client::account_opening`].
    ///
    /// # Errors
    /// [`ItemError`] if there is no receipt.
    pub async fn open_account(
        &self,
        name: &AccountName,
        asset: AssetId,
        owner: Option<PublicKey>,
    ) -> ItemResult {
        self.operate_one(self.account_opening(name, asset, owner)).await
    }

    /// Opens a merchant; its proxies follow by channel a moment later: see
    /// [`Client::announced`].
    ///
    /// # Errors
    /// [`ItemError`] if there is no receipt.
    pub async fn open_merchant(
        &self,
        name: &AccountName,
        asset: AssetId,
        float: FloatPolicy,
    ) -> ItemResult {
        self.operate_one(self.merchant_opening(name, asset, float)).await
    }

    /// Freezes, opens again or closes a user account or merchant.
    ///
    /// # Errors
    /// [`ItemError`] if there is no receipt.
    pub async fn set_status(&self, account: AccountId, status: AccountStatus) -> ItemResult {
        let set = SetStatus { account, status };
        let merchant = account.class() == AccountClass::Hf;
        let action =
            if merchant { Action::SetMerchantStatus(set) } else { Action::SetAccountStatus(set) };
        self.operate_one(operation(action)).await
    }

    /// Sets what a merchant keeps on each user chain.
    ///
    /// # Errors
    /// [`ItemError`] if there is no receipt.
    pub async fn set_float(&self, account: AccountId, float: FloatPolicy) -> ItemResult {
        self.operate_one(operation(Action::SetFloat(SetFloat { account, float }))).await
    }

    /// Changes the registry; only the operating institution may.
    ///
    /// # Errors
    /// [`ItemError`] if there is no receipt.
    pub async fn register(&self, change: RegistryChange) -> ItemResult {
        self.operate_one(operation(Action::Register(change))).await
    }

    async fn operate_one(&self, operation: Operation) -> ItemResult {
        let never_sent = ItemError::Unanswered {
            attempts: 0,
            last: "never sent".to_owned(),
            may_have_executed: false,
        };
        self.operate(&[operation]).await.pop().unwrap_or(Err(never_sent))
    }
}
