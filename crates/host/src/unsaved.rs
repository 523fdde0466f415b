//! How much of its chains a process keeps in memory and in the log until their
//! states are saved.
//!
//! The bound is the process's, so more chains save more often. And the log has
//! room for all of it: one that is full asks for states before they are due,
//! again and again, for as long as the load lasts.

use crate::config::Limits;

/// Bytes of bodies that are not behind a saved state, in all chains of a process
/// together: they are in memory and in the log.
const UNSAVED_BYTES_MAX: usize = 192 << 20;
/// Less in one chain is not worth saving its state for, even if all chains
/// together have more than [`UNSAVED_BYTES_MAX`] then.
const CHAIN_UNSAVED_BYTES_MIN: usize = 16 << 20;
/// The log's files also hold entries that are not needed any more, until all in
/// a file are behind saved states: half as much again.
const LOG_SPARE_DIVISOR: u64 = 2;

impl Limits {
    /// Those of a replica, in a process that hosts so many.
    #[must_use]
    pub fn of_replica(&self, hosted: usize) -> tributary_replica::Limits {
        let alone = tributary_replica::Limits::default();
        let share = UNSAVED_BYTES_MAX / hosted.max(1);
        let share = share.max(CHAIN_UNSAVED_BYTES_MIN).min(alone.checkpoint_after_bytes);
        let checkpoint_after_bytes = self.checkpoint_after_bytes.unwrap_or(share);
        tributary_replica::Limits {
            checkpoint_after_bytes,
            checkpoint_after_blocks: self.checkpoint_after_blocks,
            log_tail_bytes: self.log_tail_bytes.unwrap_or(checkpoint_after_bytes / 4),
            ..alone
        }
    }

    /// Bytes that the log of a process may take that hosts so many replicas: so
    /// many that it never asks for a state before its chain would save it anyway.
    #[must_use]
    pub fn log_bytes(&self, hosted: usize) -> u64 {
        let replica = self.of_replica(hosted);
        let each = replica.checkpoint_after_bytes.saturating_add(replica.log_tail_bytes);
        let needed = each.saturating_mul(hosted) as u64;
        needed.saturating_add(needed / LOG_SPARE_DIVISOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chains_of_a_process_share_what_is_unsaved_and_the_log_has_room_for_it() {
        let check = |limits: &Limits, hosted, after_mib: usize, log_mib: u64| {
            let replica = limits.of_replica(hosted);
            assert_eq!(replica.checkpoint_after_bytes, after_mib << 20, "{hosted} chains");
            assert_eq!(replica.log_tail_bytes, after_mib << 18, "{hosted} chains");
            assert_eq!(limits.log_bytes(hosted), log_mib << 20, "{hosted} chains");
        };
        let default = Limits::default();
        check(&default, 1, 64, 120);
        check(&default, 3, 64, 360);
        check(&default, 6, 32, 360);
        check(&default, 16, 16, 480);
        check(&default, 64, 16, 1_920);
        let own = Limits { checkpoint_after_bytes: Some(128 << 20), ..default };
        check(&own, 3, 128, 720);
        assert_eq!(own.log_bytes(usize::MAX), u64::MAX);
    }
}
