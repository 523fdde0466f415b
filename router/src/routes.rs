//! The route table that the router goes by, and following it.
//!
//! The router begins with the table of the genesis and serves by it at once: a
//! wrong table does no harm, for a chain refuses as `moved` what it does not
//! own. Meanwhile it asks the HF chain for the table with its proof, verifies
//! that, and from then on shows it to front-ends. When a chain answers `moved`
//! with a later version than the router holds, it asks again. It never goes back
//! to an earlier version.
//!
//! One task asks ([`follow`]), so one question is under way at a time, whatever
//! chains and front-ends say, and never more than one in
//! [`REFRESH_INTERVAL_MS`].

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tributary_ledger::genesis::Genesis;
use tributary_ledger::proof::{RoutesError, RoutesProof};
use tributary_routing::RouteTable;
use tributary_transport::RefusalLog;
use tributary_wire::query::{AnswerValue, Query};

use crate::chain::Chain;
use crate::metric;

/// Between two questions for the table, in ms.
pub const REFRESH_INTERVAL_MS: u64 = 500;
/// How long a refused item waits for the table that its chain goes by, in ms.
pub const ROUTES_WAIT_MS_MAX: u64 = 2_000;

/// The newest table that the router can believe; shared by all its connections.
#[derive(Debug)]
pub struct Routes {
    genesis: Genesis,
    held: watch::Sender<Arc<Held>>,
    /// Highest version that a chain spoke of.
    wanted: watch::Sender<u64>,
}

/// A table and why it is believed.
#[derive(Debug)]
pub enum Held {
    /// The cluster began with it.
    Genesis(RouteTable),
    /// The HF chain proved it.
    Proved(Box<RoutesProof>),
}

impl Held {
    /// The table itself.
    #[must_use]
    pub const fn table(&self) -> &RouteTable {
        match self {
            Self::Genesis(table) => table,
            Self::Proved(proof) => &proof.routes,
        }
    }

    /// What front-ends are shown; `None` if nothing is proved yet.
    #[must_use]
    pub fn proof(&self) -> Option<Box<RoutesProof>> {
        match self {
            Self::Genesis(_) => None,
            Self::Proved(proof) => Some(proof.clone()),
        }
    }
}

impl Routes {
    /// The table of the genesis, not proved yet.
    #[must_use]
    pub fn new(genesis: Genesis) -> Self {
        let version = genesis.routes.version();
        let held = watch::Sender::new(Arc::new(Held::Genesis(genesis.routes.clone())));
        Self { genesis, held, wanted: watch::Sender::new(version) }
    }

    /// The table in force.
    #[must_use]
    pub fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.borrow())
    }

    /// A chain goes by this version: it is asked for if it is newer than what
    /// is held.
    pub fn want(&self, version: u64) {
        self.wanted.send_if_modified(|wanted| {
            let is_higher = version > *wanted;
            *wanted = version.max(*wanted);
            is_higher
        });
    }

    /// Wants this version and waits for it, at most [`ROUTES_WAIT_MS_MAX`];
    /// then the table in force, whatever its version.
    pub async fn wait_for(&self, version: u64) -> Arc<Held> {
        self.want(version);
        let mut held = self.held.subscribe();
        let reached = held.wait_for(|held| held.table().version() >= version);
        // Came or not: what is held now is all there is.
        drop(timeout(Duration::from_millis(ROUTES_WAIT_MS_MAX), reached).await);
        self.held()
    }

    /// Goes by the table of `proof` from now on, unless it is older.
    ///
    /// # Errors
    /// [`RoutesError`] if the proof does not hold; nothing changes then.
    fn offer(&self, proof: Box<RoutesProof>) -> Result<(), RoutesError> {
        let held = self.held();
        let version = proof.verify_after(&self.genesis, held.table())?.version();
        if version > held.table().version() {
            tracing::info!(version, "following a new route table");
        }
        metric::routes_version(version);
        self.held.send_replace(Arc::new(Held::Proved(proof)));
        Ok(())
    }

    /// Waits until there is something to ask for; the version that is wanted.
    async fn wait_for_want(&self) -> u64 {
        let mut wanted = self.wanted.subscribe();
        let is_behind = |wanted: &u64| match &*self.held() {
            Held::Genesis(_) => true,
            Held::Proved(proof) => *wanted > proof.routes.version(),
        };
        let found = wanted.wait_for(is_behind).await;
        // The sender lives as long as `self`.
        found.map_or(0, |wanted| *wanted)
    }

    /// The HF chain has been asked for `wanted` and has proved what it has: a
    /// chain that spoke of more was wrong.
    fn was_answered(&self, wanted: u64) {
        let version = self.held().table().version();
        self.wanted.send_if_modified(|known| {
            if *known == wanted {
                *known = version;
            }
            false
        });
    }
}

/// Keeps the table proved and up to date, for ever.
pub async fn follow(routes: Arc<Routes>, hf_chain: Arc<Chain>) -> Infallible {
    let refusals = RefusalLog::default();
    loop {
        let wanted = routes.wait_for_want().await;
        let result = match hf_chain.read(Query::ProveRoutes).await.map(|answer| answer.value) {
            Ok(AnswerValue::RoutesProof(Some(proof))) => match routes.offer(proof) {
                Ok(()) => {
                    routes.was_answered(wanted);
                    "proved"
                }
                Err(error) => {
                    refusals.warn(&format!("chain {}", hf_chain.id()), &error.to_string());
                    "refused"
                }
            },
            Ok(AnswerValue::RoutesProof(None)) => "no_block",
            Ok(_) => "other_answer",
            Err(error) => {
                tracing::debug!(%error, "no proof of the route table");
                "no_answer"
            }
        };
        metric::routes_refresh(result);
        sleep(Duration::from_millis(REFRESH_INTERVAL_MS)).await;
    }
}
