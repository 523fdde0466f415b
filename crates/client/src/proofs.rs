//! Proofs: fetched from a chain, verified by anyone against the genesis alone.

use tributary_ledger::genesis::Genesis;
use tributary_ledger::proof::{OutcomeProof, ProofError, StateProof};
use tributary_types::{AccountId, PaymentId};
use tributary_wire::query::{AnswerValue, Query};

use crate::client::Client;
use crate::error::AskError;
use crate::verdict::Verdict;

impl Client {
    /// A proof of what became of a payment or operation, from the chain that
    /// decided; `None` if no chain has an outcome.
    ///
    /// # Errors
    /// [`AskError`] if a chain does not answer.
    pub async fn prove_payment(&self, id: PaymentId) -> Result<Option<OutcomeProof>, AskError> {
        let located = match self.payment(id).await?.verdict {
            Verdict::Committed(at) | Verdict::Refused(at) | Verdict::Pending(at) => at,
            Verdict::NeverExecuted | Verdict::NotSeen { .. } => return Ok(None),
        };
        let query = Query::ProvePayment(id);
        let answer = self.read_as(located.chain, query, "a proof", |value| match value {
            AnswerValue::OutcomeProof(proof) => Some(proof.map(|proof| *proof)),
            _ => None,
        });
        Ok(answer.await?.value)
    }

    /// A proof of an account's or merchant's balance, as of the last certified
    /// block of its chain; `None` if there is no such account.
    ///
    /// # Errors
    /// [`AskError`] if its chain does not answer.
    pub async fn prove_balance(&self, account: AccountId) -> Result<Option<StateProof>, AskError> {
        let query = Query::ProveAccount(account);
        let answer = self.read_as(self.chain_of(account), query, "a proof", |value| match value {
            AnswerValue::StateProof(proof) => Some(proof.map(|proof| *proof)),
            _ => None,
        });
        Ok(answer.await?.value)
    }
}

/// Checks a proof of a payment's outcome against the genesis, offline.
///
/// # Errors
/// [`ProofError`] says which part does not hold.
pub fn verify_outcome(proof: &OutcomeProof, genesis: &Genesis) -> Result<(), ProofError> {
    proof.verify(genesis)
}

/// Checks a proof of a balance against the genesis, offline.
///
/// # Errors
/// [`ProofError`] says which part does not hold.
pub fn verify_balance(proof: &StateProof, genesis: &Genesis) -> Result<(), ProofError> {
    proof.verify(genesis)
}
