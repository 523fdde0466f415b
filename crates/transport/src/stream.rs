//! The two ends of a stream of frames: a writer that gathers what is queued
//! into one write, and the tags that tell streams apart.

use bytes::BytesMut;
use quinn::{SendStream, VarInt};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::limits::{ACKNOWLEDGE_WAIT, WRITE_BYTES_MAX};
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
    mut stream: SendStream,
    stats: &TransportStats,
) {
    let mut buffer = BytesMut::with_capacity(WRITE_BYTES_MAX);
    while let Some(frame) = queue.recv().await {
        frame.put(&mut buffer);
        while buffer.len() < WRITE_BYTES_MAX {
            let Some(frame) = queue.try_recv() else { break };
            frame.put(&mut buffer);
        }
        count_bytes(&stats.bytes_sent, buffer.len());
        if stream.write_all_buf(&mut buffer).await.is_err() {
            return;
        }
        buffer.clear();
    }
    if stream.finish().is_ok() {
        // Whether the peer has all or is gone: there is nothing more to do.
        drop(timeout(ACKNOWLEDGE_WAIT, stream.stopped()).await);
    }
}
