//! Accounts: two totals that only grow, and who may move money.

use serde::{Deserialize, Serialize};
use tributary_chain::operation::AccountStatus;
use tributary_types::{
    AccountId, Amount, AssetId, Domain, OutcomeCode, Position, PublicKey, canonical,
};

use crate::balance::Balance;
use crate::row::Row;
use crate::view::AccountView;

/// A user, issuer or control account; a row of the accounts table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What it holds.
    pub asset: AssetId,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// Everything that ever went out.
    pub debits: Amount,
    /// Everything that ever came in.
    pub credits: Amount,
    /// The newest entry of its history.
    pub last: Position,
    /// If present, every debit needs this key's signature.
    pub owner: Option<PublicKey>,
}
canonical!(Account {
    id: AccountId,
    asset: AssetId,
    status: AccountStatus,
    debits: Amount,
    credits: Amount,
    last: Position,
    owner: Option<PublicKey>,
});

impl Row for Account {
    const DOMAIN: Domain = Domain::Account;
    const ROWS_PER_PAGE: u32 = 512;

    fn id(&self) -> AccountId {
        self.id
    }
}

impl Account {
    /// A new, empty account.
    #[must_use]
    pub const fn open(id: AccountId, asset: AssetId, owner: Option<PublicKey>) -> Self {
        Self {
            id,
            asset,
            status: AccountStatus::Open,
            debits: Amount::ZERO,
            credits: Amount::ZERO,
            last: Position::NONE,
            owner,
        }
    }

    /// What it holds; below zero only for issuer and control accounts.
    #[must_use]
    pub fn balance(&self) -> Balance {
        Balance::of(self.credits, self.debits)
    }

    /// The debit total after paying `amount`.
    ///
    /// # Errors
    /// `insufficient_funds` with what is available, if the account may not be
    /// negative; `amount_overflow`.
    pub(crate) fn debits_after(&self, amount: Amount) -> Result<Amount, (OutcomeCode, Amount)> {
        if !self.id.class().may_be_negative() {
            let available = self.credits.checked_sub(self.debits).unwrap_or(Amount::ZERO);
            if available < amount {
                return Err((OutcomeCode::InsufficientFunds, available));
            }
        }
        let overflow = (OutcomeCode::AmountOverflow, Amount::ZERO);
        self.debits.checked_add(amount).ok_or(overflow)
    }

    /// The credit total after being paid `amount`.
    ///
    /// # Errors
    /// `amount_overflow`.
    pub(crate) fn credits_after(&self, amount: Amount) -> Result<Amount, (OutcomeCode, Amount)> {
        let overflow = (OutcomeCode::AmountOverflow, Amount::ZERO);
        self.credits.checked_add(amount).ok_or(overflow)
    }

    /// What readers see.
    #[must_use]
    pub fn view(&self) -> AccountView {
        AccountView {
            account: self.id,
            class: self.id.class(),
            asset: self.asset,
            status: self.status,
            owner: self.owner,
            debits: self.debits,
            credits: self.credits,
            balance: self.balance(),
            last: self.last,
        }
    }
}
