//! Whoever holds the genesis alone can check what a chain says of an account:
//! every row of a certified state has a proof that holds, and no other header
//! makes it hold.

use tributary_chain::{Certificate, Header};
use tributary_ledger::{Genesis, Ledger, StateProof};
use tributary_types::{AccountClass, AccountId, ChainId};

use crate::cluster::Cluster;
use crate::workload::{every_merchant, every_user};

/// See the module head.
#[derive(Debug)]
pub struct Proofs {
    genesis: Genesis,
    /// Heights of a chain between two that are looked at.
    every: u64,
    accounts: Vec<AccountId>,
    hf: ChainId,
}

impl Proofs {
    /// Looks at all users and merchants that may ever be opened, in turn, one
    /// after so many heights of a chain.
    pub fn new(cluster: &Cluster, every: u64) -> Self {
        let users = every_user(&cluster.genesis.routes).into_iter().map(|(_, account)| account);
        let accounts = users.chain(every_merchant()).collect();
        Self { genesis: cluster.genesis.clone(), every, accounts, hf: cluster.hf }
    }

    /// A header is certified; `ledger` may be further.
    ///
    /// # Errors
    /// What does not hold, or holds and should not.
    pub fn certified(
        &self,
        header: &Header,
        certificate: &Certificate,
        ledger: &Ledger,
    ) -> Result<(), String> {
        if ledger.header() != header || !header.height.get().is_multiple_of(self.every) {
            return Ok(());
        }
        let first = usize::try_from(header.height.get() / self.every).unwrap_or(0);
        let known = self.accounts.iter().cycle().skip(first % self.accounts.len().max(1));
        let parts =
            known.take(self.accounts.len()).find_map(|account| self.prove(*account, ledger));
        let Some(parts) = parts else { return Ok(()) };
        let mut proof: StateProof =
            parts.certified(header.clone(), Vec::new(), certificate.clone());
        let place = |proof: &StateProof| {
            format!("chain {} height {}: {:?}", header.chain, header.height, proof.leaf)
        };
        proof.verify(&self.genesis).map_err(|error| format!("{}: {error}", place(&proof)))?;
        proof.header.height = header.height.next();
        match proof.verify(&self.genesis) {
            Ok(()) => Err(format!("{}: holds for another height", place(&proof))),
            Err(_) => Ok(()),
        }
    }

    fn prove(
        &self,
        account: AccountId,
        ledger: &Ledger,
    ) -> Option<tributary_ledger::StateProofParts> {
        match account.class() {
            AccountClass::Hf if ledger.chain() == self.hf => ledger.prove_merchant(&account),
            AccountClass::Hf => ledger.prove_proxy(&account),
            _ => ledger.prove_account(&account),
        }
    }
}
