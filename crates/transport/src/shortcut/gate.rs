//! The listener's side: tells by its question which connection a socket belongs to.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};

use super::{Lasting, SECRET_BYTES, Secrets, is_own_user, name};
use crate::identity::Identity;
use crate::limits::{ACCEPT_PAUSE, HANDSHAKE_WAIT, HANDSHAKES_MAX};
use crate::refusals::RefusalLog;

/// Who is refused, in the log: a socket that asks nothing known names nobody.
const SOMEBODY: &str = "a shortcut";

/// Where shortcuts to the listener of `identity` at `port` arrive; none where the
/// system gives no place.
pub(crate) fn open_doorway(identity: &Identity, port: u16) -> Option<UnixListener> {
    let doorway = UnixListener::bind(name(identity, port)).inspect_err(|error| {
        tracing::warn!("no shortcuts, peers on this machine speak QUIC: {error}");
    });
    doorway.ok()
}

/// Knows which sockets may come, and hands each to its connection.
#[derive(Default)]
pub(crate) struct Gate {
    /// By the question that a socket must ask. Each is answered once.
    expected: Mutex<HashMap<[u8; SECRET_BYTES], Expected>>,
    /// Changes whenever more is expected.
    news: watch::Sender<()>,
    refusals: RefusalLog,
}

/// A stream of a connection that may still become a shortcut.
struct Expected {
    stream: Lasting,
    answer: [u8; SECRET_BYTES],
    arrivals: mpsc::Sender<(Lasting, UnixStream)>,
}

/// The sockets of one connection as they arrive.
pub(crate) struct Arrivals<'a> {
    gate: &'a Gate,
    questions: Vec<[u8; SECRET_BYTES]>,
    sockets: mpsc::Receiver<(Lasting, UnixStream)>,
}

impl Gate {
    /// Lets sockets in for as long as it is polled.
    pub(crate) async fn run(self: Arc<Self>, doorway: UnixListener) {
        let strangers = Arc::new(Semaphore::new(HANDSHAKES_MAX));
        while let Ok(place) = Arc::clone(&strangers).acquire_owned().await {
            let socket = match doorway.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    self.refusals.warn(SOMEBODY, &error.to_string());
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let gate = Arc::clone(&self);
            tokio::spawn(async move {
                match timeout(HANDSHAKE_WAIT, gate.admit(socket)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => gate.refusals.warn(SOMEBODY, &error.to_string()),
                    Err(_) => gate.refusals.warn(SOMEBODY, "it belongs to no connection"),
                }
                drop(place);
            });
        }
    }

    /// Expects the sockets of a connection until the arrivals are dropped.
    pub(crate) fn expect(&self, connection: &Connection) -> Arrivals<'_> {
        let (sender, sockets) = mpsc::channel(Lasting::ALL.len());
        let mut questions = Vec::with_capacity(Lasting::ALL.len());
        for stream in Lasting::ALL {
            let Some(Secrets { question, answer }) = Secrets::of(connection, stream) else {
                continue;
            };
            self.lock().insert(question, Expected { stream, answer, arrivals: sender.clone() });
            questions.push(question);
        }
        self.news.send_replace(());
        Arrivals { gate: self, questions, sockets }
    }

    async fn admit(&self, mut socket: UnixStream) -> io::Result<()> {
        if !is_own_user(&socket) {
            return Err(io::Error::other("a process of another user"));
        }
        let mut question = [0; SECRET_BYTES];
        socket.read_exact(&mut question).await?;
        let Expected { stream, answer, arrivals } = self.expected(&question).await;
        socket.write_all(&answer).await?;
        // A connection that is gone takes its sockets along.
        drop(arrivals.send((stream, socket)).await);
        Ok(())
    }

    /// What a socket stands for that asks `question`. Whoever dials knows of the
    /// connection before its listener does, so it may have to wait.
    async fn expected(&self, question: &[u8; SECRET_BYTES]) -> Expected {
        let mut news = self.news.subscribe();
        loop {
            if let Some(expected) = self.lock().remove(question) {
                return expected;
            }
            // Its sender is this gate's own, so there is always more to come.
            drop(news.changed().await);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; SECRET_BYTES], Expected>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Arrivals<'_> {
    /// The next socket. Never returns once all are here.
    pub(crate) async fn next(&mut self) -> (Lasting, UnixStream) {
        match self.sockets.recv().await {
            Some(arrival) => arrival,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Arrivals<'_> {
    fn drop(&mut self) {
        let mut expected = self.gate.lock();
        for question in &self.questions {
            expected.remove(question);
        }
    }
}
