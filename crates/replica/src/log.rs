//! The raft log in memory: what raft reads; the host writes the same to disk.
//!
//! Entries are appended here as soon as raft hands them out and become durable
//! later; raft itself tracks which are. Everything from just behind the base
//! up to the last entry is present: reads never wait.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use raft::eraftpb::{ConfState, Entry, HardState, Snapshot};
use raft::{GetEntriesContext, RaftState, Storage, StorageError};

/// Bytes that an entry is counted for beside its data.
const ENTRY_OVERHEAD_BYTES: usize = 24;

/// An index of the log with its term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogPosition {
    pub index: u64,
    pub term: u64,
}

/// See the module head.
#[derive(Debug, Clone)]
pub(crate) struct MemoryLog {
    voters: Vec<u64>,
    hard_state: HardState,
    /// What stands before the first entry; entries up to here are gone.
    base: LogPosition,
    /// Consecutive, from `base.index + 1`.
    entries: VecDeque<Entry>,
    /// Last entry executed: the point that a snapshot can be made of.
    applied: LogPosition,
    /// Bytes of the entries behind that one.
    unapplied_bytes: usize,
}

impl MemoryLog {
    /// A log of validators `1..=voters` that holds nothing after `base`.
    pub fn new(voters: usize, base: LogPosition) -> Self {
        Self {
            voters: (1..=voters as u64).collect(),
            hard_state: HardState::default(),
            base,
            entries: VecDeque::new(),
            applied: LogPosition::default(),
            unapplied_bytes: 0,
        }
    }

    pub fn voters(&self) -> &[u64] {
        &self.voters
    }

    pub fn first_index(&self) -> u64 {
        self.base.index + 1
    }

    pub fn last_index(&self) -> u64 {
        self.base.index + self.entries.len() as u64
    }

    pub fn applied(&self) -> LogPosition {
        self.applied
    }

    /// Bytes of the entries that are not executed, committed or not.
    pub fn unapplied_bytes(&self) -> usize {
        self.unapplied_bytes
    }

    /// The term at an index, if it is the base or an entry.
    pub fn term_at(&self, index: u64) -> Option<u64> {
        if index == self.base.index {
            return Some(self.base.term);
        }
        self.entry(index).map(|entry| entry.term)
    }

    pub fn set_hard_state(&mut self, hard_state: HardState) {
        self.hard_state = hard_state;
    }

    /// Moves the point of snapshots to an executed entry.
    pub fn set_applied(&mut self, index: u64) {
        if let Some(term) = self.term_at(index) {
            self.unapplied_bytes -= self.bytes_of(self.applied.index + 1..=index);
            self.applied = LogPosition { index, term };
        }
    }

    /// Replaces everything from the first given entry on.
    pub fn append(&mut self, entries: &[Entry]) {
        let Some(first) = entries.first() else { return };
        debug_assert!(first.index > self.base.index && first.index <= self.last_index() + 1);
        self.unapplied_bytes -= self.bytes_of(first.index..=self.last_index());
        let keep = first.index.saturating_sub(self.first_index());
        self.entries.truncate(usize::try_from(keep).unwrap_or(usize::MAX));
        self.entries.extend(entries.iter().cloned());
        self.unapplied_bytes += entries.iter().map(bytes_of).sum::<usize>();
    }

    /// Forgets everything: a snapshot stands for the log up to `base`.
    pub fn reset(&mut self, base: LogPosition) {
        self.entries.clear();
        self.base = base;
        self.unapplied_bytes = 0;
    }

    /// Drops entries up to and including `index`.
    pub fn compact(&mut self, index: u64) {
        while self.base.index < index
            && let Some(entry) = self.entries.pop_front()
        {
            self.base = LogPosition { index: entry.index, term: entry.term };
        }
    }

    /// The index to compact to so that about `tail_bytes` of entries up to
    /// `index` stay; `None` if nothing would go.
    pub fn compaction_before(&self, index: u64, tail_bytes: usize) -> Option<u64> {
        let mut kept = 0;
        let mut position = index.min(self.last_index());
        while position > self.base.index {
            kept += self.entry(position).map_or(0, bytes_of);
            if kept > tail_bytes {
                return Some(position);
            }
            position -= 1;
        }
        None
    }

    /// Bytes of those of these entries that are here.
    fn bytes_of(&self, indices: RangeInclusive<u64>) -> usize {
        let indices = self.first_index().max(*indices.start())..=*indices.end();
        indices.filter_map(|index| self.entry(index)).map(bytes_of).sum()
    }

    fn entry(&self, index: u64) -> Option<&Entry> {
        let offset = index.checked_sub(self.first_index())?;
        self.entries.get(usize::try_from(offset).ok()?)
    }
}

/// What an entry counts for.
fn bytes_of(entry: &Entry) -> usize {
    entry.data.len() + ENTRY_OVERHEAD_BYTES
}

impl Storage for MemoryLog {
    fn initial_state(&self) -> raft::Result<RaftState> {
        let conf_state = ConfState::from((self.voters.clone(), Vec::new()));
        Ok(RaftState::new(self.hard_state.clone(), conf_state))
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        if low < self.first_index() {
            return Err(StorageError::Compacted.into());
        }
        let limit = max_size.into().unwrap_or(u64::MAX);
        let mut found = Vec::new();
        let mut bytes = 0;
        for index in low..high {
            let entry = self.entry(index).ok_or(StorageError::Unavailable)?;
            bytes += bytes_of(entry) as u64;
            if bytes > limit && !found.is_empty() {
                break;
            }
            found.push(entry.clone());
        }
        Ok(found)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        if index < self.base.index {
            return Err(StorageError::Compacted.into());
        }
        self.term_at(index).ok_or(StorageError::Unavailable.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(Self::first_index(self))
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(Self::last_index(self))
    }

    /// Index and term only: the replica adds the state beside the message.
    fn snapshot(&self, request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        if self.applied.index == 0 || self.applied.index < request_index {
            return Err(StorageError::SnapshotTemporarilyUnavailable.into());
        }
        let mut snapshot = Snapshot::default();
        let metadata = snapshot.mut_metadata();
        metadata.index = self.applied.index;
        metadata.term = self.applied.term;
        metadata.set_conf_state(ConfState::from((self.voters.clone(), Vec::new())));
        Ok(snapshot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, term: u64, bytes: usize) -> Entry {
        Entry { index, term, data: vec![0; bytes].into(), ..Entry::default() }
    }

    fn log_of(terms: &[u64]) -> MemoryLog {
        let mut log = MemoryLog::new(3, LogPosition::default());
        let entries: Vec<_> =
            (1..).zip(terms).map(|(index, term)| entry(index, *term, 100)).collect();
        log.append(&entries);
        log
    }

    fn terms(log: &MemoryLog) -> Vec<u64> {
        (log.first_index()..=log.last_index()).filter_map(|index| log.term_at(index)).collect()
    }

    #[test]
    fn appending_replaces_what_conflicts() {
        let mut log = log_of(&[1, 1, 2, 2]);
        log.append(&[entry(3, 3, 0)]);
        assert_eq!(terms(&log), [1, 1, 3]);
        log.append(&[entry(4, 3, 0)]);
        assert_eq!(terms(&log), [1, 1, 3, 3]);
    }

    #[test]
    fn compaction_keeps_the_term_before_the_first_entry() {
        let mut log = log_of(&[1, 1, 2, 2]);
        log.compact(2);
        assert_eq!((log.first_index(), log.last_index(), log.term_at(2)), (3, 4, Some(1)));
        assert_eq!(log.term(1), Err(StorageError::Compacted.into()));
        assert_eq!(log.term(5), Err(StorageError::Unavailable.into()));
    }

    #[test]
    fn compaction_leaves_a_tail_of_the_named_size() {
        let log = log_of(&[1; 10]);
        let entry_bytes = 100 + ENTRY_OVERHEAD_BYTES;
        assert_eq!(log.compaction_before(8, 3 * entry_bytes), Some(5));
        assert_eq!(log.compaction_before(8, 100 * entry_bytes), None);
        assert_eq!(log.compaction_before(8, 0), Some(8));
    }

    #[test]
    fn what_is_not_executed_is_counted() {
        let (mut log, one) = (log_of(&[1, 1, 2, 2]), 100 + ENTRY_OVERHEAD_BYTES);
        let mut after = |change: &dyn Fn(&mut MemoryLog)| {
            change(&mut log);
            log.unapplied_bytes()
        };
        assert_eq!(after(&|log| log.set_applied(1)), 3 * one);
        assert_eq!(after(&|log| log.append(&[entry(3, 3, 0)])), one + ENTRY_OVERHEAD_BYTES);
        assert_eq!(after(&|log| log.set_applied(2)), ENTRY_OVERHEAD_BYTES);
        assert_eq!(after(&|log| log.compact(2)), ENTRY_OVERHEAD_BYTES);
        assert_eq!(after(&|log| log.reset(LogPosition { index: 9, term: 4 })), 0);
        assert_eq!(after(&|log| log.append(&[entry(10, 4, 100)])), one);
        assert_eq!(after(&|log| log.set_applied(10)), 0);
    }

    #[test]
    fn reads_stop_at_the_size_but_return_at_least_one_entry() {
        let log = log_of(&[1; 4]);
        let read = |low, high, limit: u64| {
            log.entries(low, high, limit, GetEntriesContext::empty(false)).map(|found| found.len())
        };
        assert_eq!(read(1, 5, u64::MAX), Ok(4));
        assert_eq!(read(1, 5, 0), Ok(1));
        assert_eq!(read(1, 5, 250), Ok(2));
        assert_eq!(read(1, 6, u64::MAX), Err(StorageError::Unavailable.into()));
    }

    #[test]
    fn a_snapshot_stands_at_the_last_entry_executed() {
        let mut log = log_of(&[1, 2]);
        let unavailable = raft::Error::from(StorageError::SnapshotTemporarilyUnavailable);
        assert_eq!(log.snapshot(0, 2).unwrap_err(), unavailable);
        log.set_applied(2);
        let snapshot = log.snapshot(0, 2).unwrap();
        assert_eq!((snapshot.get_metadata().index, snapshot.get_metadata().term), (2, 2));
        assert_eq!(log.snapshot(3, 2).unwrap_err(), unavailable);
    }
}
