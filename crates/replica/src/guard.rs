//! What may reach raft: checks on messages that raft 0.7.0 would not survive,
//! and corrections that its unreleased master has.
//!
//! raft trusts its peers and stops the process where their messages break a
//! rule. A message that breaks one is refused here instead:
//!
//! | message | raft 0.7.0 without the check |
//! | --- | --- |
//! | term 0 | is taken for a local message and skips every check of terms |
//! | term or index near 2^64 | overflows |
//! | append at index > 0 with log term 0 | matches beyond the end of the log, then panics |
//! | append with gaps or falling terms | panics, or corrupts the log |
//! | heartbeat with a commit beyond the log | panics (tikv/tikv#7353) |
//! | append, heartbeat or snapshot of a second leader in one term | is followed |
//! | response beyond the leader's log | counts towards commits that do not exist yet |
//! | vote for a candidate that has not asked yet | panics on entries that are not durable |
//! | snapshot with other voters, or at a committed index of another term | panics |
//! | timeout-now from another than the leader | disrupts |
//! | proposals, reads and transfers from peers | are done for them, or panic when empty |
//!
//! Corrections since the release of 0.7.0, in the order of its repository:
//!
//! - #530 reads all unapplied entries at once when a node campaigns. Here
//!   entries are applied in the same call that learns of their commit, so at
//!   most the blocks in flight are unapplied.
//! - #537, #561 add applying before persisting, which is not used.
//! - #543: `applied` may lie above `min(committed, persisted)`, on which 0.7.0
//!   panics. Two cases could reach it: a restart whose checkpoint is ahead of
//!   the saved commit (recovery raises the commit, `recovery`), and a snapshot
//!   that is applied before it is durable (the engine applies it after).
//! - #557: a late rejection moves `next_idx` of a probed follower to or below
//!   what it has matched, and entries that may be compacted are sent again.
//!   [`correct_rejection`] bounds the hint by what has matched.
//! - #569 logs that reads before the first commit of a term vanish. The
//!   replica holds reads back until that commit (`reads`).

use raft::eraftpb::{Entry, EntryType, Message, MessageType};
use raft::{INVALID_ID, Raft, StateRole};

use crate::log::MemoryLog;

/// Terms and indexes of honest peers stay below this for longer than any
/// cluster lives.
const NUMBER_LIMIT: u64 = 1 << 56;

/// What to do with a message that breaks no rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Hand it to raft.
    Step,
    /// It is outdated; raft must not act on it.
    Ignore,
}

/// Says whether raft may see the message, which comes from a member of the
/// validator set and is for this node. Snapshots are checked by
/// [`check_snapshot`] too.
///
/// # Errors
/// The broken rule.
pub(crate) fn admit(
    raft: &Raft<MemoryLog>,
    message: &mut Message,
) -> Result<Verdict, &'static str> {
    check_numbers(message)?;
    if message.term < raft.term {
        // Raft answers or ignores these without looking inside.
        return Ok(Verdict::Step);
    }
    if message.msg_type == MessageType::MsgAppendResponse && message.reject {
        refuse_if(message.request_snapshot != 0, "snapshots are not sent on request")?;
        return Ok(correct_rejection(raft, message));
    }
    check_type(raft, message).map(|()| Verdict::Step)
}

fn check_type(raft: &Raft<MemoryLog>, message: &Message) -> Result<(), &'static str> {
    match message.msg_type {
        MessageType::MsgAppend => {
            check_leader(raft, message)?;
            check_append(message)
        }
        MessageType::MsgHeartbeat => {
            check_leader(raft, message)?;
            let beyond = message.commit > raft.raft_log.last_index();
            refuse_if(beyond, "heartbeat commits beyond the log")
        }
        MessageType::MsgSnapshot => check_leader(raft, message),
        MessageType::MsgAppendResponse => {
            let ours = message.term == raft.term && raft.state == StateRole::Leader;
            let beyond = message.index > raft.raft_log.last_index();
            refuse_if(ours && beyond, "response beyond the leader's log")
        }
        MessageType::MsgTimeoutNow => {
            let leader = message.term == raft.term && message.from == raft.leader_id;
            refuse_if(!leader, "timeout-now from another than the leader")
        }
        MessageType::MsgRequestVoteResponse => {
            // Votes are asked for when everything is durable, not before.
            let counts = raft.state == StateRole::Candidate && message.term == raft.term;
            let unasked = raft.raft_log.persisted != raft.raft_log.last_index();
            refuse_if(counts && unasked, "a vote that was not asked for")
        }
        MessageType::MsgRequestVote
        | MessageType::MsgRequestPreVote
        | MessageType::MsgRequestPreVoteResponse
        | MessageType::MsgHeartbeatResponse => Ok(()),
        _ => Err("a type that peers do not send"),
    }
}

fn refuse_if(broken: bool, rule: &'static str) -> Result<(), &'static str> {
    if broken { Err(rule) } else { Ok(()) }
}

fn check_numbers(message: &Message) -> Result<(), &'static str> {
    refuse_if(message.term == 0, "term 0")?;
    let numbers = [
        message.term,
        message.log_term,
        message.index,
        message.commit,
        message.commit_term,
        message.reject_hint,
    ];
    refuse_if(numbers.iter().any(|number| *number >= NUMBER_LIMIT), "a number out of range")?;
    let carries = message.msg_type == MessageType::MsgAppend;
    refuse_if(!carries && !message.entries.is_empty(), "entries where none belong")?;
    let has_state = message.msg_type == MessageType::MsgSnapshot;
    refuse_if(has_state != message.has_snapshot(), "a snapshot where none belongs, or none")
}

/// One term has one leader.
fn check_leader(raft: &Raft<MemoryLog>, message: &Message) -> Result<(), &'static str> {
    let known = message.term == raft.term && raft.leader_id != INVALID_ID;
    refuse_if(known && raft.leader_id != message.from, "a second leader in one term")
}

fn check_append(message: &Message) -> Result<(), &'static str> {
    let at_start = message.index == 0;
    refuse_if(at_start != (message.log_term == 0), "log term and index do not fit")?;
    refuse_if(message.log_term > message.term, "log term above the term")?;
    let mut last = (message.index, message.log_term.max(1));
    for entry in message.get_entries() {
        check_entry(entry, last, message.term)?;
        last = (entry.index, entry.term);
    }
    Ok(())
}

fn check_entry(entry: &Entry, last: (u64, u64), term: u64) -> Result<(), &'static str> {
    refuse_if(entry.index != last.0 + 1, "entries are not consecutive")?;
    refuse_if(entry.term < last.1 || entry.term > term, "entry terms are out of order")?;
    refuse_if(entry.entry_type != EntryType::EntryNormal, "membership does not change by raft")
}

/// Bounds the hint of a rejection from below by what the follower has
/// acknowledged (tikv/raft-rs#557).
fn correct_rejection(raft: &Raft<MemoryLog>, message: &mut Message) -> Verdict {
    let ours = message.term == raft.term && raft.state == StateRole::Leader;
    let Some(progress) = raft.prs().get(message.from).filter(|_| ours) else {
        return Verdict::Step;
    };
    if message.index <= progress.matched {
        return Verdict::Ignore;
    }
    let hint = if message.log_term > 0 {
        raft.raft_log.find_conflict_by_term(message.reject_hint, message.log_term).0
    } else {
        message.reject_hint
    };
    // Raft probes next at min(index, hint + 1): now above what has matched.
    message.reject_hint = hint.max(progress.matched);
    message.log_term = 0;
    Verdict::Step
}

/// Whether a snapshot's metadata is sound, and whether raft will install it;
/// if not, raft answers it without looking at the state.
///
/// # Errors
/// The broken rule.
pub(crate) fn check_snapshot(
    raft: &Raft<MemoryLog>,
    message: &Message,
) -> Result<bool, &'static str> {
    let metadata = message.get_snapshot().get_metadata();
    let (index, term) = (metadata.index, metadata.term);
    let sound = index > 0 && index < NUMBER_LIMIT && term > 0 && term <= message.term;
    refuse_if(!sound, "snapshot of no entry")?;
    let voters = metadata.get_conf_state().get_voters();
    refuse_if(voters != raft.store().voters(), "snapshot of other voters")?;
    let committed = raft.raft_log.committed;
    let matches = raft.raft_log.match_term(index, term);
    refuse_if(index == committed && !matches, "snapshot contradicts a committed entry")?;
    Ok(message.term >= raft.term && index > committed && !matches)
}

#[cfg(test)]
mod tests {
    use raft::eraftpb::{HardState, Snapshot};
    use raft::{Config, ProgressState};
    use slog::{Discard, Logger, o};

    use super::*;
    use crate::log::LogPosition;

    fn entry(index: u64, term: u64) -> Entry {
        Entry { index, term, data: vec![1].into(), ..Entry::default() }
    }

    fn entries(range: std::ops::RangeInclusive<u64>, term: u64) -> Vec<Entry> {
        range.map(|index| entry(index, term)).collect()
    }

    /// Validator 0 of two, at term 3, with ten entries of term 2, five of them
    /// committed.
    fn follower() -> Raft<MemoryLog> {
        let mut log = MemoryLog::new(2, LogPosition::default());
        log.append(&entries(1..=10, 2));
        log.set_hard_state(HardState { term: 3, commit: 5, ..HardState::default() });
        let config = Config { max_inflight_msgs: 16, ..Config::new(1) };
        Raft::new(&config, log, &Logger::root(Discard, o!())).unwrap()
    }

    fn leader() -> Raft<MemoryLog> {
        let mut raft = follower();
        raft.become_candidate();
        raft.become_leader();
        raft.msgs.clear();
        raft
    }

    fn message(msg_type: MessageType, term: u64) -> Message {
        Message { msg_type, term, from: 2, to: 1, ..Message::default() }
    }

    fn append(index: u64, log_term: u64, entries: Vec<Entry>) -> Message {
        let message = message(MessageType::MsgAppend, 3);
        Message { index, log_term, entries: entries.into(), ..message }
    }

    /// The verdict on a message, which raft must survive if it is to see it.
    #[track_caller]
    fn check(mut raft: Raft<MemoryLog>, mut message: Message, refused: Option<&str>) {
        let verdict = admit(&raft, &mut message);
        assert_eq!(verdict.as_ref().err().copied(), refused);
        if verdict == Ok(Verdict::Step) {
            raft.step(message).unwrap();
        }
    }

    #[test]
    fn appends_that_raft_would_not_survive_are_refused() {
        let check = |message, refused| check(follower(), message, refused);
        check(append(10, 2, entries(11..=12, 3)), None);
        check(append(7, 2, entries(8..=9, 3)), None);
        check(append(0, 0, entries(1..=3, 2)), None);
        check(append(3, 2, vec![]), None);
        check(append(99, 3, entries(100..=101, 3)), None);
        check(append(99, 0, entries(100..=101, 3)), Some("log term and index do not fit"));
        check(append(0, 1, vec![]), Some("log term and index do not fit"));
        check(append(10, 4, vec![]), Some("log term above the term"));
        check(append(10, 2, entries(12..=12, 3)), Some("entries are not consecutive"));
        let gap = vec![entry(11, 3), entry(13, 3)];
        check(append(10, 2, gap), Some("entries are not consecutive"));
        check(append(10, 2, entries(11..=11, 1)), Some("entry terms are out of order"));
        check(append(10, 2, entries(11..=11, 4)), Some("entry terms are out of order"));
        let mut change = entry(11, 3);
        change.set_entry_type(EntryType::EntryConfChange);
        check(append(10, 2, vec![change]), Some("membership does not change by raft"));
    }

    #[test]
    fn a_heartbeat_beyond_the_log_is_refused() {
        let heartbeat = |commit| Message { commit, ..message(MessageType::MsgHeartbeat, 3) };
        check(follower(), heartbeat(10), None);
        check(follower(), heartbeat(11), Some("heartbeat commits beyond the log"));
    }

    #[test]
    fn terms_and_indexes_out_of_range_are_refused() {
        let check = |message, refused| check(follower(), message, refused);
        check(message(MessageType::MsgHeartbeat, 0), Some("term 0"));
        check(message(MessageType::MsgRequestVote, u64::MAX), Some("a number out of range"));
        check(append(u64::MAX, 3, vec![]), Some("a number out of range"));
    }

    #[test]
    fn a_second_leader_in_one_term_is_refused() {
        let mut raft = leader();
        let term = raft.term;
        let heartbeat = message(MessageType::MsgHeartbeat, term);
        let refused = admit(&raft, &mut heartbeat.clone());
        assert_eq!(refused, Err("a second leader in one term"));
        raft.become_follower(term, 2);
        assert_eq!(admit(&raft, &mut heartbeat.clone()), Ok(Verdict::Step));
    }

    #[test]
    fn only_the_leader_may_ask_for_a_timeout() {
        let mut raft = follower();
        let ask = message(MessageType::MsgTimeoutNow, 3);
        let refused = Err("timeout-now from another than the leader");
        assert_eq!(admit(&raft, &mut ask.clone()), refused);
        raft.become_follower(3, 2);
        assert_eq!(admit(&raft, &mut ask.clone()), Ok(Verdict::Step));
        let later = message(MessageType::MsgTimeoutNow, 4);
        assert_eq!(admit(&raft, &mut later.clone()), refused);
    }

    #[test]
    fn responses_beyond_the_log_and_requests_of_peers_are_refused() {
        let term = leader().term;
        let response = |index| Message { index, ..message(MessageType::MsgAppendResponse, term) };
        check(leader(), response(11), None);
        check(leader(), response(12), Some("response beyond the leader's log"));
        for kind in [
            MessageType::MsgPropose,
            MessageType::MsgReadIndex,
            MessageType::MsgReadIndexResp,
            MessageType::MsgTransferLeader,
        ] {
            check(leader(), message(kind, term), Some("a type that peers do not send"));
        }
        let request = Message { reject: true, request_snapshot: 1, ..response(5) };
        check(leader(), request, Some("snapshots are not sent on request"));
    }

    #[test]
    fn snapshots_of_other_voters_or_other_histories_are_refused() {
        let raft = follower();
        let offer = |index, term, voters: &[u64]| {
            let mut snapshot = Snapshot::default();
            let metadata = snapshot.mut_metadata();
            metadata.index = index;
            metadata.term = term;
            metadata.mut_conf_state().set_voters(voters.to_vec());
            let mut message = message(MessageType::MsgSnapshot, 3);
            message.set_snapshot(snapshot);
            check_snapshot(&raft, &message)
        };
        assert_eq!(offer(20, 3, &[1, 2]), Ok(true));
        assert_eq!(offer(8, 2, &[1, 2]), Ok(false), "the entry is here");
        assert_eq!(offer(4, 2, &[1, 2]), Ok(false), "it is committed");
        assert_eq!(offer(5, 3, &[1, 2]), Err("snapshot contradicts a committed entry"));
        assert_eq!(offer(20, 3, &[1, 2, 3]), Err("snapshot of other voters"));
        assert_eq!(offer(0, 0, &[1, 2]), Err("snapshot of no entry"));
        assert_eq!(offer(20, 4, &[1, 2]), Err("snapshot of no entry"));
    }

    /// A leader whose follower is probed behind entry 8, which it has.
    fn probing() -> Raft<MemoryLog> {
        let mut raft = leader();
        let progress = raft.mut_prs().get_mut(2).unwrap();
        progress.matched = 8;
        progress.next_idx = 9;
        progress.state = ProgressState::Probe;
        raft
    }

    fn late_rejection(raft: &Raft<MemoryLog>, index: u64, reject_hint: u64) -> Message {
        let message = message(MessageType::MsgAppendResponse, raft.term);
        Message { index, reject_hint, reject: true, ..message }
    }

    #[test]
    fn raft_rs_557_a_late_rejection_never_moves_back_behind_what_matched() {
        let mut unguarded = probing();
        unguarded.step(late_rejection(&unguarded, 8, 0)).unwrap();
        let progress = unguarded.prs().get(2).unwrap();
        assert!(progress.next_idx <= progress.matched, "the defect that is guarded against");

        let raft = probing();
        assert_eq!(admit(&raft, &mut late_rejection(&raft, 8, 0)), Ok(Verdict::Ignore));

        for hint in [0, 3, 8, 9] {
            let mut raft = probing();
            raft.mut_prs().get_mut(2).unwrap().next_idx = 11;
            let mut rejection = late_rejection(&raft, 10, hint);
            rejection.log_term = 1;
            assert_eq!(admit(&raft, &mut rejection), Ok(Verdict::Step));
            raft.step(rejection).unwrap();
            let progress = raft.prs().get(2).unwrap();
            assert!(progress.next_idx > progress.matched, "hint {hint}: {}", progress.next_idx);
        }
    }
}
