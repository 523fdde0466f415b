//! Shortcuts: between processes of one machine the two lasting streams of a
//! connection are UNIX sockets instead of streams of QUIC (ADR 0021).
//!
//! QUIC still connects the two, says who they are, carries large messages and
//! notices silence. Which connection and which stream a socket stands for is said
//! by two secrets that grow from the connection's own (RFC 8446, section 7.5):
//! whoever connects to a listener's [`name`] shows the one, and is shown the other.
//!
//! ```text
//!  dialler                                       listener
//!     │ ◀──────────── QUIC, mutual TLS ────────────▶ │
//!     │ ── UNIX socket: the stream's question ─────▶ │  which connection, which stream
//!     │ ◀─────────────────────────────── its answer ─│  it is the peer of the connection
//!     │ ◀══════════════════ frames ════════════════▶ │
//! ```
//!
//! Only processes of the own user are spoken to: another one's, beside a dialler
//! and beside its listener on another machine, could pass on what they show, and
//! read along. Whatever is amiss, the streams are those of QUIC.

mod gate;
mod take;

use quinn::Connection;
use tokio::net::UnixStream;

pub(crate) use gate::{Gate, open_doorway};
pub(crate) use take::{Shortcut, take};

use crate::identity::Identity;

/// What the secrets are used for (RFC 8446, section 7.5).
const EXPORTER_LABEL: &[u8] = b"EXPORTER-tributary-shortcut";
/// Length of a secret, in bytes.
const SECRET_BYTES: usize = 32;

/// Whom the kernel names where it cannot name the user of a process (namespaces).
const OVERFLOW_USER: u32 = 65_534;

/// Whether a listener lets its peers take shortcuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortcuts {
    /// Those of the same machine and user do.
    Offered,
    /// All speak QUIC only.
    Withheld,
}

impl Shortcuts {
    /// As a configuration says it.
    #[must_use]
    pub const fn offered_if(is_offered: bool) -> Self {
        if is_offered { Self::Offered } else { Self::Withheld }
    }
}

/// The lasting streams of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Lasting {
    /// Requests there, replies back.
    Requests = 1,
    /// One-way messages.
    Messages = 2,
}

impl Lasting {
    const ALL: [Self; 2] = [Self::Requests, Self::Messages];
}

/// What both ends of a connection know of a stream, and nobody else.
struct Secrets {
    /// Shown by whoever dials.
    question: [u8; SECRET_BYTES],
    /// Shown by the listener.
    answer: [u8; SECRET_BYTES],
}

impl Secrets {
    /// None if the connection's TLS exports nothing.
    fn of(connection: &Connection, stream: Lasting) -> Option<Self> {
        let (mut question, mut answer) = ([0; SECRET_BYTES], [0; SECRET_BYTES]);
        for (side, secret) in [(0, &mut question), (1, &mut answer)] {
            let context = [stream as u8, side];
            connection.export_keying_material(secret, EXPORTER_LABEL, &context).ok()?;
        }
        Some(Self { question, answer })
    }
}

/// Where the listener of `identity` at `port` awaits shortcuts, in Linux's abstract
/// namespace: no file is left behind, and each network namespace has its own,
/// like ports (unix(7)).
fn name(identity: &Identity, port: u16) -> String {
    format!("\0{identity}@{port}")
}

/// Whether the process at the other end is of this process's user.
fn is_own_user(socket: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    own != OVERFLOW_USER && socket.peer_cred().is_ok_and(|peer| peer.uid() == own)
}
