//! What every payment is checked for, whichever chain it runs on.
//!
//! All checks come before any write, in a fixed order: the first one that fails
//! is the receipt's code.

use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, Amount, AssetId, InstitutionId, OutcomeCode, PaymentRecord, Position, Receipt,
    Signature,
};

use crate::account::Account;
use crate::core::{Core, Party};
use crate::owners::Verdict;
use crate::read_ahead::Near;
use crate::refusal::Refusal;

/// A payment of a batch, with what gives it authority.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ordered<'a> {
    pub(crate) payment: &'a Payment,
    pub(crate) record: &'a PaymentRecord,
    /// Where its accounts most often are.
    pub(crate) near: Near,
    /// Who signed the batch.
    pub(crate) institution: InstitutionId,
    pub(crate) owner_signature: Option<Signed<'a>>,
    /// Where its outcome will stand.
    pub(crate) position: Position,
}

/// An owner's signature over a payment, and what was found about it before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) signature: &'a Signature,
    pub(crate) verdict: Option<Verdict>,
}

/// A receipt for money that moved, with the links to both histories.
pub(crate) const fn moved(
    code: OutcomeCode,
    previous_debit: Position,
    previous_credit: Position,
) -> Receipt {
    Receipt { code, replay: false, detail: Amount::ZERO, previous_debit, previous_credit }
}

impl Ordered<'_> {
    /// Checks that the asset exists and that the institution sponsors the debit
    /// account.
    pub(crate) fn check_authority(&self, core: &Core) -> Result<(), Refusal> {
        core.check_asset(self.payment.asset)?;
        if self.payment.debit.institution() == self.institution {
            Ok(())
        } else {
            Err(OutcomeCode::Unauthorized.into())
        }
    }

    /// Checks the owner's signature if the debit account asks for one.
    pub(crate) fn check_owner(&self, debit: &Account, core: &Core) -> Result<(), Refusal> {
        let Some(owner) = &debit.owner else { return Ok(()) };
        let missing = OutcomeCode::OwnerSignatureMissing;
        let Signed { signature, verdict } = self.owner_signature.ok_or(missing)?;
        let holds = match verdict {
            Some(verdict) if verdict.key == *owner => verdict.holds,
            _ => owner.verifies(&self.record.signing_hash(&core.rules.cluster), signature),
        };
        if holds { Ok(()) } else { Err(OutcomeCode::OwnerSignatureInvalid.into()) }
    }
}

impl Core {
    /// Checks that an asset is registered.
    pub(crate) fn check_asset(&self, asset: AssetId) -> Result<(), Refusal> {
        match self.registry.get().asset(asset) {
            Some(_) => Ok(()),
            None => Err(OutcomeCode::UnknownAsset.into()),
        }
    }

    /// The number of the account that pays, which is most often `near`.
    pub(crate) fn debit_account(&self, id: AccountId, near: Option<u32>) -> Result<u32, Refusal> {
        let found = self.accounts.find_near(id, near);
        found.ok_or_else(|| OutcomeCode::UnknownDebitAccount.into())
    }

    /// The number of the account that is paid, which is most often `near`.
    pub(crate) fn credit_account(&self, id: AccountId, near: Option<u32>) -> Result<u32, Refusal> {
        let found = self.accounts.find_near(id, near);
        found.ok_or_else(|| OutcomeCode::UnknownCreditAccount.into())
    }

    /// Moves money between two accounts of this chain, after all other checks.
    pub(crate) fn move_between_accounts(
        &mut self,
        debit: u32,
        credit: u32,
        amount: Amount,
        position: Position,
    ) -> Result<Receipt, Refusal> {
        let debits = self.accounts.row(debit).debits_after(amount)?;
        let credits = self.accounts.row(credit).credits_after(amount)?;
        let previous_debit = self.accounts.row_mut(debit).debit(debits, position);
        let previous_credit = self.accounts.row_mut(credit).credit(credits, position);
        Ok(moved(OutcomeCode::Committed, previous_debit, previous_credit))
    }
}

impl Account {
    pub(crate) const fn party(&self) -> Party {
        Party { asset: self.asset, status: self.status, pays_when_closed: false }
    }
}
