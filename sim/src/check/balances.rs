//! No account is negative but issuers and control accounts.

use tributary_ledger::Ledger;
use tributary_types::{AccountId, ChainId};

use crate::cluster::Cluster;
use crate::workload::every_user;

/// See the module head.
#[derive(Debug)]
pub struct Balances {
    users: Vec<(ChainId, AccountId)>,
}

impl Balances {
    /// Looks at every user that may ever be opened.
    pub fn new(cluster: &Cluster) -> Self {
        Self { users: every_user(&cluster.genesis.routes) }
    }

    /// The newest state of a chain. Totals of proxies and merchants are
    /// unsigned; that they fit is the ledger's own check.
    ///
    /// # Errors
    /// Which account is negative.
    pub fn state(&self, ledger: &Ledger) -> Result<(), String> {
        let here = self.users.iter().filter(|(chain, _)| *chain == ledger.chain());
        for (chain, user) in here {
            let Some(account) = ledger.account(user) else { continue };
            if account.balance.is_negative() || account.credits < account.debits {
                return Err(format!("chain {chain} account {user}: {}", account.balance));
            }
        }
        Ok(())
    }
}
