//! What proves an account, taken down while the state was current, until its
//! header is certified.

use tributary_chain::{Certificate, Header};
use tributary_ledger::Ledger;
use tributary_ledger::proof::{StateProof, StateProofParts};
use tributary_types::{AccountClass, AccountId};

/// Everything of a [`StateProof`] except the certificate.
#[derive(Debug, Clone)]
pub struct ProofCapture {
    /// The header of the state.
    pub header: Header,
    parts: StateProofParts,
}

impl ProofCapture {
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

    /// The proof, with the certificate of its header.
    #[must_use]
    pub fn certify(self, certificate: Certificate) -> StateProof {
        self.parts.certified(self.header, certificate)
    }
}
