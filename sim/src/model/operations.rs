//! Operations: accounts on user chains, merchants and registry on the HF chain.

use std::collections::BTreeMap;

use tributary_chain::message::MerchantNotice;
use tributary_chain::operation::{
    Action, FloatPolicy, OpenAccount, OpenMerchant, RegistryChange, SetStatus,
};
use tributary_chain::{AccountStatus, Message};
use tributary_types::{AccountClass, AccountId, InstitutionId, OutcomeCode, Position};

use super::chain::{Chain, Refused};
use super::holder::{Account, Merchant};
use super::registry::check_key;

impl Chain {
    /// The first check that fails is the outcome; all come before any change.
    pub(super) fn operate(&mut self, by: InstitutionId, action: &Action) -> Result<(), Refused> {
        match (action, self.is_hf()) {
            (Action::OpenAccount(open), false) => self.open_account(by, open),
            (Action::SetAccountStatus(set), false) => self.set_account_status(by, set),
            (Action::OpenMerchant(open), true) => self.open_merchant(by, open),
            (Action::SetMerchantStatus(set), true) => {
                self.check_sponsor(AccountClass::Hf, by, set.account)?;
                let known = self.merchants.get(&set.account);
                let mut merchant = known.ok_or(OutcomeCode::UnknownDebitAccount)?.clone();
                check_status(merchant.status, set.status)?;
                merchant.status = set.status;
                self.announce_merchant(set.account, merchant)
            }
            (Action::SetFloat(set), true) => {
                self.check_sponsor(AccountClass::Hf, by, set.account)?;
                check_float(&set.float)?;
                let known = self.merchants.get(&set.account);
                let mut merchant = known.ok_or(OutcomeCode::UnknownDebitAccount)?.clone();
                merchant.float = set.float;
                self.announce_merchant(set.account, merchant)
            }
            (Action::Register(change), true) => self.register(by, change),
            _ => Err(OutcomeCode::WrongChain.into()),
        }
    }

    fn open_account(&mut self, by: InstitutionId, open: &OpenAccount) -> Result<(), Refused> {
        self.check_sponsor(AccountClass::User, by, open.account)?;
        self.check_asset(open.asset)?;
        match self.accounts.get(&open.account) {
            Some(known) if (known.asset, known.owner) == (open.asset, open.owner) => Ok(()),
            Some(_) => Err(OutcomeCode::AccountExists.into()),
            None => {
                open.owner.iter().try_for_each(check_key)?;
                self.accounts.insert(open.account, Account::open(open.asset, open.owner));
                Ok(())
            }
        }
    }

    /// Only an account that is empty, with nothing on its way back, is closed.
    fn set_account_status(&mut self, by: InstitutionId, set: &SetStatus) -> Result<(), Refused> {
        self.check_sponsor(AccountClass::User, by, set.account)?;
        let mut in_transit = self.in_transit.values().flatten();
        let expects = in_transit.any(|payment| payment.debit == set.account);
        let account = self.accounts.get_mut(&set.account);
        let account = account.ok_or(OutcomeCode::UnknownDebitAccount)?;
        check_status(account.status, set.status)?;
        let closes = account.status != AccountStatus::Closed && set.status == AccountStatus::Closed;
        if closes && (account.credits != account.debits || expects) {
            return Err(OutcomeCode::AccountNotEmpty.into());
        }
        account.status = set.status;
        Ok(())
    }

    fn open_merchant(&mut self, by: InstitutionId, open: &OpenMerchant) -> Result<(), Refused> {
        self.check_sponsor(AccountClass::Hf, by, open.account)?;
        self.check_asset(open.asset)?;
        check_float(&open.float)?;
        if !open.account.is_named(by, &open.name) {
            return Err(OutcomeCode::Malformed.into());
        }
        if let Some(known) = self.merchants.get(&open.account) {
            let same =
                (known.name, known.asset, known.float) == (open.name, open.asset, open.float);
            return if same { Ok(()) } else { Err(OutcomeCode::AccountExists.into()) };
        }
        let merchant = Merchant {
            name: open.name,
            asset: open.asset,
            status: AccountStatus::Open,
            float: open.float,
            debits: 0,
            credits: 0,
            received: 0,
            refunded: 0,
            payments: 0,
            last: Position::NONE,
            chains: BTreeMap::new(),
        };
        self.announce_merchant(open.account, merchant)
    }

    fn register(&mut self, by: InstitutionId, change: &RegistryChange) -> Result<(), Refused> {
        if !self.registry.is_operator(by) {
            return Err(OutcomeCode::Unauthorized.into());
        }
        if self.registry.check(change)? {
            self.announce(&Message::Registry(change.clone()))?;
            self.change_registry(change);
        }
        Ok(())
    }

    /// Every user chain hears of what changed, and of nothing else.
    fn announce_merchant(&mut self, account: AccountId, merchant: Merchant) -> Result<(), Refused> {
        let of = |merchant: &Merchant| MerchantNotice {
            account,
            asset: merchant.asset,
            status: merchant.status,
            float: merchant.float,
        };
        let notice = of(&merchant);
        if self.merchants.get(&account).map(of) != Some(notice) {
            self.announce(&Message::Merchant(notice))?;
            self.merchants.insert(account, merchant);
        }
        Ok(())
    }

    /// Sends a message to every user chain, or to none.
    fn announce(&mut self, message: &Message) -> Result<(), Refused> {
        let rules = std::sync::Arc::clone(&self.rules);
        let room = |chain| self.channels.get(&chain).is_some_and(|channel| channel.may_begin());
        if !rules.user_chains().all(room) {
            return Err(OutcomeCode::LimitReached.into());
        }
        for chain in rules.user_chains() {
            if let Some(channel) = self.channels.get_mut(&chain) {
                channel.send(message.clone());
            }
        }
        Ok(())
    }

    /// An account of this class, of this chain, sponsored by the institution.
    fn check_sponsor(
        &self,
        class: AccountClass,
        by: InstitutionId,
        account: AccountId,
    ) -> Result<(), Refused> {
        if account.class() != class {
            return Err(OutcomeCode::KindMismatch.into());
        }
        self.check_home(account)?;
        if account.institution() == by { Ok(()) } else { Err(OutcomeCode::Unauthorized.into()) }
    }
}

/// Closing is for ever.
fn check_status(from: AccountStatus, to: AccountStatus) -> Result<(), Refused> {
    if from == AccountStatus::Closed && to != from {
        return Err(OutcomeCode::StatusConflict.into());
    }
    Ok(())
}

fn check_float(float: &FloatPolicy) -> Result<(), Refused> {
    if float.low_mark <= float.target { Ok(()) } else { Err(OutcomeCode::Malformed.into()) }
}
