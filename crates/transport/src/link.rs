//! Links: a lasting connection to one address, restored whenever it breaks
//! (`dialler` does that).
//!
//! A link tells honestly what became of a request: refused before it was sent,
//! answered, or lost on the way, when nobody knows whether the peer acted.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use bytes::Bytes;
use quinn::Connection;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWriteExt, BufReader};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::timeout;

use crate::credentials::Credentials;
use crate::dialler::Dialler;
use crate::expiry;
use crate::frame::{Frame, FrameKind, too_long};
use crate::identity::Expected;
use crate::limits::{
    ACKNOWLEDGE_WAIT, CONNECT_WAIT, FRAME_BYTES_MAX, LINK_REQUESTS_MAX, WRITE_BYTES_MAX,
};
use crate::queue::{FrameSender, NotQueued};
use crate::refusals::RefusalLog;
use crate::socket::{BindError, bind, close, take_large_datagrams};
use crate::stats::{TransportStats, count, count_bytes};
use crate::stream::STREAM_OF_ONE_LARGE_MESSAGE;

/// Why a request has no reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Not sent: there is no connection.
    #[error("not connected to {0}")]
    NotConnected(SocketAddr),
    /// Not sent: too many requests wait.
    #[error("too many requests to {0} are under way")]
    QueueFull(SocketAddr),
    /// The peer refused it, or it is longer than [`FRAME_BYTES_MAX`].
    #[error("refused: {0}")]
    Refused(String),
    /// Sent, and the connection broke before a reply: nobody knows whether the
    /// peer acted.
    #[error("connection to {0} lost before a reply")]
    Lost(SocketAddr),
}

impl RequestError {
    /// Whether the peer may have seen the request.
    #[must_use]
    pub const fn was_sent(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Lost(_))
    }
}

/// Why a message was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SendError {
    /// There is no connection.
    #[error("not connected to {0}")]
    NotConnected(SocketAddr),
    /// The queue is full.
    #[error("the queue to {0} is full")]
    QueueFull(SocketAddr),
}

/// The local endpoint that links dial from. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(crate) endpoint: quinn::Endpoint,
    pub(crate) credentials: Arc<RwLock<Credentials>>,
    pub(crate) stats: Arc<TransportStats>,
    pub(crate) refusals: Arc<RefusalLog>,
}

impl Endpoint {
    /// An endpoint on any free port. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], one sentence.
    pub fn client(credentials: &Credentials) -> Result<Self, BindError> {
        let address = SocketAddr::from(([0, 0, 0, 0], 0));
        let socket = bind(address)?;
        let endpoint = quinn::Endpoint::new(
            take_large_datagrams(quinn::EndpointConfig::default()),
            None,
            socket,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(|error| BindError::Other { address, reason: error.to_string() })?;
        let credentials = Arc::new(RwLock::new(credentials.clone()));
        tokio::spawn(expiry::watch(Arc::downgrade(&credentials)));
        Ok(Self { endpoint, credentials, stats: Arc::default(), refusals: Arc::default() })
    }

    /// A link to `address`, where only an `expected` peer is spoken to. It
    /// connects in the background, now and whenever the connection breaks.
    #[must_use]
    pub fn connect(&self, address: SocketAddr, expected: Expected) -> PeerLink {
        let (sender, session) = watch::channel(None);
        let (ends_found, ends) = watch::channel(0);
        let dialler = Dialler { endpoint: self.clone(), address, expected, ends_found };
        tokio::spawn(dialler.run(sender));
        PeerLink { address, session, ends, stats: Arc::clone(&self.stats) }
    }

    /// Uses other credentials for handshakes from now on.
    pub fn replace_credentials(&self, credentials: &Credentials) {
        let mut current = self.credentials.write().unwrap_or_else(PoisonError::into_inner);
        *current = credentials.clone();
    }

    /// Who this process is to those that it dials from now on.
    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What crossed so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<TransportStats> {
        &self.stats
    }

    /// Waits until the links that nobody holds any more have sent what was
    /// queued, at most [`ACKNOWLEDGE_WAIT`], and closes as [`Endpoint::close`].
    pub async fn finish(&self) {
        drop(timeout(ACKNOWLEDGE_WAIT, self.endpoint.wait_idle()).await);
        self.close().await;
    }

    /// Closes all connections and gives the peers a moment to hear of it, so
    /// that they need not wait for silence. Links do not connect again.
    pub async fn close(&self) {
        close(&self.endpoint).await;
    }
}

/// A lasting connection to one address. Cheap to clone; the connection ends
/// with the last clone.
#[derive(Debug, Clone)]
pub struct PeerLink {
    address: SocketAddr,
    session: watch::Receiver<Option<Arc<Session>>>,
    ends: watch::Receiver<u64>,
    stats: Arc<TransportStats>,
}

/// One connection while it lasts.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) requests: FrameSender,
    pub(crate) messages: FrameSender,
    pub(crate) large: Arc<Semaphore>,
    /// Requests without a reply; `None` once the connection is gone.
    pub(crate) pending: Mutex<Option<HashMap<u64, oneshot::Sender<Frame>>>>,
    pub(crate) next_number: AtomicU64,
}

impl PeerLink {
    /// Whom it connects to.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether there is a connection now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.session.borrow().is_some()
    }

    /// Counts how often it was found that the process at the address has ended,
    /// or that none runs; it may have been started again since. A peer that only
    /// is silent, or cannot be reached, is not counted. Closes with the link.
    #[must_use]
    pub fn ends(&self) -> watch::Receiver<u64> {
        self.ends.clone()
    }

    /// Sends a request and waits for its reply. Waits for a connection at most
    /// [`CONNECT_WAIT`]; a deadline for the reply is the caller's: dropping the
    /// future gives the request up.
    ///
    /// # Errors
    /// [`RequestError`] tells whether the peer may have seen it.
    pub async fn request(&self, payload: impl Into<Bytes>) -> Result<Bytes, RequestError> {
        let payload = payload.into();
        if payload.len() > FRAME_BYTES_MAX {
            return Err(RequestError::Refused(too_long("request", payload.len())));
        }
        let session = self.connected().await?;
        let number = session.next_number.fetch_add(1, Ordering::Relaxed);
        let (sender, reply) = oneshot::channel();
        match session.expect(number, sender) {
            Some(true) => {}
            Some(false) => {
                count(&self.stats.queue_full);
                return Err(RequestError::QueueFull(self.address));
            }
            None => return Err(RequestError::NotConnected(self.address)),
        }
        let mut forget = Forget { session: &session, number, answered: false };
        let frame = Frame { kind: FrameKind::Request, number, payload };
        match session.requests.try_send(frame) {
            Ok(()) => {}
            Err(NotQueued::Full) => {
                count(&self.stats.queue_full);
                return Err(RequestError::QueueFull(self.address));
            }
            Err(NotQueued::Closed) => return Err(RequestError::NotConnected(self.address)),
        }
        let reply = reply.await;
        forget.answered = reply.is_ok();
        match reply {
            Ok(frame) if frame.kind == FrameKind::Reply => Ok(frame.payload),
            Ok(frame) => {
                Err(RequestError::Refused(String::from_utf8_lossy(&frame.payload).into_owned()))
            }
            Err(_) => Err(RequestError::Lost(self.address)),
        }
    }

    /// Queues a one-way message behind those sent before. Never waits.
    ///
    /// # Errors
    /// [`SendError`]; the message was not taken.
    pub fn send(&self, payload: impl Into<Bytes>) -> Result<(), SendError> {
        let session = self.session.borrow().clone();
        let session = session.ok_or(SendError::NotConnected(self.address))?;
        let frame = Frame { kind: FrameKind::Message, number: 0, payload: payload.into() };
        session.messages.try_send(frame).map_err(|error| match error {
            NotQueued::Full => {
                count(&self.stats.queue_full);
                SendError::QueueFull(self.address)
            }
            NotQueued::Closed => SendError::NotConnected(self.address),
        })
    }

    /// Sends a large message on a stream of its own and waits until it is
    /// handed to the network; at most [`LARGE_MESSAGES_IN_FLIGHT_MAX`] at once.
    ///
    /// [`LARGE_MESSAGES_IN_FLIGHT_MAX`]: crate::limits::LARGE_MESSAGES_IN_FLIGHT_MAX
    ///
    /// # Errors
    /// [`SendError::NotConnected`] if there is no connection or it breaks.
    pub async fn send_large(&self, payload: Bytes) -> Result<(), SendError> {
        let lost = || SendError::NotConnected(self.address);
        let session = self.session.borrow().clone().ok_or_else(lost)?;
        let _permit = session.large.acquire().await.map_err(|_| lost())?;
        let mut stream = session.connection.open_uni().await.map_err(|_| lost())?;
        stream.write_u8(STREAM_OF_ONE_LARGE_MESSAGE).await.map_err(|_| lost())?;
        count_bytes(&self.stats.bytes_sent, payload.len());
        stream.write_chunk(payload).await.map_err(|_| lost())?;
        stream.finish().map_err(|_| lost())?;
        stream.stopped().await.map_err(|_| lost())?;
        Ok(())
    }

    async fn connected(&self) -> Result<Arc<Session>, RequestError> {
        // Most often there is one: then neither timer nor subscription is needed.
        let session = self.session.borrow().clone();
        match session {
            Some(session) => Ok(session),
            None => Box::pin(self.wait_for_connection()).await,
        }
    }

    async fn wait_for_connection(&self) -> Result<Arc<Session>, RequestError> {
        let mut session = self.session.clone();
        let found = timeout(CONNECT_WAIT, session.wait_for(Option::is_some)).await;
        match found {
            Ok(Ok(session)) => session.clone().ok_or(RequestError::NotConnected(self.address)),
            Ok(Err(_)) | Err(_) => Err(RequestError::NotConnected(self.address)),
        }
    }
}

/// Takes a request off the table when its caller is gone.
struct Forget<'a> {
    session: &'a Session,
    number: u64,
    /// Who answers takes the request off the table.
    answered: bool,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if let Some(pending) = self.session.lock().as_mut() {
            pending.remove(&self.number);
        }
    }
}

impl Session {
    pub(crate) fn lock(
        &self,
    ) -> std::sync::MutexGuard<'_, Option<HashMap<u64, oneshot::Sender<Frame>>>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there was room to note the request; `None` if the connection is
    /// gone.
    fn expect(&self, number: u64, sender: oneshot::Sender<Frame>) -> Option<bool> {
        let mut pending = self.lock();
        let pending = pending.as_mut()?;
        let has_room = pending.len() < LINK_REQUESTS_MAX;
        if has_room {
            pending.insert(number, sender);
        }
        Some(has_room)
    }

    /// Hands replies to their requests until the stream ends.
    pub(crate) async fn read_replies(
        &self,
        receive: impl AsyncRead + Unpin,
        stats: &TransportStats,
    ) {
        let mut receive = BufReader::with_capacity(WRITE_BYTES_MAX, receive);
        while let Ok(frame) = Frame::read(&mut receive).await {
            count_bytes(&stats.bytes_received, frame.payload.len());
            let waiting = self.lock().as_mut().and_then(|pending| pending.remove(&frame.number));
            if let Some(waiting) = waiting {
                // The caller may have given up in this moment.
                drop(waiting.send(frame));
            }
        }
    }
}
