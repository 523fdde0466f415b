//! The two ends of a stream of frames: a writer that gathers what is queued
//! into one write, and the tags that tell streams apart.

use std::io;

use bytes::{Bytes, BytesMut};
use quinn::VarInt;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::frame::Frame;
use crate::limits::{ACKNOWLEDGE_WAIT, WHOLE_BYTES_MIN, WRITE_BYTES_MAX};
use crate::outgoing::Outgoing;
use crate::queue::FrameReceiver;
use crate::stats::{TransportStats, count_bytes};

/// First byte of a unidirectional stream of one-way messages.
pub(crate) const STREAM_OF_MESSAGES: u8 = 1;
/// First byte of a unidirectional stream that is one large message.
pub(crate) const STREAM_OF_ONE_LARGE_MESSAGE: u8 = 2;

/// Application codes that a connection is closed with.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CloseCode {
    /// Orderly.
    Done = 0,
    /// The peer broke the format.
    Malformed = 1,
    /// The peer may not connect.
    NotAdmitted = 2,
    /// The handler refused a message.
    MessageRefused = 3,
}

impl CloseCode {
    pub(crate) const fn code(self) -> VarInt {
        VarInt::from_u32(self as u32)
    }
}

/// Writes queued frames until the queue is closed or the stream breaks. Returns
/// when the peer has all of them, or does not say so within [`ACKNOWLEDGE_WAIT`].
pub(crate) async fn write_frames(
    mut queue: FrameReceiver,
    mut way: Outgoing,
    stats: &TransportStats,
) {
    let mut buffer = BytesMut::with_capacity(WRITE_BYTES_MAX);
    while let Some(frame) = queue.recv().await {
        // Whoever is ready to run may have more to send: then it goes in one
        // datagram. On an idle runtime this is no wait.
        yield_now().await;
        let whole = gather(frame, &mut queue, &mut buffer);
        let bytes = buffer.len() + whole.as_ref().map_or(0, Bytes::len);
        count_bytes(&stats.bytes_sent, bytes);
        if write(&buffer, whole, &mut way).await.is_err() {
            return;
        }
        buffer.clear();
    }
    drop(timeout(ACKNOWLEDGE_WAIT, way.finish()).await);
}

/// Puts a frame and those that wait behind it into a buffer. Of one that is
/// large only the header: its payload is written behind the buffer, from where
/// it is.
fn gather(first: Frame, queue: &mut FrameReceiver, buffer: &mut BytesMut) -> Option<Bytes> {
    let mut frame = first;
    loop {
        if frame.payload.len() >= WHOLE_BYTES_MIN {
            frame.put_header(buffer);
            return Some(frame.payload);
        }
        frame.put(buffer);
        if buffer.len() >= WRITE_BYTES_MAX {
            return None;
        }
        frame = queue.try_recv()?;
    }
}

async fn write(buffer: &[u8], whole: Option<Bytes>, way: &mut Outgoing) -> io::Result<()> {
    way.write_all(buffer).await?;
    match whole {
        Some(payload) => way.write_whole(payload).await,
        None => Ok(()),
    }
}
