//! How far the leader is, as far as it told this replica in this life.
//!
//! raft tells a follower of commits only as far as its own log reaches, so one
//! that was away takes itself for complete until entries arrive. A leader's
//! appends carry its own commit. It sends none to a follower that has all, but
//! answers the response to a heartbeat with one if the follower lacks something:
//! whoever hears a second heartbeat before an append lacks nothing.

use raft::StateRole;
use raft::eraftpb::{Message, MessageType};

use crate::engine::Engine;

/// Heartbeats after which a follower that heard of no entries lacks none.
const HEARTBEATS_MIN: u32 = 2;

/// See the module head.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LeaderCommit {
    /// Of the leader that was heard.
    term: u64,
    index: u64,
    heartbeats: u32,
    is_known: bool,
}

impl LeaderCommit {
    /// What a message says about it, if it is the leader's.
    pub fn in_message(message: &Message) -> Option<Self> {
        let Message { term, commit, .. } = *message;
        let heard = |index, heartbeats, is_known| Some(Self { term, index, heartbeats, is_known });
        match message.msg_type {
            MessageType::MsgAppend => heard(commit, 0, true),
            MessageType::MsgHeartbeat => heard(commit, 1, false),
            MessageType::MsgSnapshot => heard(message.get_snapshot().get_metadata().index, 0, true),
            _ => None,
        }
    }

    /// Takes what the leader of this term said. What an earlier one claimed is
    /// forgotten: it may have been wrong.
    pub fn hear(&mut self, said: Self) {
        let index = if said.term == self.term { self.index } else { 0 };
        self.term = said.term;
        self.index = index.max(said.index);
        self.heartbeats = self.heartbeats.saturating_add(said.heartbeats);
        self.is_known |= said.is_known || self.heartbeats >= HEARTBEATS_MIN;
    }

    /// The index; none until it is known.
    pub fn index(&self) -> Option<u64> {
        self.is_known.then_some(self.index)
    }
}

impl Engine {
    /// Tells the followers at once what this leader has committed, as far as they
    /// are known to have it.
    pub fn tell_commit(&mut self) {
        self.raw.ping();
    }

    /// What the leader has committed, as it told last; none until it did.
    pub fn leader_commit(&self) -> Option<u64> {
        let own = self.commit();
        let told = self.leader_commit.index().map(|index| index.max(own));
        if self.role().leads { Some(own) } else { told }
    }

    /// Takes what a message said, if raft knows its sender for the leader now.
    pub(crate) fn hear_leader(&mut self, from: u64, said: Option<LeaderCommit>) {
        let raft = &self.raw.raft;
        let follows = raft.state == StateRole::Follower && raft.leader_id == from;
        if let Some(said) = said.filter(|said| follows && raft.term == said.term) {
            self.leader_commit.hear(said);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(msg_type: MessageType, term: u64, commit: u64) -> Message {
        Message { msg_type, term, commit, ..Message::default() }
    }

    fn heard(messages: &[Message]) -> Option<u64> {
        let mut commit = LeaderCommit::default();
        for said in messages.iter().filter_map(LeaderCommit::in_message) {
            commit.hear(said);
        }
        commit.index()
    }

    #[test]
    fn one_heartbeat_says_nothing_and_an_append_all() {
        let heartbeat = message(MessageType::MsgHeartbeat, 3, 5);
        let append = message(MessageType::MsgAppend, 3, 90);
        assert_eq!(heard(&[]), None);
        assert_eq!(heard(std::slice::from_ref(&heartbeat)), None);
        assert_eq!(heard(&[heartbeat.clone(), heartbeat.clone()]), Some(5));
        assert_eq!(heard(&[heartbeat.clone(), append.clone()]), Some(90));
        assert_eq!(heard(&[append, heartbeat]), Some(90));
        assert_eq!(heard(&[message(MessageType::MsgHeartbeatResponse, 3, 7)]), None);
    }

    #[test]
    fn a_later_leader_is_believed_alone() {
        let wrong = message(MessageType::MsgAppend, 3, 1_000_000);
        let right = message(MessageType::MsgHeartbeat, 4, 10);
        assert_eq!(heard(&[wrong, right]), Some(10));
    }
}
