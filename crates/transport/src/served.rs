//! What is served to one peer: the streams of its connection, or their shortcuts,
//! each by a task of its own.
//!
//! Requests run concurrently up to [`REQUESTS_IN_FLIGHT_MAX`]; then no more are
//! read until one ends. Messages are handed over one by one, in order.

use std::sync::Arc;

use quinn::{Connection, RecvStream};
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};
use tokio::sync::Semaphore;

use crate::frame::{Frame, FrameError, FrameKind, too_long};
use crate::identity::Identity;
use crate::limits::{
    FRAME_BYTES_MAX, LARGE_MESSAGE_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX, WRITE_BYTES_MAX,
};
use crate::listener::{Handler, Service};
use crate::outgoing::Outgoing;
use crate::queue::frame_queue;
use crate::shortcut::Lasting;
use crate::stats::{count, count_bytes};
use crate::stream::{CloseCode, STREAM_OF_MESSAGES, STREAM_OF_ONE_LARGE_MESSAGE, write_frames};

/// A connection, and whose it is.
pub(crate) struct Served<H> {
    service: Arc<Service<H>>,
    connection: Connection,
    peer: Arc<Identity>,
    /// Held by each request that is worked on.
    in_flight: Arc<Semaphore>,
}

impl<H: Handler> Served<H> {
    pub(crate) fn new(
        service: Arc<Service<H>>,
        connection: Connection,
        peer: Arc<Identity>,
    ) -> Arc<Self> {
        let in_flight = Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX));
        Arc::new(Self { service, connection, peer, in_flight })
    }

    /// Serves whatever the peer opens until the connection is gone.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut shortcuts = self.service.gate.expect(&self.connection);
        loop {
            tokio::select! {
                stream = self.connection.accept_bi() => {
                    let Ok((send, receive)) = stream else { return };
                    self.spawn(|served| served.requests(Outgoing::Quic(send), receive));
                }
                stream = self.connection.accept_uni() => {
                    let Ok(receive) = stream else { return };
                    self.spawn(|served| served.one_way(receive));
                }
                (stream, socket) = shortcuts.next() => match stream {
                    Lasting::Requests => {
                        count(&self.service.stats.shortcuts_taken);
                        let (receive, send) = socket.into_split();
                        self.spawn_while_open(|served| {
                            served.requests(Outgoing::Shortcut(send), receive)
                        });
                    }
                    // The whole socket: a half that is dropped would tell the peer
                    // that all has been read.
                    Lasting::Messages => self.spawn_while_open(|served| served.messages(socket)),
                },
            }
        }
    }

    /// Closes the connection if what is served ends by a fault of the peer.
    fn spawn<F>(self: &Arc<Self>, serve: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = Result<(), Close>> + Send + 'static,
    {
        let (served, serving) = (Arc::clone(self), serve(Arc::clone(self)));
        tokio::spawn(async move {
            let Err(Close { code, reason }) = serving.await else { return };
            if matches!(code, CloseCode::Malformed) {
                count(&served.service.stats.frames_malformed);
            }
            served.service.refusals.warn(&served.peer.to_string(), &reason);
            served.connection.close(code.code(), reason.as_bytes());
        });
    }

    /// Serves a socket as long as the connection that it belongs to is open: a peer
    /// could keep it for longer.
    fn spawn_while_open<F>(self: &Arc<Self>, serve: impl FnOnce(Arc<Self>) -> F)
    where
        F: Future<Output = Result<(), Close>> + Send + 'static,
    {
        let (connection, serving) = (self.connection.clone(), serve(Arc::clone(self)));
        self.spawn(|_| async move {
            tokio::select! {
                end = serving => end,
                _ = connection.closed() => Ok(()),
            }
        });
    }

    async fn requests(
        self: Arc<Self>,
        send: Outgoing,
        receive: impl AsyncRead + Unpin,
    ) -> Result<(), Close> {
        let Service { writers, stats, closing, .. } = &*self.service;
        let Ok(writing) = Arc::clone(writers).acquire_owned().await else { return Ok(()) };
        let (replies, queue) = frame_queue(REQUESTS_IN_FLIGHT_MAX, usize::MAX);
        let (stats_of_replies, connection) = (Arc::clone(stats), self.connection.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = write_frames(queue, send, &stats_of_replies) => {}
                _ = connection.closed() => {}
            }
            drop(writing);
        });
        let mut closing = closing.clone();
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
            count(&stats.requests_received);
            count_bytes(&stats.bytes_received, frame.payload.len());
            let Ok(permit) = Arc::clone(&self.in_flight).acquire_owned().await else {
                return Ok(());
            };
            let (handler, peer) = (Arc::clone(&self.service.handler), Arc::clone(&self.peer));
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

    /// A stream of QUIC that only the peer writes to.
    async fn one_way(self: Arc<Self>, mut receive: RecvStream) -> Result<(), Close> {
        let Ok(tag) = receive.read_u8().await else { return Ok(()) };
        match tag {
            STREAM_OF_MESSAGES => self.messages(receive).await,
            STREAM_OF_ONE_LARGE_MESSAGE => self.large_message(receive).await,
            other => Err(Close::malformed(format!("stream tag {other} does not exist"))),
        }
    }

    async fn messages(self: Arc<Self>, receive: impl AsyncRead + Unpin) -> Result<(), Close> {
        let Service { handler, stats, .. } = &*self.service;
        let mut receive = BufReader::with_capacity(WRITE_BYTES_MAX, receive);
        loop {
            let frame = match Frame::read(&mut receive).await {
                Ok(frame) => frame,
                Err(error) => return Close::after(error),
            };
            if frame.kind != FrameKind::Message {
                return Err(Close::malformed(format!("{:?} in a message stream", frame.kind)));
            }
            count(&stats.messages_received);
            count_bytes(&stats.bytes_received, frame.payload.len());
            handler.message(&self.peer, frame.payload).map_err(Close::refused)?;
        }
    }

    async fn large_message(&self, mut receive: RecvStream) -> Result<(), Close> {
        let Service { handler, stats, .. } = &*self.service;
        let payload = match receive.read_to_end(LARGE_MESSAGE_BYTES_MAX).await {
            Ok(payload) => payload,
            Err(quinn::ReadToEndError::TooLong) => {
                return Err(Close::malformed("large message beyond its limit".to_owned()));
            }
            Err(quinn::ReadToEndError::Read(_)) => return Ok(()),
        };
        count(&stats.messages_received);
        count_bytes(&stats.bytes_received, payload.len());
        handler.large_message(&self.peer, payload.into()).map_err(Close::refused)
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
