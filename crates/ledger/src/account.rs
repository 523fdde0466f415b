//! Accounts: two totals that only grow, and who may move money.

use std::slice::from_ref;

use prefetch_index::prefetch_index;
use serde::{Deserialize, Serialize};
use tributary_chain::operation::AccountStatus;
use tributary_types::{
    AccountId, Amount, AssetId, Domain, OutcomeCode, Position, PublicKey, canonical,
};

use crate::balance::Balance;
use crate::limits::{CONTROL_BALANCE_MAX, TOTAL_MAX};
use crate::refusal::Refusal;
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

    fn prefetch(&self) {
        prefetch_index(from_ref(&self.id), 0);
        prefetch_index(from_ref(&self.owner), 0);
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
    pub(crate) fn debits_after(&self, amount: Amount) -> Result<Amount, Refusal> {
        if !self.id.class().may_be_negative() {
            let available = self.credits.checked_sub(self.debits).unwrap_or(Amount::ZERO);
            if available < amount {
                return Err(Refusal::insufficient(available));
            }
        }
        self.debits.checked_add(amount).ok_or(OutcomeCode::AmountOverflow.into())
    }

    /// The credit total after being paid `amount`.
    ///
    /// # Errors
    /// `amount_overflow` beyond [`TOTAL_MAX`].
    pub(crate) fn credits_after(&self, amount: Amount) -> Result<Amount, Refusal> {
        credits_after(self.credits, amount)
    }

    /// Writes a debit that was checked; returns the link to the entry before.
    pub(crate) const fn debit(&mut self, debits: Amount, position: Position) -> Position {
        self.debits = debits;
        std::mem::replace(&mut self.last, position)
    }

    /// Writes a credit that was checked; returns the link to the entry before.
    pub(crate) const fn credit(&mut self, credits: Amount, position: Position) -> Position {
        self.credits = credits;
        std::mem::replace(&mut self.last, position)
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

/// Both totals of a control account.
///
/// They carry all money that ever went between two chains, so in the long run
/// they would not fit. A total that would exceed 128 bits begins anew: what
/// both have in common is taken off both. The balance stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ControlTotals {
    debits: Amount,
    credits: Amount,
}

impl Account {
    /// The totals of a control account after this chain came to owe `amount`
    /// more; `None` if that is more than the peer could take.
    pub(crate) fn after_owing(&self, amount: Amount) -> Option<ControlTotals> {
        let totals = self.control_totals(|totals| {
            totals.credits = totals.credits.checked_add(amount)?;
            Some(())
        })?;
        let owed = totals.credits.checked_sub(totals.debits).unwrap_or(Amount::ZERO);
        (owed.get() <= CONTROL_BALANCE_MAX).then_some(totals)
    }

    /// The totals of a control account after the peer proved that it owes
    /// `amount` more, or takes back what it was owed; `None` if the peer broke
    /// the bound of what it may owe.
    pub(crate) fn after_being_owed(&self, amount: Amount) -> Option<ControlTotals> {
        self.control_totals(|totals| {
            totals.debits = totals.debits.checked_add(amount)?;
            Some(())
        })
    }

    /// Writes totals of a control account.
    pub(crate) const fn set_totals(&mut self, totals: ControlTotals) {
        self.debits = totals.debits;
        self.credits = totals.credits;
    }

    fn control_totals(
        &self,
        add: impl Fn(&mut ControlTotals) -> Option<()>,
    ) -> Option<ControlTotals> {
        let mut totals = ControlTotals { debits: self.debits, credits: self.credits };
        if add(&mut totals).is_none() {
            let common = self.debits.min(self.credits);
            totals.debits = self.debits.checked_sub(common)?;
            totals.credits = self.credits.checked_sub(common)?;
            add(&mut totals)?;
        }
        Some(totals)
    }
}

/// A credit total after a payment of `amount`.
///
/// # Errors
/// `amount_overflow` beyond [`TOTAL_MAX`].
pub(crate) fn credits_after(credits: Amount, amount: Amount) -> Result<Amount, Refusal> {
    let total = credits.checked_add(amount).filter(|total| total.get() <= TOTAL_MAX);
    total.ok_or(OutcomeCode::AmountOverflow.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::ChainId;

    #[test]
    fn totals_of_a_control_account_begin_anew_and_keep_the_balance() {
        let [own, peer] = [ChainId::new(1), ChainId::new(2)];
        let asset = AssetId::new(1);
        let mut control = Account::open(AccountId::control(own, peer, asset), asset, None);
        control.credits = Amount::new(u128::MAX - 5);
        control.debits = Amount::new(u128::MAX - 100);
        let before = control.balance();
        control.set_totals(control.after_owing(Amount::new(10)).unwrap());
        assert_eq!(control.balance(), before.plus(Balance::from(Amount::new(10))));
        assert_eq!((control.debits, control.credits), (Amount::ZERO, Amount::new(105)));
        let bound = Amount::new(CONTROL_BALANCE_MAX - 105);
        assert!(control.after_owing(bound).is_some());
        assert!(control.after_owing(Amount::new(bound.get() + 1)).is_none());
        assert!(control.after_being_owed(Amount::new(u128::MAX)).is_some());
    }
}
