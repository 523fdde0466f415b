//! What operations on either kind of chain have in common.

use tributary_chain::operation::AccountStatus;
use tributary_types::OutcomeCode;

use crate::refusal::Refusal;

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
