//! Snapshots on their way to followers. raft waits for what becomes of each; one
//! that brings no answer in time counts as lost.

use std::collections::BTreeMap;

use raft::eraftpb::Message;
use raft::{ProgressState, SnapshotStatus};

use crate::engine::{Engine, raft_id};

/// Ticks since a snapshot went out, by raft id of the follower.
#[derive(Debug, Default)]
pub(crate) struct SentSnapshots(BTreeMap<u64, u32>);

impl SentSnapshots {
    /// These messages go out.
    pub(crate) fn note(&mut self, messages: &[Message]) {
        let snapshots = messages.iter().filter(|message| message.has_snapshot());
        self.0.extend(snapshots.map(|message| (message.to, 0)));
    }
}

impl Engine {
    /// A snapshot left this node; its receiver answers through raft.
    pub fn snapshot_sent(&mut self, to: u16) {
        if let Some(ticks) = self.sent_snapshots.0.get_mut(&raft_id(to)) {
            *ticks = 0;
        }
    }

    /// A snapshot could not be sent, or brought no answer in time.
    pub fn snapshot_failed(&mut self, to: u16) {
        self.sent_snapshots.0.remove(&raft_id(to));
        self.raw.report_snapshot(raft_id(to), SnapshotStatus::Failure);
    }

    /// A tick: whoever has not answered for too long is sent another one.
    pub(crate) fn age_snapshots(&mut self) {
        let prs = self.raw.raft.prs();
        self.sent_snapshots.0.retain(|id, _| {
            prs.get(*id).is_some_and(|progress| progress.state == ProgressState::Snapshot)
        });
        self.sent_snapshots.0.values_mut().for_each(|ticks| *ticks += 1);
        let limit = self.config.snapshot_install_ticks_max;
        let late = |(id, ticks): (&u64, &u32)| (*ticks > limit).then_some(*id);
        let late: Vec<u64> = self.sent_snapshots.0.iter().filter_map(late).collect();
        for id in late {
            self.sent_snapshots.0.remove(&id);
            self.raw.report_snapshot(id, SnapshotStatus::Failure);
        }
    }
}
