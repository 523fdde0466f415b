//! Owner signatures of a block, verified together before it is executed.
//!
//! Execution asks for the verdict on one signature at a time; verified together
//! they cost less, and whoever executes may spread them over many cores or know
//! some already. A verdict counts only for the key that it was given for: where
//! execution finds that the account has another owner than was expected, it
//! verifies that signature itself. So what is verified together, and by whom,
//! changes how long execution takes and nothing else.

use std::collections::BTreeMap;
use std::fmt::Debug;

use tributary_chain::{Action, Batch, Body};
use tributary_types::{AccountId, PublicKey, SignatureCheck, verify_all};

use crate::ledger::Ledger;

/// Verifies owner signatures for [`Ledger::execute_with`].
pub trait SignatureVerifier: Debug + Send + Sync {
    /// One answer for each check, in order. Each must be that of
    /// [`SignatureCheck::holds`], always and everywhere: replicas that answer
    /// differently diverge.
    fn verify(&self, checks: &[SignatureCheck]) -> Vec<bool>;
}

/// Verifies on the thread that asks.
#[derive(Debug, Clone, Copy, Default)]
pub struct InPlace;

impl SignatureVerifier for InPlace {
    fn verify(&self, checks: &[SignatureCheck]) -> Vec<bool> {
        verify_all(checks)
    }
}

/// What was found about one owner signature: by which key, and whether it is
/// that key's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) key: PublicKey,
    pub(crate) holds: bool,
}

/// For each batch of a body, for each of its owner signatures, what was found;
/// `None` where nothing was looked at.
pub(crate) type Verdicts = Vec<Vec<Option<Verdict>>>;

impl Ledger {
    /// Verifies all owner signatures of a body by the keys that their accounts
    /// have, or get by an operation of the body.
    pub(crate) fn verify_owners(&self, body: &Body, verifier: &dyn SignatureVerifier) -> Verdicts {
        let mut verdicts: Verdicts =
            body.batches.iter().map(|batch| vec![None; batch.owner_signatures.len()]).collect();
        let mut checks = Vec::new();
        let mut places = Vec::new();
        let signed =
            body.batches.iter().enumerate().filter(|(_, batch)| self.is_signed_over(batch));
        let mut opened = None;
        for (number, batch) in signed {
            let opened = opened.get_or_insert_with(|| owners_opened(body));
            for (place, entry) in batch.owner_signatures.iter().enumerate() {
                let Some(record) = batch.payments.get(entry.payment as usize) else { continue };
                let Ok(payment) = record.parse() else { continue };
                let known = self.core.accounts.get(payment.debit).map(|account| account.owner);
                let owner = known.unwrap_or_else(|| opened.get(&payment.debit).copied());
                let Some(key) = owner else { continue };
                let message = record.signing_hash(&self.core.rules.cluster);
                checks.push(SignatureCheck { key, message, signature: entry.signature });
                places.push((number, place));
            }
        }
        if checks.is_empty() {
            return verdicts;
        }
        let answers = verifier.verify(&checks);
        for (((number, place), check), holds) in places.into_iter().zip(&checks).zip(answers) {
            verdicts[number][place] = Some(Verdict { key: check.key, holds });
        }
        verdicts
    }

    /// Whether a batch carries owner signatures that execution may look at.
    fn is_signed_over(&self, batch: &Batch) -> bool {
        !batch.owner_signatures.is_empty() && self.refusal_of(batch).is_none()
    }
}

/// Owners of the accounts that operations of a body open.
fn owners_opened(body: &Body) -> BTreeMap<AccountId, PublicKey> {
    let operations = body.batches.iter().flat_map(|batch| &batch.operations);
    let mut owners = BTreeMap::new();
    for operation in operations {
        if let Action::OpenAccount(open) = &operation.action
            && let Some(owner) = open.owner
        {
            owners.entry(open.account).or_insert(owner);
        }
    }
    owners
}
