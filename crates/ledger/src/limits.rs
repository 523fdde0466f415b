//! Every bound of the state machines, in one place.
//!
//! Bounds keep a block's cost, a page and a queue finite whatever is submitted.
//! Those that a cluster may tune are [`crate::genesis::Parameters`]; these are
//! the same everywhere.

use tributary_chain::channel::OUTBOX_MESSAGES_MAX;

/// Bytes of a cluster's name.
pub const CLUSTER_NAME_BYTES_MAX: usize = 64;
/// Chains of one cluster.
pub const CHAINS_MAX: usize = 1_024;
/// Accounts, proxies or merchants of one chain: 32-bit indices with room.
pub const ROWS_MAX: usize = 1 << 30;
/// Assets in the registry.
pub const ASSETS_MAX: usize = 256;
/// Institutions in the registry.
pub const INSTITUTIONS_MAX: usize = 4_096;
/// Longest id window in either direction, in milliseconds: a week.
pub const ID_WINDOW_MS_MAX: u64 = 7 * 24 * 3_600 * 1_000;
/// Largest `statements_unacknowledged_max`: an outbox fits one page.
pub const STATEMENTS_UNACKNOWLEDGED_MAX: u64 = 16;
/// Largest `waiting_refunds_max`: a proxy's queue fits one page.
pub const WAITING_REFUNDS_MAX: u64 = 131_072;
/// Requests to one peer (transfers, fund requests) that wait for their answer.
pub const UNANSWERED_MAX: usize = OUTBOX_MESSAGES_MAX / 2;
/// Messages of an outbox beyond which nothing new is begun: the rest is kept
/// for answers, which a peer that keeps [`UNANSWERED_MAX`] always finds room for.
pub const OUTBOX_BEGUN_MAX: usize = OUTBOX_MESSAGES_MAX - UNANSWERED_MAX;
const _: () = assert!(OUTBOX_BEGUN_MAX + UNANSWERED_MAX <= OUTBOX_MESSAGES_MAX);

/// Largest credit total that a payment leads to. The upper half of 128 bits is
/// kept for money that cannot be refused: settlements and returned transfers.
pub const TOTAL_MAX: u128 = (1 << 127) - 1;
/// Largest total that a proxy receives, and largest that it is sent: the sums
/// over all chains of a cluster fit a merchant's totals.
pub const PROXY_TOTAL_MAX: u128 = 1 << 115;
/// Most that a chain comes to owe a peer by its own doing, per asset; the peer
/// always has room for what is under way.
pub const CONTROL_BALANCE_MAX: u128 = 1 << 126;

const _: () = assert!(2 * PROXY_TOTAL_MAX * (CHAINS_MAX as u128) <= TOTAL_MAX);
