//! From what storage holds to a ledger and a log that fit together.
//!
//! A crash may fall between any two durable steps, so the log may
//! - reach behind the checkpoint (compaction had not followed yet): kept, it
//!   serves slow followers;
//! - end before the checkpoint, or hold another entry in its place (a snapshot
//!   was installed and saved, the log not yet reset): it is reset now;
//! - know of fewer commits than the checkpoint executed (commits are written
//!   with the next entries only): the commit is raised.
//!
//! Anything else means that something durable was lost: a start is refused.

use std::ops::RangeInclusive;

use raft::eraftpb::{Entry, EntryType};
use tributary_chain::Header;
use tributary_ledger::{Genesis, IndexKey, Ledger};
use tributary_types::{BlockHeight, ChainId, Hash};

use crate::config::StartError;
use crate::effect::Fatality;
use crate::engine::replace_tail;
use crate::log::{LogPosition, MemoryLog};
use crate::raft_codec::from_log_entry;
use crate::store::{Checkpoint, HardState, LoadedLog, LogWrite};

/// A log that goes on from a state.
#[derive(Debug)]
pub(crate) struct RecoveredLog {
    pub log: MemoryLog,
    pub hard_state: HardState,
    /// Must be written before anything else, if present.
    pub repair: Option<LogWrite>,
}

/// The ledger of the last checkpoint, or of the genesis.
///
/// # Errors
/// [`StartError::Genesis`] or [`StartError::Checkpoint`].
pub(crate) fn recover_ledger(
    genesis: &Genesis,
    chain: ChainId,
    checkpoint: Option<Checkpoint>,
    index_key: IndexKey,
) -> Result<Ledger, StartError> {
    let Some(checkpoint) = checkpoint else {
        return Ok(Ledger::genesis_keyed(genesis, chain, index_key)?);
    };
    let height = checkpoint.header.height;
    Ledger::restore_keyed(genesis, chain, checkpoint.header, &checkpoint.pages, index_key)
        .map_err(|error| StartError::Checkpoint { height, error })
}

/// The log of `voters` validators after a state at `executed`.
///
/// # Errors
/// [`StartError::Log`] if log and state do not meet or entries are missing.
pub(crate) fn recover_log(
    chain: ChainId,
    voters: usize,
    executed: LogPosition,
    loaded: LoadedLog,
) -> Result<RecoveredLog, StartError> {
    let mut hard_state = loaded.hard_state;
    let entries = entries_of(loaded)?;
    check_terms(&entries, hard_state)?;
    let first = entries.first().map_or(executed.index + 1, |entry| entry.index);
    if first > executed.index + 1 {
        let expected = executed.index + 1;
        return Err(log_error(format!("begins at {first}, state needs it from {expected}")));
    }
    let last = entries.last().map_or(executed.index, |entry| entry.index);
    let found = entries.iter().find(|entry| entry.index == executed.index);
    let meets = first == executed.index + 1
        || executed.index == 0
        || found.is_some_and(|entry| entry.term == executed.term);
    if !meets || hard_state.term < executed.term {
        return Ok(reset_log(chain, voters, executed, hard_state, first..=last));
    }
    if hard_state.commit > last {
        let commit = hard_state.commit;
        return Err(log_error(format!("ends at {last}, but was committed up to {commit}")));
    }
    hard_state.commit = hard_state.commit.max(executed.index);
    let mut log = log_of(voters, executed, &entries);
    log.set_hard_state(hard_state_of(hard_state));
    log.set_applied(executed.index);
    Ok(RecoveredLog { log, hard_state, repair: None })
}

/// Compares an executed header with the certified one of the same height.
///
/// # Errors
/// [`Fatality::ReplayMismatch`] names the height and both hashes.
pub(crate) fn check_replay(
    cluster: &Hash,
    executed: &Header,
    certified: Option<&(BlockHeight, Hash)>,
) -> Result<(), Fatality> {
    let Some((height, certified)) = certified.filter(|(height, _)| *height == executed.height)
    else {
        return Ok(());
    };
    let replayed = executed.hash(cluster);
    if replayed == *certified {
        return Ok(());
    }
    Err(Fatality::ReplayMismatch { height: *height, replayed, certified: *certified })
}

fn log_error(text: String) -> StartError {
    StartError::Log(text)
}

fn entries_of(loaded: LoadedLog) -> Result<Vec<Entry>, StartError> {
    let convert = |stored: crate::store::LogEntry| {
        let (index, kind) = (stored.index, stored.kind);
        let normal = |entry: &Entry| entry.entry_type == EntryType::EntryNormal;
        from_log_entry(stored)
            .filter(normal)
            .ok_or_else(|| log_error(format!("entry {index} is of unknown kind {kind}")))
    };
    loaded.entries.into_iter().map(convert).collect()
}

fn check_terms(entries: &[Entry], hard_state: HardState) -> Result<(), StartError> {
    let mut last: Option<(u64, u64)> = None;
    for entry in entries {
        let (index, term) = (entry.index, entry.term);
        if let Some((before, before_term)) = last
            && (index != before + 1 || term < before_term)
        {
            return Err(log_error(format!(
                "entry {index} of term {term} follows entry {before} of term {before_term}"
            )));
        }
        last = Some((index, term));
    }
    let last_term = last.map_or(0, |(_, term)| term);
    if last_term > hard_state.term {
        let term = hard_state.term;
        return Err(log_error(format!("holds term {last_term}, but the saved term is {term}")));
    }
    Ok(())
}

/// A snapshot was saved and the log not reset: do it now.
fn reset_log(
    chain: ChainId,
    voters: usize,
    executed: LogPosition,
    mut hard_state: HardState,
    old: RangeInclusive<u64>,
) -> RecoveredLog {
    hard_state.commit = executed.index;
    hard_state.term = hard_state.term.max(executed.term);
    let repair = LogWrite {
        chain,
        entries: replace_tail(old, executed).into_iter().collect(),
        hard_state: Some(hard_state),
        compact_to: Some(executed.index),
    };
    let mut log = MemoryLog::new(voters, executed);
    log.set_hard_state(hard_state_of(hard_state));
    log.set_applied(executed.index);
    RecoveredLog { log, hard_state, repair: Some(repair) }
}

/// The log in memory. If entries behind the state begin above 1, the first
/// only serves as the base, whose term raft must know.
fn log_of(voters: usize, executed: LogPosition, entries: &[Entry]) -> MemoryLog {
    let (base, rest) = match entries {
        [first, rest @ ..] if first.index > 1 && first.index <= executed.index => {
            (LogPosition { index: first.index, term: first.term }, rest)
        }
        [first, ..] if first.index == 1 => (LogPosition::default(), entries),
        _ => (executed, entries),
    };
    let mut log = MemoryLog::new(voters, base);
    log.append(rest);
    log
}

fn hard_state_of(saved: HardState) -> raft::eraftpb::HardState {
    let HardState { term, vote, commit } = saved;
    raft::eraftpb::HardState { term, vote, commit, ..Default::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LogEntry;

    const CHAIN: ChainId = ChainId::new(1);

    fn loaded(first: u64, terms: &[u64], term: u64, commit: u64) -> LoadedLog {
        let entry = |(index, term): (u64, &u64)| LogEntry {
            index,
            term: *term,
            kind: 0,
            data: vec![1].into(),
        };
        let entries = (first..).zip(terms).map(entry).collect();
        LoadedLog { hard_state: HardState { term, vote: 0, commit }, entries }
    }

    fn recover(index: u64, term: u64, loaded: LoadedLog) -> Result<RecoveredLog, StartError> {
        recover_log(CHAIN, 3, LogPosition { index, term }, loaded)
    }

    #[test]
    fn a_new_replica_begins_at_index_one() {
        let recovered = recover(0, 0, LoadedLog::default()).unwrap();
        assert_eq!((recovered.log.first_index(), recovered.log.last_index()), (1, 0));
        assert_eq!(recovered.repair, None);
    }

    #[test]
    fn entries_around_the_checkpoint_are_kept() {
        let recovered = recover(3, 1, loaded(1, &[1, 1, 1, 2], 2, 4)).unwrap();
        assert_eq!((recovered.log.first_index(), recovered.log.last_index()), (1, 4));
        let recovered = recover(5, 1, loaded(4, &[1, 1, 2], 2, 6)).unwrap();
        assert_eq!((recovered.log.first_index(), recovered.log.term_at(4)), (5, Some(1)));
        let recovered = recover(3, 1, loaded(4, &[2], 2, 4)).unwrap();
        assert_eq!((recovered.log.first_index(), recovered.log.term_at(3)), (4, Some(1)));
    }

    #[test]
    fn a_commit_that_lags_behind_the_checkpoint_is_raised() {
        let recovered = recover(3, 1, loaded(1, &[1, 1, 1], 1, 1)).unwrap();
        assert_eq!(recovered.hard_state.commit, 3);
    }

    #[test]
    fn a_log_that_ends_before_the_checkpoint_is_reset() {
        let recovered = recover(9, 3, loaded(1, &[1, 1], 2, 2)).unwrap();
        assert_eq!((recovered.log.first_index(), recovered.log.last_index()), (10, 9));
        assert_eq!(recovered.hard_state, HardState { term: 3, vote: 0, commit: 9 });
        let repair = recovered.repair.unwrap();
        assert_eq!((repair.entries.len(), repair.compact_to), (0, Some(9)));
    }

    #[test]
    fn a_first_snapshot_without_any_log_gives_the_term() {
        let recovered = recover(9, 3, LoadedLog::default()).unwrap();
        assert_eq!(recovered.hard_state, HardState { term: 3, vote: 0, commit: 9 });
        assert_eq!(recovered.repair.unwrap().hard_state, Some(recovered.hard_state));
    }

    #[test]
    fn a_log_that_contradicts_the_checkpoint_loses_its_tail() {
        let recovered = recover(2, 3, loaded(1, &[1, 1, 1], 1, 1)).unwrap();
        assert_eq!((recovered.log.first_index(), recovered.log.last_index()), (3, 2));
        let repair = recovered.repair.unwrap();
        let replaced: Vec<_> = repair.entries.iter().map(|e| (e.index, e.term)).collect();
        assert_eq!((replaced, repair.compact_to), (vec![(2, 3)], Some(2)));
    }

    #[test]
    fn a_log_that_lost_something_refuses_to_start() {
        let refused = |index, term, loaded, expected: &str| {
            let error = recover(index, term, loaded).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused(3, 1, loaded(5, &[1], 1, 5), "begins at 5, state needs it from 4");
        refused(0, 0, loaded(1, &[1, 1], 1, 3), "ends at 2, but was committed up to 3");
        refused(0, 0, loaded(1, &[2], 1, 0), "holds term 2, but the saved term is 1");
        refused(0, 0, loaded(1, &[2, 1], 2, 0), "entry 2 of term 1 follows entry 1 of term 2");
        refused(3, 1, loaded(4, &[], 1, 5), "ends at 3, but was committed up to 5");
    }

    #[test]
    fn an_entry_of_a_kind_that_is_not_written_refuses_to_start() {
        let mut wrong = loaded(1, &[1], 1, 0);
        wrong.entries[0].kind = 1;
        assert!(recover(0, 0, wrong).is_err());
    }
}
