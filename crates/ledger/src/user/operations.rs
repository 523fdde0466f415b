//! Operations on a user chain: opening and closing user accounts.

use tributary_chain::operation::{AccountStatus, Action, OpenAccount, SetStatus};
use tributary_types::{AccountClass, InstitutionId, OutcomeCode};

use crate::account::Account;
use crate::core::Core;
use crate::operation::{check_account, check_opening, check_status_change};
use crate::refusal::Refusal;
use crate::user::UserChain;

impl UserChain {
    /// Executes an operation whose id is checked.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is changed.
    pub(crate) fn operate(
        &mut self,
        core: &mut Core,
        institution: InstitutionId,
        action: &Action,
    ) -> Result<(), Refusal> {
        match action {
            Action::OpenAccount(open) => open_account(core, institution, open),
            Action::SetAccountStatus(set) => self.set_status(core, institution, set),
            Action::OpenMerchant(_)
            | Action::SetMerchantStatus(_)
            | Action::SetFloat(_)
            | Action::Register(_) => Err(OutcomeCode::WrongChain.into()),
        }
    }

    fn set_status(
        &self,
        core: &mut Core,
        institution: InstitutionId,
        set: &SetStatus,
    ) -> Result<(), Refusal> {
        check_account(&core.rules, institution, set.account, AccountClass::User)?;
        let number = core.debit_account(set.account, None)?;
        let account = core.accounts.row(number);
        if !check_status_change(account.status, set.status)? {
            return Ok(());
        }
        let empty = account.balance().is_zero() && !self.transfers.has_payer(account.id);
        if set.status == AccountStatus::Closed && !empty {
            return Err(OutcomeCode::AccountNotEmpty.into());
        }
        core.accounts.row_mut(number).status = set.status;
        Ok(())
    }
}

fn open_account(
    core: &mut Core,
    institution: InstitutionId,
    open: &OpenAccount,
) -> Result<(), Refusal> {
    check_account(&core.rules, institution, open.account, AccountClass::User)?;
    core.check_asset(open.asset)?;
    let is_same = |known: &Account| (known.asset, known.owner) == (open.asset, open.owner);
    if !check_opening(&core.accounts, open.account, is_same)? {
        return Ok(());
    }
    if open.owner.is_some_and(|owner| owner.is_weak()) {
        return Err(OutcomeCode::WeakKey.into());
    }
    core.accounts.insert(Account::open(open.account, open.asset, open.owner));
    Ok(())
}
