//! Queues, logs and outboxes stay within their named limits.
//!
//! A log is cut when a checkpoint is durable. How long that takes is the disk's
//! affair, and six chains may wait for one: entries that come meanwhile are on
//! top of what a log may hold.

use std::collections::BTreeMap;

use tributary_chain::channel::OUTBOX_MESSAGES_MAX;
use tributary_ledger::Ledger;
use tributary_replica::{Limits, ReplicaStatus};
use tributary_types::ChainId;

use crate::scenario::Scenario;

/// Entries that a log may hold beside blocks and those of its tail.
const LOG_ENTRIES_SPARE: u64 = 100;

/// See the module head.
#[derive(Debug)]
pub struct Bounds {
    limits: Limits,
    /// By node and chain.
    saving: BTreeMap<(u16, ChainId), Saving>,
}

/// Entries that came to a log while a checkpoint was being saved.
#[derive(Debug, Default)]
struct Saving {
    /// End of the log when the save under way began.
    began_at: Option<u64>,
    /// During earlier ones whose entries no durable checkpoint has behind it.
    earlier: u64,
}

impl Saving {
    fn meanwhile(&self, log_last: u64) -> u64 {
        self.began_at.map_or(0, |began_at| log_last.saturating_sub(began_at))
    }
}

impl Bounds {
    /// The limits of a scenario.
    pub const fn new(scenario: &Scenario) -> Self {
        Self { limits: scenario.limits, saving: BTreeMap::new() }
    }

    /// A replica whose log ends at `log_last` begins to save a checkpoint.
    pub fn save_begins(&mut self, node: u16, chain: ChainId, log_last: u64) {
        let saving = self.saving.entry((node, chain)).or_default();
        // One that is still under way ended with its process.
        saving.earlier += saving.meanwhile(log_last);
        saving.began_at = Some(log_last);
    }

    /// That checkpoint is durable.
    pub fn save_ends(&mut self, node: u16, chain: ChainId, log_last: u64) {
        let saving = self.saving.entry((node, chain)).or_default();
        *saving = Saving { began_at: None, earlier: saving.meanwhile(log_last) };
    }

    /// How a replica is doing.
    ///
    /// # Errors
    /// Which limit is exceeded.
    pub fn replica(
        &self,
        node: u16,
        status: &ReplicaStatus,
        ledger: &Ledger,
    ) -> Result<(), String> {
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
        let saving = self.saving.get(&(node, ledger.chain()));
        let meanwhile = saving.map_or(0, |it| it.earlier + it.meanwhile(status.log_last));
        let most = 2 * limits.checkpoint_after_blocks + tail + LOG_ENTRIES_SPARE + meanwhile;
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
