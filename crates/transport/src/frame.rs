//! Frames: what requests, replies and messages look like in a stream.
//!
//! ```text
//!  u32 payload length | u64 number | u8 kind | payload
//! ```
//!
//! Integers are little-endian. A reply has the number of its request; the
//! number of a message is zero.

use std::io::ErrorKind;

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::limits::FRAME_BYTES_MAX;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// Wants a reply of the same number.
    Request = 1,
    /// The answer.
    Reply = 2,
    /// The request was refused; the payload says why.
    Refusal = 3,
    /// Wants no reply.
    Message = 4,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub kind: FrameKind,
    pub number: u64,
    pub payload: Bytes,
}

/// Bytes before the payload.
const HEADER_BYTES: usize = 13;

/// Why a stream of frames ended.
#[derive(Debug, Error)]
pub(crate) enum FrameError {
    /// At the boundary of two frames.
    #[error("end of stream")]
    End,
    /// The connection broke.
    #[error("connection lost: {0}")]
    Lost(#[from] std::io::Error),
    /// Longer than the limit.
    #[error("frame of {0} bytes, at most {FRAME_BYTES_MAX} are allowed")]
    TooLong(usize),
    /// No such kind.
    #[error("frame kind {0} does not exist")]
    Kind(u8),
}

impl FrameError {
    /// Whether the peer broke the format, rather than went away.
    pub(crate) const fn is_malformed(&self) -> bool {
        matches!(self, Self::TooLong(_) | Self::Kind(_))
    }
}

/// Why a payload is not sent: the other side would close the connection, and
/// with it everything else that is under way there.
pub(crate) fn too_long(what: &str, bytes: usize) -> String {
    format!("a {what} of {bytes} bytes, at most {FRAME_BYTES_MAX} are allowed")
}

impl Frame {
    /// Appends the frame to a write buffer.
    pub(crate) fn put(&self, out: &mut BytesMut) {
        out.reserve(HEADER_BYTES + self.payload.len());
        self.put_header(out);
        out.put_slice(&self.payload);
    }

    /// Appends what stands before the payload.
    pub(crate) fn put_header(&self, out: &mut BytesMut) {
        out.put_u32_le(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        out.put_u64_le(self.number);
        out.put_u8(self.kind as u8);
    }

    /// Reads the next frame. A payload longer than the limit is refused before
    /// it is read.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Self, FrameError> {
        let mut header = [0; HEADER_BYTES];
        if stream.read(&mut header[..1]).await? == 0 {
            return Err(FrameError::End);
        }
        stream.read_exact(&mut header[1..]).await?;
        let (length, rest) = header.split_at(4);
        let length =
            length.try_into().map_or(usize::MAX, |bytes| u32::from_le_bytes(bytes) as usize);
        if length > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(length));
        }
        let kind = match rest[8] {
            1 => FrameKind::Request,
            2 => FrameKind::Reply,
            3 => FrameKind::Refusal,
            4 => FrameKind::Message,
            other => return Err(FrameError::Kind(other)),
        };
        let number = rest[..8].try_into().map_or(0, u64::from_le_bytes);
        let mut payload = BytesMut::with_capacity(length);
        while payload.len() < length {
            let missing = length - payload.len();
            if stream.read_buf(&mut (&mut payload).limit(missing)).await? == 0 {
                return Err(FrameError::Lost(ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(Self { kind, number, payload: payload.freeze() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_round_trip_and_bad_ones_are_named() {
        let frame =
            Frame { kind: FrameKind::Reply, number: 7, payload: Bytes::from_static(b"hello") };
        let mut bytes = BytesMut::new();
        frame.put(&mut bytes);
        frame.put(&mut bytes);
        let mut stream = bytes.as_ref();
        assert_eq!(Frame::read(&mut stream).await.unwrap(), frame);
        assert_eq!(Frame::read(&mut stream).await.unwrap(), frame);
        assert!(matches!(Frame::read(&mut stream).await, Err(FrameError::End)));

        let too_long = [0xff; HEADER_BYTES];
        assert!(matches!(Frame::read(&mut &too_long[..]).await, Err(FrameError::TooLong(_))));
        let mut unknown = [0; HEADER_BYTES];
        unknown[12] = 9;
        assert!(matches!(Frame::read(&mut &unknown[..]).await, Err(FrameError::Kind(9))));
        for cut in [9, HEADER_BYTES, HEADER_BYTES + 4] {
            assert!(matches!(Frame::read(&mut &bytes[..cut]).await, Err(FrameError::Lost(_))));
        }
    }
}
