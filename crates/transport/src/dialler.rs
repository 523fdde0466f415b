//! What keeps a link connected: dials, serves the connection while it lasts,
//! and dials again, less and less often where that brings nothing.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quinn::{Connection, ConnectionError};
use rand::RngExt as _;
use tokio::io::{AsyncRead, AsyncWriteExt as _};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout};

use crate::authority::SERVER_NAME;
use crate::closed_port::Probe;
use crate::identity::{Expected, Identity};
use crate::limits::{
    ACKNOWLEDGE_WAIT, HANDSHAKE_WAIT, LARGE_MESSAGES_IN_FLIGHT_MAX, LINK_BYTES_MAX,
    LINK_MESSAGES_MAX, LINK_REQUESTS_MAX, RECONNECT_DELAY_MAX, RECONNECT_DELAY_MIN,
};
use crate::link::{Endpoint, Session};
use crate::listener::identity_of;
use crate::outgoing::Outgoing;
use crate::queue::frame_queue;
use crate::shortcut::{self, Shortcut};
use crate::socket::transport_config;
use crate::stats::count;
use crate::stream::{CloseCode, STREAM_OF_MESSAGES, write_frames};

/// Keeps one link connected.
pub(crate) struct Dialler {
    pub(crate) endpoint: Endpoint,
    pub(crate) address: SocketAddr,
    pub(crate) expected: Expected,
    /// See [`PeerLink::ends`](crate::PeerLink::ends).
    pub(crate) ends_found: watch::Sender<u64>,
}

/// Why there is no connection.
enum NoConnection {
    NobodyListens,
    Other(String),
}

impl From<String> for NoConnection {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

impl Dialler {
    /// Goes on until nobody holds the link.
    pub(crate) async fn run(self, sessions: watch::Sender<Option<Arc<Session>>>) {
        let mut delay = RECONNECT_DELAY_MIN;
        loop {
            let probe = self.probe();
            let attempt = tokio::select! {
                attempt = self.dial(probe.as_ref()) => attempt,
                () = sessions.closed() => return,
            };
            let is_closed = matches!(attempt, Err(NoConnection::NobodyListens));
            match attempt {
                Ok((connection, peer)) => {
                    let begin = Instant::now();
                    if self.hold(connection, &peer, probe.as_ref(), &sessions).await.is_none() {
                        return;
                    }
                    // A peer that closes at once would be dialled without end.
                    let lasted = begin.elapsed() >= RECONNECT_DELAY_MAX;
                    delay = if lasted { RECONNECT_DELAY_MIN } else { doubled(delay) };
                }
                Err(NoConnection::NobodyListens) => self.note_the_end(),
                Err(NoConnection::Other(reason)) => {
                    self.endpoint.refusals.warn(&self.address.to_string(), &reason);
                    delay = doubled(delay);
                }
            }
            let wait = if is_closed { RECONNECT_DELAY_MAX } else { jittered(delay) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = port_opens(probe.as_ref()), if is_closed => {}
                () = sessions.closed() => return,
            }
        }
    }

    /// A connection, and to whom.
    async fn dial(&self, probe: Option<&Probe>) -> Result<(Connection, Identity), NoConnection> {
        // A first datagram that nobody takes is repeated only after a second.
        if probe.is_some_and(Probe::is_refused) {
            return Err(NoConnection::NobodyListens);
        }
        let mut config = quinn::ClientConfig::new(self.endpoint.credentials().client());
        config.transport_config(transport_config());
        let connecting =
            match self.endpoint.endpoint.connect_with(config, self.address, SERVER_NAME) {
                Ok(connecting) => connecting,
                // This process stops: there is nothing to try and nothing to tell.
                Err(quinn::ConnectError::EndpointStopping) => return std::future::pending().await,
                Err(error) => return Err(error.to_string().into()),
            };
        let connected = tokio::select! {
            connected = timeout(HANDSHAKE_WAIT, connecting) => connected,
            () = port_closes(probe, || 0) => return Err(NoConnection::NobodyListens),
        };
        let connection = match connected {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Err(error.to_string().into()),
            Err(_) => return Err("the handshake took too long".to_owned().into()),
        };
        let found = identity_of(&connection)?;
        if self.expected.admits(&found) {
            return Ok((connection, found));
        }
        count(&self.endpoint.stats.identities_refused);
        let reason = format!("expected a {}, found {found}", self.expected.role);
        connection.close(CloseCode::NotAdmitted.code(), reason.as_bytes());
        Err(reason.into())
    }

    /// Serves one connection until it breaks; `None` once nobody holds the link.
    async fn hold(
        &self,
        connection: Connection,
        peer: &Identity,
        probe: Option<&Probe>,
        sessions: &watch::Sender<Option<Arc<Session>>>,
    ) -> Option<()> {
        let Some(streams) = self.open(&connection, peer).await else { return Some(()) };
        let (requests, request_queue) = frame_queue(LINK_REQUESTS_MAX, LINK_BYTES_MAX);
        let (messages, message_queue) = frame_queue(LINK_MESSAGES_MAX, LINK_BYTES_MAX);
        let session = Arc::new(Session {
            connection: connection.clone(),
            requests,
            messages,
            large: Arc::new(Semaphore::new(LARGE_MESSAGES_IN_FLIGHT_MAX as usize)),
            pending: Mutex::new(Some(HashMap::new())),
            next_number: AtomicU64::new(1),
        });
        let stats = &self.endpoint.stats;
        // The receivers are gone only when the link is; then it ends below.
        sessions.send_replace(Some(Arc::clone(&session)));
        // Where the system closes the sockets of a process that ends, that tells.
        let silence_tells = probe.filter(|_| !streams.are_shortcut);
        let mut messages_written = pin!(write_frames(message_queue, streams.messages, stats));
        let end = tokio::select! {
            () = write_frames(request_queue, streams.requests, stats) => End::Broken,
            () = &mut messages_written => End::Broken,
            () = session.read_replies(streams.replies, stats) => End::Broken,
            _ = connection.closed() => End::Broken,
            () = port_closes(silence_tells, || connection.stats().udp_rx.datagrams) => {
                End::PortClosed
            }
            () = sessions.closed() => End::Unused,
        };
        let reason = connection.close_reason();
        let is_closed = || streams.are_shortcut && probe.is_some_and(Probe::is_refused);
        match end {
            End::PortClosed => self.note_the_end(),
            // Streams end with their connection: any of them may have been seen first.
            End::Broken if reason.is_none() && is_closed() => self.note_the_end(),
            End::Broken | End::Unused => self.note_reason(reason.as_ref()),
        }
        sessions.send_replace(None);
        session.lock().take();
        drop(session);
        let is_wanted = !matches!(end, End::Unused);
        if !is_wanted {
            // Nobody puts anything behind the last message: let that arrive.
            drop(timeout(ACKNOWLEDGE_WAIT, messages_written).await);
        }
        connection.close(CloseCode::Done.code(), b"link closed");
        is_wanted.then_some(())
    }

    /// Opens the lasting streams; None if the connection breaks.
    async fn open(&self, connection: &Connection, peer: &Identity) -> Option<Streams> {
        if let Some(Shortcut { requests, messages }) = shortcut::take(connection, peer).await {
            count(&self.endpoint.stats.shortcuts_taken);
            let (replies, requests) = requests.into_split();
            let (_, messages) = messages.into_split();
            return Some(Streams {
                requests: Outgoing::Shortcut(requests),
                replies: Box::new(replies),
                messages: Outgoing::Shortcut(messages),
                are_shortcut: true,
            });
        }
        let (requests, replies) = connection.open_bi().await.ok()?;
        let mut messages = connection.open_uni().await.ok()?;
        messages.write_u8(STREAM_OF_MESSAGES).await.ok()?;
        Some(Streams {
            requests: Outgoing::Quic(requests),
            replies: Box::new(replies),
            messages: Outgoing::Quic(messages),
            are_shortcut: false,
        })
    }

    /// None where the system gives no socket; then silence alone tells.
    fn probe(&self) -> Option<Probe> {
        let probe = Probe::new(self.address).inspect_err(|error| {
            let reason = format!("its end will be noticed by silence alone: {error}");
            self.endpoint.refusals.warn(&self.address.to_string(), &reason);
        });
        probe.ok()
    }

    fn note_reason(&self, reason: Option<&ConnectionError>) {
        // What a process says that knows nothing of the connection.
        if matches!(reason, Some(ConnectionError::Reset)) {
            self.count_the_end();
        }
        if let Some(reason) =
            reason.filter(|reason| !matches!(reason, ConnectionError::LocallyClosed))
        {
            self.endpoint.refusals.warn(&self.address.to_string(), &reason.to_string());
        }
    }

    fn note_the_end(&self) {
        self.count_the_end();
        self.endpoint.refusals.warn(&self.address.to_string(), "nobody listens at its port");
    }

    fn count_the_end(&self) {
        self.ends_found.send_modify(|count| *count += 1);
    }
}

/// The lasting streams of a connection, by a shortcut where there is one.
struct Streams {
    requests: Outgoing,
    replies: Box<dyn AsyncRead + Send + Unpin>,
    messages: Outgoing,
    are_shortcut: bool,
}

/// How a connection ended that was held.
enum End {
    /// It broke, or the peer closed it.
    Broken,
    /// The peer's process has ended.
    PortClosed,
    /// Nobody holds the link any more.
    Unused,
}

async fn port_closes(probe: Option<&Probe>, received: impl Fn() -> u64) {
    match probe {
        Some(probe) => probe.port_closes(received).await,
        None => std::future::pending().await,
    }
}

async fn port_opens(probe: Option<&Probe>) {
    match probe {
        Some(probe) => probe.port_opens().await,
        None => std::future::pending().await,
    }
}

fn doubled(delay: Duration) -> Duration {
    (delay * 2).min(RECONNECT_DELAY_MAX)
}

/// Between half of `delay` and all of it, so that many links do not dial in
/// step.
fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(rand::rng().random_range(0.5..1.0))
}
