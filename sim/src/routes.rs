//! The route table that a router goes by, and following it, as the real router
//! does: it begins with the table that it was set up with, asks the HF chain for
//! a proved one, and asks again when a chain speaks of a later version. What is
//! not proved, or older, it does not believe.

use tributary_chain::Action;
use tributary_ledger::{RoutesError, RoutesProof};
use tributary_routing::{RouteTable, route, route_account};
use tributary_types::{AccountId, ChainId};

use crate::liars;
use crate::orders::{Item, Order};
use crate::stage::Stage;

/// See the module head.
#[derive(Debug)]
pub struct Routes {
    held: RouteTable,
    is_proved: bool,
    /// Highest version that a chain spoke of.
    wanted: u64,
}

impl Routes {
    /// The table that a router begins with: that of the genesis, which is not
    /// proved yet, or one that was proved long ago.
    #[must_use]
    pub fn new(router: u16, stage: &Stage) -> Self {
        let (held, is_genesis) = liars::routers::first_table(router, stage);
        Self { wanted: held.version(), held, is_proved: !is_genesis }
    }

    /// The table in force.
    #[must_use]
    pub const fn table(&self) -> &RouteTable {
        &self.held
    }

    /// A chain goes by this version.
    pub fn want(&mut self, version: u64) {
        self.wanted = self.wanted.max(version);
    }

    /// Whether there is something to ask the HF chain for.
    #[must_use]
    pub const fn wants(&self) -> bool {
        !self.is_proved || self.wanted > self.held.version()
    }

    /// Goes by a table from now on if it is proved and not older. Nothing else
    /// than the cluster's table must ever be believed.
    pub fn offer(&mut self, proof: &RoutesProof, stage: &mut Stage) {
        let genesis = &stage.cluster.genesis;
        let (what, table) = match proof.verify_after(genesis, &self.held) {
            Ok(table) => ("routes proved", Some(table)),
            Err(RoutesError::Proof(_)) => ("routes refused: not proved", None),
            Err(RoutesError::Stale { .. }) => ("routes refused: stale", None),
            Err(RoutesError::Forged(_)) => ("routes refused: forged", None),
        };
        let Some(table) = table else { return stage.trace.count(what) };
        if *table != genesis.routes {
            let version = table.version();
            let text = format!("a router goes by a table of version {version} that nobody proved");
            return stage.checks.violate("proofs", text);
        }
        (self.held, self.is_proved) = (table.clone(), true);
        self.wanted = self.held.version();
        stage.trace.count(what);
    }
}

/// The chain of an order by a table; by the true one if it has no place.
#[must_use]
pub fn chain_of(order: &Order, routes: &RouteTable) -> ChainId {
    let chain = match &order.item {
        Item::Pay(record, _) => {
            let payment = record.parse().ok();
            payment.and_then(|payment| route(&payment, routes).ok())
        }
        Item::Do(operation) => {
            subject(&operation.action).map(|account| route_account(account, routes))
        }
    };
    chain.unwrap_or(order.chain)
}

/// The account that an operation works on; nothing for the registry.
const fn subject(action: &Action) -> Option<AccountId> {
    match action {
        Action::OpenAccount(open) => Some(open.account),
        Action::OpenMerchant(open) => Some(open.account),
        Action::SetAccountStatus(set) | Action::SetMerchantStatus(set) => Some(set.account),
        Action::SetFloat(set) => Some(set.account),
        Action::Register(_) => None,
    }
}
