//! The two ways in which the ledger says no. A refusal is about a payment or
//! operation and is data in the block; a broken rule is about a message and
//! shows that its source's quorum lied.

use tributary_types::{Amount, OutcomeCode, Receipt};

/// Why a payment or operation is refused, with the receipt's detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: OutcomeCode,
    pub(crate) detail: Amount,
}

impl From<OutcomeCode> for Refusal {
    fn from(code: OutcomeCode) -> Self {
        Self { code, detail: Amount::ZERO }
    }
}

impl Refusal {
    /// Not enough money.
    pub(crate) const fn insufficient(available: Amount) -> Self {
        Self { code: OutcomeCode::InsufficientFunds, detail: available }
    }
}

impl From<Refusal> for Receipt {
    fn from(refusal: Refusal) -> Self {
        Self::refused(refusal.code, refusal.detail)
    }
}

/// Whether the id window keeps an outcome.
///
/// Money that moved, waits or was refused for the state of an account is final
/// for the id. What says nothing about the payment itself (too early, too late,
/// wrong place, no authority, no room) is not: the same id may be submitted
/// again, in the right place or by whoever has the authority.
#[must_use]
pub const fn is_remembered(code: OutcomeCode) -> bool {
    !matches!(
        code,
        OutcomeCode::Expired
            | OutcomeCode::FromFuture
            | OutcomeCode::IdReused
            | OutcomeCode::Moved
            | OutcomeCode::WrongChain
            | OutcomeCode::Malformed
            | OutcomeCode::Unauthorized
            | OutcomeCode::UnknownKey
            | OutcomeCode::OwnerSignatureMissing
            | OutcomeCode::OwnerSignatureInvalid
            | OutcomeCode::LimitReached
    )
}

/// A certified message that no execution of the rules sends: its source's
/// quorum lied. Says which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RuleBroken(pub(crate) &'static str);
