//! The client itself: who it is, what it knows for certain, and how it asks
//! one chain.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tributary_chain::operation::AssetEntry;
use tributary_ledger::genesis::Genesis;
use tributary_routing::{PlacementRule, RouteTable};
use tributary_transport::Role;
use tributary_types::{AssetCode, BlockHeight, ChainId, Hash, InstitutionId, TimeMs};
use tributary_wire::query::{Answer, AnswerValue, Query};
use tributary_wire::router::{RouterReply, RouterRequest};

use crate::error::{AskError, ConnectError};
use crate::link::Routers;
use crate::settings::ClientConfig;

/// A member of one cluster, on behalf of one institution. Clones share the
/// connections and may be used at the same time.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Duration,
}

struct Shared {
    routers: Routers,
    institution: InstitutionId,
    genesis: Genesis,
    cluster: Hash,
    routes: RouteTable,
    placement: Vec<PlacementRule>,
}

/// Something read from one chain, and the block that it is as of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct AsOf<T> {
    /// The chain.
    pub chain: ChainId,
    /// Height of the state read.
    pub height: BlockHeight,
    /// Block time of the state read.
    pub time: TimeMs,
    /// What was read.
    pub value: T,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client(institution {}, cluster {})", self.institution(), self.cluster())
    }
}

impl Client {
    /// Joins the cluster of `config.genesis`.
    ///
    /// # Errors
    /// [`ConnectError`] if no router answers, or if it belongs to another
    /// cluster, or shows a route table without a proof that holds.
    pub async fn connect(config: ClientConfig) -> Result<Self, ConnectError> {
        let Role::Institution(institution) = config.credentials.identity().role else {
            return Err(ConnectError::NoFrontEnd(config.credentials.identity().clone()));
        };
        let routers = Routers::open(&config.routers, &config.credentials)?;
        let deadline = config.deadline;
        let reply = routers.ask_until(&RouterRequest::Hello, Instant::now() + deadline).await?;
        let RouterReply::Hello { cluster: found, routes } = reply else {
            return Err(AskError::OtherAnswer { asked: "hello" }.into());
        };
        let expected = config.genesis.hash();
        if found != expected {
            return Err(ConnectError::OtherCluster { expected, found });
        }
        let known = &config.genesis.routes;
        let routes = match routes {
            Some(proof) => proof.verify_after(&config.genesis, known)?.clone(),
            None => known.clone(),
        };
        let shared = Shared {
            routers,
            institution,
            genesis: config.genesis,
            cluster: expected,
            routes,
            placement: config.placement,
        };
        Ok(Self { shared: Arc::new(shared), deadline })
    }

    /// The same client with another deadline for each verb. It bounds how long
    /// a verb tries, not how long a verb that succeeds takes.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), deadline }
    }

    /// How long each verb tries.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// What everything is verified against.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.shared.genesis
    }

    /// The hash of the genesis: the name of the cluster in every signature.
    #[must_use]
    pub fn cluster(&self) -> &Hash {
        &self.shared.cluster
    }

    /// On whose behalf the client acts.
    #[must_use]
    pub fn institution(&self) -> InstitutionId {
        self.shared.institution
    }

    /// Which chain owns which slots, as proved when the client joined. A later
    /// table misleads nobody: a chain refuses as `moved` what it does not own,
    /// and the router follows the newer table.
    #[must_use]
    pub fn routes(&self) -> &RouteTable {
        &self.shared.routes
    }

    /// An asset of the genesis by its code.
    #[must_use]
    pub fn asset(&self, code: AssetCode) -> Option<&AssetEntry> {
        self.shared.genesis.assets.iter().find(|asset| asset.code == code)
    }

    /// Every chain, ascending.
    #[must_use]
    pub fn chain_ids(&self) -> Vec<ChainId> {
        let mut chains: Vec<_> = self.shared.genesis.chains.iter().map(|spec| spec.id).collect();
        chains.sort_unstable();
        chains
    }

    pub(crate) fn placement(&self) -> &[PlacementRule] {
        &self.shared.placement
    }

    pub(crate) fn routers(&self) -> &Routers {
        &self.shared.routers
    }

    /// Asks one chain's leader, within the client's deadline.
    pub(crate) async fn read(&self, chain: ChainId, query: Query) -> Result<Answer, AskError> {
        let deadline = Instant::now() + self.deadline;
        let request = RouterRequest::Query { chain, query };
        match self.shared.routers.ask_until(&request, deadline).await? {
            RouterReply::Answer(answer) if answer.chain == chain => Ok(*answer),
            _ => Err(AskError::OtherAnswer { asked: "a chain" }),
        }
    }

    /// Like [`Client::read`], for one kind of answer.
    pub(crate) async fn read_as<T>(
        &self,
        chain: ChainId,
        query: Query,
        asked: &'static str,
        pick: impl FnOnce(AnswerValue) -> Option<T>,
    ) -> Result<AsOf<T>, AskError> {
        let Answer { chain, height, time, value } = self.read(chain, query).await?;
        let value = pick(value).ok_or(AskError::OtherAnswer { asked })?;
        Ok(AsOf { chain, height, time, value })
    }
}

impl<T> AsOf<Option<T>> {
    /// Turns "as of then, nothing" into nothing.
    pub(crate) fn transpose(self) -> Option<AsOf<T>> {
        let Self { chain, height, time, value } = self;
        value.map(|value| AsOf { chain, height, time, value })
    }
}
