//! Queues, logs and outboxes stay within their named limits.

use tributary_chain::channel::OUTBOX_MESSAGES_MAX;
use tributary_ledger::Ledger;
use tributary_replica::{Limits, ReplicaStatus};

use crate::scenario::Scenario;

/// Entries that a log may hold beside blocks and those of its tail.
const LOG_ENTRIES_SPARE: u64 = 100;

/// See the module head.
#[derive(Debug)]
pub struct Bounds {
    limits: Limits,
}

impl Bounds {
    /// The limits of a scenario.
    pub const fn new(scenario: &Scenario) -> Self {
        Self { limits: scenario.limits }
    }

    /// How a replica is doing.
    ///
    /// # Errors
    /// Which limit is exceeded.
    pub fn replica(&self, status: &ReplicaStatus, ledger: &Ledger) -> Result<(), String> {
        let limits = &self.limits;
        let length = (status.log_last + 1).saturating_sub(status.log_first);
        // Entries of the tail may be small; the tail is counted in bytes.
        let tail = limits.log_tail_bytes as u64 / 40;
        let measured = [
            ("requests wait", status.pending_requests, limits.pending_requests_max),
            ("bytes wait", status.pending_bytes, limits.pending_bytes_max),
            ("blocks are in flight", status.in_flight_blocks, limits.in_flight_blocks_max),
            ("reads wait", status.pending_reads, limits.pending_reads_max),
        ];
        for (what, found, limit) in measured {
            if found > limit {
                return Err(format!("{found} {what}, at most {limit} may"));
            }
        }
        let most = 2 * limits.checkpoint_after_blocks + tail + LOG_ENTRIES_SPARE;
        if length > most {
            return Err(format!("{length} entries in the log, at most {most} may be"));
        }
        for channel in ledger.channel_status() {
            let unacknowledged = channel.sent - channel.acknowledged;
            if unacknowledged > OUTBOX_MESSAGES_MAX as u64 {
                return Err(format!("{unacknowledged} messages to chain {} wait", channel.peer));
            }
        }
        Ok(())
    }
}
