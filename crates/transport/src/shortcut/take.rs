//! The dialler's side: asks the listener of a connection for its shortcut.

use std::io;

use quinn::Connection;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::{Lasting, SECRET_BYTES, Secrets, is_own_user, name};
use crate::identity::Identity;
use crate::limits::SHORTCUT_WAIT;

/// The sockets of a connection.
pub(crate) struct Shortcut {
    /// Instead of the stream of requests.
    pub requests: UnixStream,
    /// Instead of that of messages.
    pub messages: UnixStream,
}

/// The shortcut to `peer`, to whom `connection` was made. None where there is none:
/// on another machine, of another user, withheld, or not answered in time.
pub(crate) async fn take(connection: &Connection, peer: &Identity) -> Option<Shortcut> {
    let sockets = async {
        let requests = socket(connection, peer, Lasting::Requests).await?;
        let messages = socket(connection, peer, Lasting::Messages).await?;
        Ok::<_, io::Error>(Shortcut { requests, messages })
    };
    tokio::select! {
        taken = timeout(SHORTCUT_WAIT, sockets) => taken.ok()?.ok(),
        _ = connection.closed() => None,
    }
}

async fn socket(
    connection: &Connection,
    peer: &Identity,
    stream: Lasting,
) -> io::Result<UnixStream> {
    let refused = |reason| Err(io::Error::other(reason));
    let mut socket = UnixStream::connect(name(peer, connection.remote_address().port())).await?;
    if !is_own_user(&socket) {
        return refused("a process of another user");
    }
    let Some(Secrets { question, answer }) = Secrets::of(connection, stream) else {
        return refused("the connection's TLS exports no secrets");
    };
    socket.write_all(&question).await?;
    let mut shown = [0; SECRET_BYTES];
    socket.read_exact(&mut shown).await?;
    // Comparing hashes of BLAKE3 takes the same time wherever they differ.
    if blake3::Hash::from_bytes(shown) != answer {
        return refused("not the listener of the connection");
    }
    Ok(socket)
}
