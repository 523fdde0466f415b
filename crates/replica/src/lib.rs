//! Floor 3: one replicated chain, sans-IO: consensus and ledger in one state
//! machine.
//!
//! The replica opens no file or socket, reads no clock and draws no
//! randomness. The host feeds it and carries out what it asks for:
//!
//! ```text
//! Replica::new(ReplicaConfig, &Genesis, Restored) -> Result<Replica, StartError>
//!
//! handle_tick(Now)                              every tick_ms or more often
//! handle_peer(from: u16, PeerMessage)           -> Result<(), PeerError>
//! handle_submit(RequestId, Batch)               signature verified by the host
//! handle_delivery(RequestId, Delivery)
//! handle_read(RequestId)
//! handle_read_after(RequestId, TimeMs)          of a state later than that
//! handle_persisted(number: u64)                 answers Effect::Persist
//! handle_checkpointed(index: u64)               answers Effect::SaveCheckpoint
//! handle_space_wanted()                         the log's files take too much space
//! handle_snapshot_sent(to: u16)                 answers Effect::SendSnapshot
//! handle_snapshot_failed(to: u16)
//! handle_certificate_wanted()                   somebody waits for a proof
//! handle_peer_unreachable(peer: u16)            messages to it are lost
//! handle_peer_ended(peer: u16)                  its process is no more
//! handle_resign()                               orderly stop
//! handle_checkpoint_wanted()                    orderly stop
//!
//! poll_effect() -> Option<Effect>               until None; inputs may come between
//! ledger() -> &Ledger    status() -> ReplicaStatus
//! is_behind() -> bool    is_leader() -> bool    leader_hint() -> Option<u16>
//! ```

pub mod replica;

mod checkpoints;
mod clock;
mod drive;
mod lead;
mod leave;
mod pending;
mod reads;
mod recovery;
mod snapshot;
mod validators;
mod votes;

pub mod signing;

mod election;
mod engine;
mod guard;
mod leader_commit;
mod log;
pub mod raft_codec;
mod sent_snapshots;
mod unpersisted;

pub mod config;
pub mod effect;
pub mod peer;
pub mod store;

pub use config::{Limits, ReplicaConfig, Restored, StartError};
pub use effect::{
    Effect, ExecutedBlock, Fatality, Now, PeerError, ReplicaStatus, Reply, RequestId,
};
pub use lead::{ITEM_BYTES_MAX, RETRY_AFTER_MS};
pub use peer::{CertifiedHeader, ClockNotice, Farewell, HeaderVote, PeerMessage, SnapshotMessage};
pub use raft_codec::RaftMessage;
pub use replica::Replica;
pub use validators::CLOCK_INTERVAL_MS;
