//! The way out of a lasting stream: QUIC's, or a shortcut's socket.

use std::io;

use bytes::Bytes;
use quinn::SendStream;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::OwnedWriteHalf;

/// Where frames are written.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A stream of the connection.
    Quic(SendStream),
    /// A socket instead of one.
    Shortcut(OwnedWriteHalf),
}

impl Outgoing {
    /// Writes what stands in a buffer.
    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Quic(stream) => Ok(stream.write_all(bytes).await?),
            Self::Shortcut(socket) => socket.write_all(bytes).await,
        }
    }

    /// Writes a large payload from where it is.
    pub(crate) async fn write_whole(&mut self, payload: Bytes) -> io::Result<()> {
        match self {
            Self::Quic(stream) => Ok(stream.write_chunk(payload).await?),
            Self::Shortcut(socket) => socket.write_all(&payload).await,
        }
    }

    /// Ends it and returns when the peer has everything, or is gone.
    pub(crate) async fn finish(&mut self) {
        // Whether the peer has all or is gone: there is nothing more to do.
        match self {
            Self::Quic(stream) => {
                if stream.finish().is_ok() {
                    drop(stream.stopped().await);
                }
            }
            Self::Shortcut(socket) => {
                if socket.shutdown().await.is_ok() {
                    drop(until_closed(socket).await);
                }
            }
        }
    }
}

/// A peer closes its end once it has read ours.
async fn until_closed(socket: &OwnedWriteHalf) -> io::Result<()> {
    let mut late = [0; 256];
    loop {
        socket.as_ref().readable().await?;
        match socket.as_ref().try_read(&mut late) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}
