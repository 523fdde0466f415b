//! How the rest of the process speaks to a chain.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Sender, TrySendError};
use tokio::sync::{oneshot, watch};
use tributary_chain::channel::Portion;
use tributary_chain::{Batch, Delivery};
use tributary_types::{AccountId, ChainId, PublicKey};
use tributary_wire::node::{NodeError, Submitted};

use super::input::{Answered, AsOf, Ask, DeliveryResult, Found, MessageRange, PeerInput, Request};
use super::published::{CertifiedView, Published};
use super::seat::{Input, Seat};
use crate::archive::blocks::BlockReader;
use crate::archive::missing::MissingBlocks;
use crate::measure;

/// Suggested wait after a full queue.
pub const OVERLOADED_RETRY_MS: u64 = 20;

/// What the thread will say.
pub type Answer<T> = oneshot::Receiver<Result<T, NodeError>>;

/// One chain, as seen from outside of its thread.
#[derive(Clone)]
pub struct ChainHandle {
    /// The chain.
    pub chain: ChainId,
    /// This replica's index in the validator set.
    pub validator: u16,
    /// To the thread.
    pub requests: Sender<Request>,
    /// To the thread.
    pub peers: Sender<PeerInput>,
    /// To carry out a small input oneself.
    pub seat: Arc<Seat>,
    /// How the replica is doing.
    pub published: Arc<Published>,
    /// The newest certified header.
    pub certified: watch::Receiver<Option<Arc<CertifiedView>>>,
    /// Its blocks.
    pub reader: Arc<BlockReader>,
    /// Where blocks that its archive lacks are asked for.
    pub missing: Arc<MissingBlocks>,
}

impl ChainHandle {
    /// A cheap look before anything expensive is done for a request that only
    /// a leader carries out; the replica has the last word.
    ///
    /// # Errors
    /// [`NodeError::NotLeader`] if another replica led a moment ago.
    pub fn check_leads(&self) -> Result<(), NodeError> {
        let leader = self.published.get().and_then(|snapshot| snapshot.status.leader);
        if leader == Some(self.validator) {
            return Ok(());
        }
        Err(NodeError::NotLeader { chain: self.chain, leader })
    }

    /// Executes a batch whose signatures are verified.
    ///
    /// # Errors
    /// [`NodeError`]: not carried out, or outcome unknown.
    pub async fn submit(&self, batch: Batch, received: Instant) -> Result<Submitted, NodeError> {
        let batch = Box::new(batch);
        let unknown = NodeError::OutcomeUnknown;
        self.ask_thread(|reply| Request::Submit { batch, received, reply }, unknown).await
    }

    /// The owner keys of accounts, as of a moment ago.
    ///
    /// # Errors
    /// [`NodeError`]: the thread did not take the question.
    pub async fn owners(
        &self,
        accounts: Vec<Option<AccountId>>,
    ) -> Result<Vec<Option<PublicKey>>, NodeError> {
        self.ask_thread(|reply| Request::Owners { accounts, reply }, stopping()).await
    }

    /// Begins to execute a delivery; the receiver hears the cursor after it, or
    /// why it was refused.
    ///
    /// # Errors
    /// [`NodeError`]: the thread did not take it.
    pub fn begin_deliver(&self, delivery: Delivery) -> Result<Answer<DeliveryResult>, NodeError> {
        let delivery = Box::new(delivery);
        self.begin(|reply| Request::Deliver { delivery, reply })
    }

    /// Reads the state, after making sure that this replica leads.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn ask(&self, ask: Ask) -> Result<(AsOf, Found), NodeError> {
        self.ask_thread(|reply| Request::Ask { ask, reply }, stopping()).await
    }

    /// Unacknowledged messages, from any replica; `None` if there is no such
    /// peer.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn messages(&self, range: MessageRange) -> Result<Option<Portion>, NodeError> {
        self.ask_thread(|reply| Request::Messages { range, reply }, stopping()).await
    }

    /// Has the last executed block certified, which is published then.
    ///
    /// # Errors
    /// [`NodeError`]: the thread did not take it.
    pub fn want_certificate(&self) -> Result<(), NodeError> {
        self.put(Request::CertificateWanted)
    }

    /// Hands over a peer's message. Returns false if the queue is full.
    #[must_use]
    pub fn put_peer(&self, input: PeerInput) -> bool {
        match self.seat.try_take(Input::Peer(input)) {
            Some(Input::Peer(input)) => self.peers.try_send(input).is_ok(),
            _ => true,
        }
    }

    async fn ask_thread<T>(
        &self,
        request: impl FnOnce(Answered<T>) -> Request,
        if_thread_ends: NodeError,
    ) -> Result<T, NodeError> {
        self.begin(request)?.await.unwrap_or(Err(if_thread_ends))
    }

    fn begin<T>(
        &self,
        request: impl FnOnce(Answered<T>) -> Request,
    ) -> Result<Answer<T>, NodeError> {
        let (reply, answer) = oneshot::channel();
        self.put(request(reply)).map(|()| answer)
    }

    fn put(&self, request: Request) -> Result<(), NodeError> {
        let Some(Input::Request(request)) = self.seat.try_take(Input::Request(request)) else {
            return Ok(());
        };
        match self.requests.try_send(request) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                measure::overloaded(self.chain);
                Err(NodeError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS })
            }
            Err(TrySendError::Disconnected(_)) => Err(stopping()),
        }
    }
}

fn stopping() -> NodeError {
    NodeError::Unavailable("the node is stopping".to_owned())
}
