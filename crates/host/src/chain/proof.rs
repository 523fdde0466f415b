//! What proves an account or the route table, taken down while the state was
//! current, until its header is certified.

use tributary_chain::Header;
use tributary_ledger::Ledger;
use tributary_ledger::proof::{RoutesProofParts, StateProofParts};
use tributary_types::{AccountClass, AccountId};

/// Everything of a proof except the certificate.
#[derive(Debug, Clone)]
pub struct ProofCapture<P> {
    /// The header of the state.
    pub header: Header,
    /// What the state shows.
    pub parts: P,
}

impl ProofCapture<StateProofParts> {
    /// Takes down the proof of an account, proxy or merchant.
    #[must_use]
    pub fn of(ledger: &Ledger, account: &AccountId) -> Option<Self> {
        let parts = match account.class() {
            AccountClass::Hf => {
                ledger.prove_merchant(account).or_else(|| ledger.prove_proxy(account))
            }
            AccountClass::User | AccountClass::Issuer | AccountClass::Control => {
                ledger.prove_account(account)
            }
        }?;
        Some(Self { header: ledger.header().clone(), parts })
    }
}

impl ProofCapture<RoutesProofParts> {
    /// Takes down the proof of the route table; none on a user chain.
    #[must_use]
    pub fn of_routes(ledger: &Ledger) -> Option<Self> {
        let parts = ledger.prove_routes()?;
        Some(Self { header: ledger.header().clone(), parts })
    }
}
