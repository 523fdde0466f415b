//! What the process measures, by name. Handles are made once: recording is a
//! few atomic operations.
//!
//! | metric | kind | labels | what |
//! | --- | --- | --- | --- |
//! | `tributary_outcomes_total` | counter | chain, code | outcomes of payments and operations, late ones included |
//! | `tributary_blocks_total` | counter | chain | executed blocks |
//! | `tributary_block_outcomes_count` | histogram | chain | outcomes of one block |
//! | `tributary_block_interval_seconds` | histogram | chain | from one executed block to the next |
//! | `tributary_commit_latency_seconds` | histogram | chain | from the arrival of a batch to its receipts |
//! | `tributary_certify_latency_seconds` | histogram | chain | from execution to certificate |
//! | `tributary_settlement_latency_seconds` | histogram | chain, peer | from sending a message to its proved receipt |
//! | `tributary_channel_age_seconds` | gauge | chain, peer | age of the oldest message not proved received |
//! | `tributary_channel_unacknowledged` | gauge | chain, peer | messages not proved received |
//! | `tributary_height` | gauge | chain, kind | executed, certified |
//! | `tributary_raft` | gauge | chain, what | term, is_leader, commit, applied, first, last |
//! | `tributary_leader_changes_total` | counter | chain | changes of leader or term |
//! | `tributary_queue_depth` | gauge | chain, queue | requests, peers, pending, in_flight, reads, log, archive |
//! | `tributary_log_sync_seconds` | histogram | | one write and sync of the log |
//! | `tributary_log_writes_per_sync_count` | histogram | | writes that shared a sync |
//! | `tributary_log_bytes` | gauge | | size of the log on disk |
//! | `tributary_log_kept_by_chains` | gauge | | chains whose entries keep old files in place |
//! | `tributary_checkpoint_seconds` | histogram | chain | saving a checkpoint |
//! | `tributary_checkpoint_bytes` | gauge | chain | size of what the last one wrote |
//! | `tributary_archive_missing_blocks` | gauge | chain | blocks known to be missing in the archive |
//! | `tributary_archive_fetched_blocks_total` | counter | chain | blocks fetched from other replicas |
//! | `tributary_owner_signatures_total` | counter | at, how | owner signatures at `admission` or `execution` that were `verified` or `remembered` |
//! | `tributary_overloaded_total` | counter | chain | requests answered `overloaded` here |
//! | `tributary_refused_total` | counter | | requests and messages refused |
//! | `tributary_peer_messages_lost_total` | counter | chain, queue | messages lost to a full queue |

use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tributary_replica::store::Checkpoint;
use tributary_types::ChainId;

/// The log's thread.
pub struct LogMetrics {
    sync: Histogram,
    writes: Histogram,
    depth: Gauge,
    bytes: Gauge,
}

impl LogMetrics {
    /// Registers them.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sync: histogram!("tributary_log_sync_seconds"),
            writes: histogram!("tributary_log_writes_per_sync_count"),
            depth: gauge!("tributary_queue_depth", "chain" => "all", "queue" => "log"),
            bytes: gauge!("tributary_log_bytes"),
        }
    }

    /// One sync took `elapsed` for `writes`; `queued` wait for the next.
    pub fn synced(&self, elapsed: Duration, writes: usize, queued: usize) {
        self.sync.record(elapsed);
        self.writes.record(as_f64(writes));
        self.depth.set(as_f64(queued));
    }

    /// The log takes `bytes` on disk.
    pub fn size(&self, bytes: u64) {
        self.bytes.set(u64_as_f64(bytes));
    }
}

impl Default for LogMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The archive's thread.
pub struct ArchiveMetrics {
    depth: Gauge,
}

impl ArchiveMetrics {
    /// Registers them.
    #[must_use]
    pub fn new() -> Self {
        Self { depth: gauge!("tributary_queue_depth", "chain" => "all", "queue" => "archive") }
    }

    /// `queued` wait.
    pub fn depth(&self, queued: usize) {
        self.depth.set(as_f64(queued));
    }
}

impl Default for ArchiveMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// A checkpoint was saved.
pub fn checkpointed(checkpoint: &Checkpoint, elapsed: Duration) {
    let label = checkpoint.header.chain.to_string();
    let bytes: usize = checkpoint.pages.iter().map(|page| page.bytes.len()).sum();
    histogram!("tributary_checkpoint_seconds", "chain" => label.clone()).record(elapsed);
    gauge!("tributary_checkpoint_bytes", "chain" => label).set(as_f64(bytes));
}

/// The backfill of one chain.
pub struct BackfillMetrics {
    missing: Gauge,
    fetched: Counter,
}

impl BackfillMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(chain: ChainId) -> Self {
        let label = chain.to_string();
        let missing = gauge!("tributary_archive_missing_blocks", "chain" => label.clone());
        let fetched = counter!("tributary_archive_fetched_blocks_total", "chain" => label);
        missing.set(0.0);
        Self { missing, fetched }
    }

    /// So many blocks are known to be missing.
    pub fn missing(&self, blocks: u64) {
        self.missing.set(u64_as_f64(blocks));
    }

    /// So many blocks were fetched.
    pub fn fetched(&self, blocks: usize) {
        self.fetched.increment(blocks as u64);
    }
}

/// Who asks for owner signatures to be verified.
#[derive(Clone)]
pub struct SignatureMetrics {
    verified: Counter,
    remembered: Counter,
}

impl std::fmt::Debug for SignatureMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignatureMetrics")
    }
}

impl SignatureMetrics {
    /// Registers them for `at`: admission or execution.
    #[must_use]
    pub fn new(at: &'static str) -> Self {
        let counter = |how| counter!("tributary_owner_signatures_total", "at" => at, "how" => how);
        Self { verified: counter("verified"), remembered: counter("remembered") }
    }

    /// So many answers were remembered, so many had to be found.
    pub fn answered(&self, remembered: usize, verified: usize) {
        self.remembered.increment(remembered as u64);
        self.verified.increment(verified as u64);
    }
}

/// So many chains keep old log files in place.
pub fn log_kept_by(chains: usize) {
    gauge!("tributary_log_kept_by_chains").set(as_f64(chains));
}

/// A request was answered `overloaded`.
pub fn overloaded(chain: ChainId) {
    counter!("tributary_overloaded_total", "chain" => chain.to_string()).increment(1);
}

/// A request or message was refused.
pub fn refused() {
    counter!("tributary_refused_total").increment(1);
}

/// A message of a peer was lost to a full queue.
pub fn peer_message_lost(chain: ChainId, queue: &'static str) {
    let chain = chain.to_string();
    counter!("tributary_peer_messages_lost_total", "chain" => chain, "queue" => queue).increment(1);
}

/// Metrics are floating point; counts stay far below 2^53.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
pub(crate) fn u64_as_f64(count: u64) -> f64 {
    count as f64
}

pub(crate) fn as_f64(count: usize) -> f64 {
    u64_as_f64(count as u64)
}
