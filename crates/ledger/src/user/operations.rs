//! Operations on a user chain: opening and closing user accounts.

use tributary_chain::operation::{AccountStatus, Action, OpenAccount, SetStatus};
use tributary_types::{AccountClass, AccountId, InstitutionId, OutcomeCode};

use crate::account::Account;
use crate::core::Core;
use crate::movement::check_user_slot;
use crate::operation::check_status_change;
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
        check_account(core, institution, set.account)?;
        let number = core.debit_account(set.account)?;
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
    check_account(core, institution, open.account)?;
    core.check_asset(open.asset)?;
    if let Some(known) = core.accounts.get(open.account) {
        let same = (known.asset, known.owner) == (open.asset, open.owner);
        return if same { Ok(()) } else { Err(OutcomeCode::AccountExists.into()) };
    }
    if open.owner.is_some_and(|owner| owner.is_weak()) {
        return Err(OutcomeCode::WeakKey.into());
    }
    if !core.accounts.has_room() {
        return Err(OutcomeCode::LimitReached.into());
    }
    core.accounts.insert(Account::open(open.account, open.asset, open.owner));
    Ok(())
}

fn check_account(
    core: &Core,
    institution: InstitutionId,
    account: AccountId,
) -> Result<(), Refusal> {
    if account.class() != AccountClass::User {
        return Err(OutcomeCode::KindMismatch.into());
    }
    check_user_slot(account, &core.rules)?;
    if account.institution() == institution {
        Ok(())
    } else {
        Err(OutcomeCode::Unauthorized.into())
    }
}
