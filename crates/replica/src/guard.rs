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
        MessageType::MsgRequestVote
        | MessageType::MsgRequestVoteResponse
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
