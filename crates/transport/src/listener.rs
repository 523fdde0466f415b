//! Listening: peers connect, are identified, and admitted or refused; what they
//! send then is served connection by connection (`served`).

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use quinn::{Connection, Incoming};
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;

use crate::credentials::Credentials;
use crate::identity::Identity;
use crate::limits::{
    CONNECTIONS_MAX, DRAIN_WAIT, HANDSHAKE_WAIT, HANDSHAKES_MAX, HANDSHAKES_UNPROVEN_MAX,
};
use crate::refusals::RefusalLog;
use crate::served::Served;
use crate::shortcut::{Gate, Shortcuts, open_doorway};
use crate::socket::{BindError, bind, close, take_large_datagrams, transport_config};
use crate::stats::{TransportStats, count};
use crate::stream::CloseCode;

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

/// Who may write replies at once: of each connection a stream, and a shortcut that
/// came too late to be taken.
const WRITERS_MAX: usize = 2 * CONNECTIONS_MAX;

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
pub(crate) struct Service<H> {
    pub(crate) handler: Arc<H>,
    pub(crate) stats: Arc<TransportStats>,
    pub(crate) refusals: RefusalLog,
    connections: Arc<Semaphore>,
    /// Held until a peer is known: strangers take no place of a connection.
    handshakes: Arc<Semaphore>,
    /// Where the shortcuts of connections arrive.
    pub(crate) gate: Arc<Gate>,
    /// Turns true when the listener stops: then no request is read any more.
    pub(crate) closing: watch::Receiver<bool>,
    /// Held by whoever still writes replies, so that a stop can wait for them.
    pub(crate) writers: Arc<Semaphore>,
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
        shortcuts: Shortcuts,
        handler: Arc<H>,
    ) -> Result<Self, BindError> {
        let socket = bind(address)?;
        let other =
            |reason: std::io::Error| BindError::Other { address, reason: reason.to_string() };
        let port = socket.local_addr().map_err(other)?.port();
        let doorway = match shortcuts {
            Shortcuts::Offered => open_doorway(credentials.identity(), port),
            Shortcuts::Withheld => None,
        };
        let endpoint = quinn::Endpoint::new(
            take_large_datagrams(credentials.reset().endpoint_config()),
            Some(server_config(credentials)),
            socket,
            Arc::new(quinn::TokioRuntime),
        )
        .map_err(other)?;
        let stats = Arc::new(TransportStats::default());
        let writers = Arc::new(Semaphore::new(WRITERS_MAX));
        let (closing, is_closing) = watch::channel(false);
        let service = Arc::new(Service {
            handler,
            stats: Arc::clone(&stats),
            refusals: RefusalLog::default(),
            connections: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
            handshakes: Arc::new(Semaphore::new(HANDSHAKES_MAX)),
            gate: Arc::default(),
            closing: is_closing,
            writers: Arc::clone(&writers),
        });
        tokio::spawn(service.run(endpoint.clone(), doorway));
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
        let all = u32::try_from(WRITERS_MAX).unwrap_or(u32::MAX);
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
    /// Takes connections, and their shortcuts at a doorway, until the endpoint is
    /// closed.
    async fn run(self: Arc<Self>, endpoint: quinn::Endpoint, doorway: Option<UnixListener>) {
        let gate = Arc::clone(&self.gate);
        let shortcuts = async {
            match doorway {
                Some(doorway) => gate.run(doorway).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.accept(endpoint) => {}
            () = shortcuts => {}
        }
    }

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
        Served::new(Arc::clone(&self), connection, peer).run().await;
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
