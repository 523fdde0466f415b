//! Floor 1: what a chain is made of.
//!
//! Bodies that consensus orders, headers that execution results in,
//! certificates that make headers believed elsewhere, Merkle trees, and the
//! channels that carry messages between chains. Pure data and checks; the
//! state machines that produce them are in `ledger`.

pub mod batch;
pub mod body;
pub mod certificate;
pub mod channel;
pub mod header;
pub mod merkle;
pub mod message;
pub mod operation;

pub use batch::Batch;
pub use body::{Body, ClockReport};
pub use certificate::{Certificate, CertificateError, ValidatorSet};
pub use channel::{ChannelLeaf, Delivery, Evidence, Inbox, InboxError, Outbox};
pub use header::Header;
pub use merkle::{DenseTree, MerklePath};
pub use message::{Counters, Message, Statement, StatementRow};
pub use operation::{AccountStatus, Action, Operation};
