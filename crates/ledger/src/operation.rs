//! What operations on either kind of chain have in common.

use tributary_chain::operation::AccountStatus;
use tributary_types::{AccountClass, AccountId, InstitutionId, OutcomeCode};

use crate::movement::{check_hf_slot, check_user_slot};
use crate::refusal::Refusal;
use crate::row::Row;
use crate::rules::Rules;
use crate::table::Table;

/// Checks that an operation is about an account of `class`, which belongs on
/// this chain and which `institution` sponsors.
///
/// # Errors
/// `kind_mismatch`, `moved`, `unauthorized`.
pub(crate) fn check_account(
    rules: &Rules,
    institution: InstitutionId,
    account: AccountId,
    class: AccountClass,
) -> Result<(), Refusal> {
    if account.class() != class {
        return Err(OutcomeCode::KindMismatch.into());
    }
    if class == AccountClass::Hf {
        check_hf_slot(account, rules)?;
    } else {
        check_user_slot(account, rules)?;
    }
    if account.institution() == institution {
        Ok(())
    } else {
        Err(OutcomeCode::Unauthorized.into())
    }
}

/// Whether a row has to be opened; `false` if it is there and `is_same`.
///
/// # Errors
/// `account_exists` if it is there with other properties; `limit_reached`.
pub(crate) fn check_opening<R: Row>(
    table: &Table<R>,
    account: AccountId,
    is_same: impl FnOnce(&R) -> bool,
) -> Result<bool, Refusal> {
    match table.get(account) {
        Some(known) if is_same(known) => Ok(false),
        Some(_) => Err(OutcomeCode::AccountExists.into()),
        None if table.has_room() => Ok(true),
        None => Err(OutcomeCode::LimitReached.into()),
    }
}

/// Whether a status may follow another; `false` if it is the same. Closing is
/// for ever.
///
/// # Errors
/// `status_conflict`.
pub(crate) fn check_status_change(from: AccountStatus, to: AccountStatus) -> Result<bool, Refusal> {
    match (from, to) {
        (from, to) if from == to => Ok(false),
        (AccountStatus::Closed, _) => Err(OutcomeCode::StatusConflict.into()),
        _ => Ok(true),
    }
}
