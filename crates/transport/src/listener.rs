//! Listening: peers connect, are identified, and send requests and messages.
//!
//! Each connection is served by tasks of its own. Requests run concurrently up
//! to [`REQUESTS_IN_FLIGHT_MAX`]; then the connection is not read until one
//! ends. Messages are handed over one by one, in order.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, Incoming, RecvStream, SendStream};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::credentials::Credentials;
use crate::frame::{Frame, FrameError, FrameKind, too_long};
use crate::identity::Identity;
use crate::limits::{
    CONNECTIONS_MAX, DRAIN_WAIT, FRAME_BYTES_MAX, HANDSHAKE_WAIT, HANDSHAKES_MAX,
    HANDSHAKES_UNPROVEN_MAX, LARGE_MESSAGE_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, WRITE_BYTES_MAX,
};
use crate::queue::frame_queue;
use crate::refusals::RefusalLog;
use crate::socket::{BindError, bind, close, take_large_datagrams, transport_config};
use crate::stats::{TransportStats, count, count_bytes};
use crate::stream::{CloseCode, STREAM_OF_MESSAGES, STREAM_OF_ONE_LARGE_MESSAGE, write_frames};

/// What a service does with what its peers send.
pub trait Handler: Send + Sync + 'static {
    /// Whether this peer may connect at all; a refusal closes the connection.
    ///
    /// # Errors
    /// The reason, which the peer is told.
    fn admit(&self, peer: &Identity) -> Result<(), String>;

    /// Answers a request; an error refuses it with a reason.
    fn request(
        self: Arc<Self>,
        peer: Arc<Identity>,
        payload: Bytes,
    ) -> impl Future<Output = Result<Vec<u8>, String>> + Send;

    /// Takes a one-way message, in the order sent. Must not block.
    ///
    /// # Errors
    /// The reason for which the connection is closed.
    fn message(&self, peer: &Identity, payload: Bytes) -> Result<(), String>;

    /// Takes a large message.
    ///
    /// # Errors
    /// The reason for which the connection is closed.
    fn large_message(&self, peer: &Identity, payload: Bytes) -> Result<(), String>;
}

/// A listening endpoint. Stops when dropped; [`Listener::shutdown`] stops in
/// order.
#[derive(Debug)]
pub struct Listener {
    endpoint: quinn::Endpoint,
    closing: watch::Sender<bool>,
    writers: Arc<Semaphore>,
    stats: Arc<TransportStats>,
}

/// Where a listener's handshakes get their credentials from.
#[derive(Debug)]
pub(crate) struct Door {
    endpoint: quinn::Endpoint,
    closing: watch::Receiver<bool>,
}

impl Door {
    /// As [`Listener::replace_credentials`]; a listener that stops stays shut.
    pub(crate) fn replace_credentials(&self, credentials: &Credentials) {
        self.endpoint.set_server_config(Some(server_config(credentials)));
        if *self.closing.borrow() {
            self.endpoint.set_server_config(None);
        }
    }
}

/// What all connections of a listener share.
struct Service<H> {
    handler: Arc<H>,
    stats: Arc<TransportStats>,
    refusals: RefusalLog,
    connections: Arc<Semaphore>,
    /// Held until a peer is known: strangers take no place of a connection.
    handshakes: Arc<Semaphore>,
    /// Turns true when the listener stops: then no request is read any more.
    closing: watch::Receiver<bool>,
    /// Held by whoever still writes replies, so that a stop can wait for them.
    writers: Arc<Semaphore>,
}

impl Listener {
    /// Listens on `address` (port 0: any free one) and serves peers with
    /// `handler` on the current tokio runtime.
    ///
    /// # Errors
    /// [`BindError`], one sentence.
    pub fn bind<H: Handler>(
        address: SocketAddr,
        credentials: &Credentials,
        handler: Arc<H>,
    ) -> Result<Self, BindError> {
        let socket = bind(address)?;
        let other =
            |reason: std::io::Error| BindError::Other { address, reason: reason.to_string() };
        let endpoint = quinn::Endpoint::new(
            take_large_datagrams(credentials.reset().endpoint_config()),
            Some(server_config(credentials)),
            socket,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(other)?;
        let stats = Arc::new(TransportStats::default());
        let writers = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let (closing, is_closing) = watch::channel(false);
        let service = Arc::new(Service {
            handler,
            stats: Arc::clone(&stats),
            refusals: RefusalLog::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            closing: is_closing,
            writers: Arc::clone(&writers),
        });
        tokio::spawn(service.accept(endpoint.clone()));
        Ok(Self { endpoint, closing, writers, stats })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }

    /// What crossed and what was refused so far.
    #[must_use]
    pub fn stats(&self) -> &Arc<TransportStats> {
        &self.stats
    }

    /// Uses other credentials for handshakes from now on.
    pub fn replace_credentials(&self, credentials: &Credentials) {
        self.door().replace_credentials(credentials);
    }

    pub(crate) fn door(&self) -> Door {
        Door { endpoint: self.endpoint.clone(), closing: self.closing.subscribe() }
    }

    /// Accepts no further connection or request, lets running requests end
    /// until their replies have arrived, at most [`DRAIN_WAIT`], and closes.
    pub async fn shutdown(self) {
        self.closing.send_replace(true);
        self.endpoint.set_server_config(None);
        let all = u32::try_from(CONNECTIONS_MAX).unwrap_or(u32::MAX);
        let drained = timeout(DRAIN_WAIT, self.writers.acquire_many(all)).await;
        if drained.is_err() {
            tracing::warn!(wait = ?DRAIN_WAIT, "requests were still running at the stop");
        }
        close(&self.endpoint).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.endpoint.close(CloseCode::Done.code(), b"stopping");
    }
}

fn server_config(credentials: &Credentials) -> quinn::ServerConfig {
    let mut config = quinn::ServerConfig::with_crypto(credentials.server());
    config.transport_config(transport_config());
    config
}

impl<H: Handler> Service<H> {
    async fn accept(self: Arc<Self>, endpoint: quinn::Endpoint) {
        while let Some(incoming) = endpoint.accept().await {
            let under_way = HANDSHAKES_MAX - self.handshakes.available_permits();
            if under_way >= HANDSHAKES_UNPROVEN_MAX && !incoming.remote_address_validated() {
                // Fails only for a proven address.
                drop(incoming.retry());
                continue;
            }
            let Ok(handshake) = Arc::clone(&self.handshakes).try_acquire_owned() else {
                self.refusals.warn("listener", "too many handshakes");
                count(&self.stats.handshakes_refused);
                incoming.refuse();
                continue;
            };
            tokio::spawn(Arc::clone(&self).serve(incoming, handshake));
        }
    }

    async fn serve(self: Arc<Self>, incoming: Incoming, handshake: OwnedSemaphorePermit) {
        let address = incoming.remote_address();
        let connection = match timeout(HANDSHAKE_WAIT, async { incoming.await }).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return self.refuse_handshake(address, &error.to_string()),
            Err(_) => return self.refuse_handshake(address, "the handshake took too long"),
        };
        let peer = match self.identify(&connection) {
            Ok(peer) => Arc::new(peer),
            Err(reason) => {
                count(&self.stats.identities_refused);
                self.refusals.warn(&address.ip().to_string(), &reason);
                connection.close(CloseCode::NotAdmitted.code(), reason.as_bytes());
                return;
            }
        };
        drop(handshake);
        let Ok(_place) = Arc::clone(&self.connections).try_acquire_owned() else {
            let reason = "too many connections";
            self.refusals.warn(&peer.to_string(), reason);
            connection.close(CloseCode::NotAdmitted.code(), reason.as_bytes());
            return;
        };
        count(&self.stats.connections_accepted);
        count(&self.stats.connections_open);
        self.serve_streams(&connection, &peer).await;
        self.stats.connections_open.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }

    fn refuse_handshake(&self, address: SocketAddr, reason: &str) {
        count(&self.stats.handshakes_refused);
        self.refusals.warn(&address.ip().to_string(), reason);
    }

    fn identify(&self, connection: &Connection) -> Result<Identity, String> {
        let peer = identity_of(connection)?;
        self.handler.admit(&peer)?;
        Ok(peer)
    }

    async fn serve_streams(self: &Arc<Self>, connection: &Connection, peer: &Arc<Identity>) {
        loop {
            tokio::select! {
                stream = connection.accept_bi() => {
                    let Ok((send, receive)) = stream else { return };
                    let (service, connection) = (Arc::clone(self), connection.clone());
                    let peer = Arc::clone(peer);
                    tokio::spawn(async move {
                        let end = service.serve_requests(&peer, send, receive).await;
                        service.close_after(&connection, &peer, end);
                    });
                }
                stream = connection.accept_uni() => {
                    let Ok(receive) = stream else { return };
                    let (service, connection) = (Arc::clone(self), connection.clone());
                    let peer = Arc::clone(peer);
                    tokio::spawn(async move {
                        let end = service.serve_messages(&peer, receive).await;
                        service.close_after(&connection, &peer, end);
                    });
                }
            }
        }
    }

    /// Closes the connection if its stream ended by a fault of the peer.
    fn close_after(&self, connection: &Connection, peer: &Identity, end: Result<(), Close>) {
        let Err(Close { code, reason }) = end else { return };
        if matches!(code, CloseCode::Malformed) {
            count(&self.stats.frames_malformed);
        }
        self.refusals.warn(&peer.to_string(), &reason);
        connection.close(code.code(), reason.as_bytes());
    }

    async fn serve_requests(
        self: &Arc<Self>,
        peer: &Arc<Identity>,
        send: SendStream,
        receive: RecvStream,
    ) -> Result<(), Close> {
        let Ok(writing) = Arc::clone(&self.writers).acquire_owned().await else { return Ok(()) };
        let (replies, queue) = frame_queue(REQUESTS_IN_FLIGHT_MAX, usize::MAX);
        let stats = Arc::clone(&self.stats);
        tokio::spawn(async move {
            write_frames(queue, send, &stats).await;
            drop(writing);
        });
        let mut closing = self.closing.clone();
        let in_flight = Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX));
        let mut receive = BufReader::with_capacity(WRITE_BYTES_MAX, receive);
        while !*closing.borrow_and_update() {
            let read = tokio::select! {
                // What is here already needs no look at whether it closes.
                biased;
                read = Frame::read(&mut receive) => read,
                _ = closing.changed() => return Ok(()),
            };
            let frame = match read {
                Ok(frame) => frame,
                Err(error) => return Close::after(error),
            };
            if frame.kind != FrameKind::Request {
                return Err(Close::malformed(format!("{:?} in a request stream", frame.kind)));
            }
            count(&self.stats.requests_received);
            count_bytes(&self.stats.bytes_received, frame.payload.len());
            let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else {
                return Ok(());
            };
            let (handler, peer) = (Arc::clone(&self.handler), Arc::clone(peer));
            let replies = replies.clone();
            tokio::spawn(async move {
                let (kind, payload) = match handler.request(peer, frame.payload).await {
                    Ok(payload) if payload.len() <= FRAME_BYTES_MAX => (FrameKind::Reply, payload),
                    Ok(payload) => (FrameKind::Refusal, too_long("reply", payload.len()).into()),
                    Err(reason) => (FrameKind::Refusal, reason.into_bytes()),
                };
                let reply = Frame { kind, number: frame.number, payload: payload.into() };
                // A peer that is gone wants no reply.
                replies.send(reply).await;
                drop(permit);
            });
        }
        Ok(())
    }

    async fn serve_messages(&self, peer: &Identity, mut receive: RecvStream) -> Result<(), Close> {
        let Ok(tag) = receive.read_u8().await else { return Ok(()) };
        match tag {
            STREAM_OF_MESSAGES => self.serve_small(peer, receive).await,
            STREAM_OF_ONE_LARGE_MESSAGE => {
                let payload = match receive.read_to_end(LARGE_MESSAGE_BYTES_MAX).await {
                    Ok(payload) => payload,
                    Err(quinn::ReadToEndError::TooLong) => {
                        return Err(Close::malformed("large message beyond its limit".to_owned()));
                    }
                    Err(quinn::ReadToEndError::Read(_)) => return Ok(()),
                };
                count(&self.stats.messages_received);
                count_bytes(&self.stats.bytes_received, payload.len());
                self.handler.large_message(peer, payload.into()).map_err(Close::refused)
            }
            other => Err(Close::malformed(format!("stream tag {other} does not exist"))),
        }
    }

    async fn serve_small(&self, peer: &Identity, receive: RecvStream) -> Result<(), Close> {
        let mut receive = BufReader::with_capacity(WRITE_BYTES_MAX, receive);
        loop {
            let frame = match Frame::read(&mut receive).await {
                Ok(frame) => frame,
                Err(error) => return Close::after(error),
            };
            if frame.kind != FrameKind::Message {
                return Err(Close::malformed(format!("{:?} in a message stream", frame.kind)));
            }
            count(&self.stats.messages_received);
            count_bytes(&self.stats.bytes_received, frame.payload.len());
            self.handler.message(peer, frame.payload).map_err(Close::refused)?;
        }
    }
}

/// Why a connection is closed on a peer.
struct Close {
    code: CloseCode,
    reason: String,
}

impl Close {
    fn malformed(reason: String) -> Self {
        Self { code: CloseCode::Malformed, reason }
    }

    fn refused(reason: String) -> Self {
        Self { code: CloseCode::MessageRefused, reason }
    }

    fn after(error: FrameError) -> Result<(), Self> {
        if error.is_malformed() { Err(Self::malformed(error.to_string())) } else { Ok(()) }
    }
}

/// The identity in the certificate of a connection's peer.
pub(crate) fn identity_of(connection: &Connection) -> Result<Identity, String> {
    let chain = connection
        .peer_identity()
        .and_then(|any| any.downcast::<Vec<rustls_pki_types::CertificateDer<'static>>>().ok());
    let Some(certificate) = chain.as_ref().and_then(|chain| chain.first()) else {
        return Err("the peer shows no certificate".to_owned());
    };
    Identity::of_certificate(certificate).map_err(|error| error.to_string())
}
