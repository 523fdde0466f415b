//! One chain in this process: its thread, and the handle that others hold.
//!
//! ```text
//!              Request        ┌──────────────┐ LogJob ─────▶ log thread
//!  server ───────────────────▶│ chain thread │ ArchiveJob ─▶ archive thread
//!  network ─ PeerInput ──────▶│  (Replica)   │ frames ─────▶ network
//!  log, archive ─ Completion ▶│              │
//!                             └──────┬───────┘
//!                 Published, watch<CertifiedView>, BlockReader: read by anyone
//! ```
//!
//! The thread touches the replica, or for a moment whoever brings a small input and
//! finds the chain at rest ([`seat`]). It blocks only on the queues of log and archive,
//! which always drain: that is how a slow disk pushes back.

mod capture;
mod effects;
mod evaluate;
mod guest;
mod handle;
mod input;
mod measured;
mod proof;
mod published;
mod seat;
mod thread;

pub use handle::{ChainHandle, OVERLOADED_RETRY_MS};
pub use input::{AsOf, Ask, Completion, Found, MessageRange, PeerInput};
#[cfg(test)]
pub use published::Snapshot;
pub use published::{CertifiedView, Published};
pub use thread::{ChainThread, Outputs, Queues};
