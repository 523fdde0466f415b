//! Which chain executes a payment or an operation.
//!
//! A payment runs where its user is: on the payer's chain, or, if a merchant
//! pays, on the payee's, where the merchant's proxy is debited. What moves
//! only between HF accounts and issuers runs on the HF chain. Whether the
//! payment may run at all is the ledger's decision, not made here.

use thiserror::Error;
use tributary_types::payment::Payment;
use tributary_types::{AccountClass, AccountId, ChainId};

use crate::table::RouteTable;

/// Why no chain executes a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RouteError {
    /// The payer is a control account.
    #[error("debit: {0} is a control account, which takes part in no payment")]
    DebitControl(AccountId),
    /// The payee is a control account.
    #[error("credit: {0} is a control account, which takes part in no payment")]
    CreditControl(AccountId),
}

/// The chain that executes a payment.
///
/// # Errors
/// [`RouteError`] names the field that holds a control account.
pub fn route(payment: &Payment, routes: &RouteTable) -> Result<ChainId, RouteError> {
    let (debit, credit) = (payment.debit, payment.credit);
    if debit.class() == AccountClass::Control {
        return Err(RouteError::DebitControl(debit));
    }
    if credit.class() == AccountClass::Control {
        return Err(RouteError::CreditControl(credit));
    }
    let merchant_pays_user =
        debit.class() == AccountClass::Hf && credit.class() == AccountClass::User;
    Ok(route_account(if merchant_pays_user { credit } else { debit }, routes))
}

/// The chain of an account: a user account's by its slot, an HF account's by
/// its HF slot (not that of a proxy), an issuer or control account's own.
/// Operations on an account run there.
#[must_use]
pub fn route_account(account: AccountId, routes: &RouteTable) -> ChainId {
    match account.slot() {
        Some(slot) if account.class() == AccountClass::Hf => routes.hf_chain_of(slot),
        Some(slot) => routes.chain_of(slot),
        None => ChainId::new(account.slot_field()),
    }
}
