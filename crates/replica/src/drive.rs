//! Carrying out what raft asks for: sending, writing, executing.
//!
//! One piece of work is finished before raft is asked for the next, so a
//! snapshot that raft sends is always of the state as it is executed then.
//!
//! Work is done in small steps, and the next step only when all effects of those
//! before it are taken: what is sent and written does not wait for the execution
//! of a block, nor its callers for its signature.

use std::collections::VecDeque;
use std::sync::Arc;

use raft::eraftpb::{Entry, EntryType, Message};
use tributary_chain::Body;
use tributary_ledger::Executed;
use tributary_types::codec::decode_exact;

use crate::effect::{Effect, ExecutedBlock, Fatality, Reply};
use crate::engine::{Role, Work};
use crate::log::LogPosition;
use crate::peer::PeerMessage;
use crate::pending::{InFlight, Requests};
use crate::raft_codec::{RaftMessage, kind_of};
use crate::recovery::check_replay;
use crate::replica::Replica;
use crate::store::Checkpoint;

/// What is left of a piece of raft's work.
#[derive(Debug)]
pub(crate) struct UnderWay {
    /// To be executed.
    committed: VecDeque<Entry>,
    /// Barriers that hold once that is done: context and index.
    reads: Vec<(u64, u64)>,
}

impl UnderWay {
    /// Whether something is left to be executed.
    pub(crate) fn executes(&self) -> bool {
        !self.committed.is_empty()
    }
}

impl Replica {
    /// Goes on until neither raft nor the leader's duties have anything to do.
    pub(crate) fn drive(&mut self) {
        while self.advance() {}
    }

    /// One step further. Returns false if there is nothing to do.
    pub(crate) fn advance(&mut self) -> bool {
        if self.is_stopped() {
            return false;
        }
        if std::mem::take(&mut self.is_unnoted) {
            self.conclude();
        } else if let Some(mut under_way) = self.under_way.take() {
            if let Some(entry) = under_way.committed.pop_front() {
                self.under_way = Some(under_way);
                self.commit(&entry);
            } else {
                self.confirm(under_way.reads);
            }
        } else if let Some(work) = self.engine.poll() {
            self.take_up(work);
        } else {
            return self.lead();
        }
        true
    }

    fn take_up(&mut self, work: Work) {
        if let Some(role) = work.role {
            self.change_role(role);
        }
        for message in work.messages {
            self.send(message);
        }
        if let Some(position) = work.install {
            self.install(position);
        }
        for (number, write) in work.writes {
            self.emit(Effect::Persist(number, write));
        }
        self.under_way = Some(UnderWay { committed: work.committed.into(), reads: work.reads });
    }

    fn confirm(&mut self, barriers: Vec<(u64, u64)>) {
        for (barrier, index) in barriers {
            self.reads.confirm(barrier, index);
        }
        let applied = self.engine.log().applied().index;
        for request in self.reads.take_ready(applied) {
            self.reply(request, Reply::ReadReady);
        }
    }

    fn change_role(&mut self, role: Role) {
        self.emit(Effect::LeaderChanged { leader: role.leader, term: role.term });
        // Blocks of an earlier term: whether they commit is not ours to say.
        while let Some(lost) =
            self.in_flight.pop_front_if(|block| !role.leads || block.position.term != role.term)
        {
            self.pending.finish(&lost.body);
            self.abandon(&lost.requests);
        }
        if !role.leads {
            self.refuse_waiting();
        }
        self.notice_soon();
    }

    fn abandon(&mut self, requests: &Requests) {
        for request in requests.ids() {
            self.reply(request, Reply::Unknown);
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        let Some(to) = message.to.checked_sub(1).and_then(|index| u16::try_from(index).ok()) else {
            return;
        };
        if message.has_snapshot() {
            self.send_snapshot(to, message);
        } else {
            let message = PeerMessage::Raft(RaftMessage(message));
            self.emit(Effect::Send { to, message });
        }
    }

    /// An entry is durable on a quorum, and here.
    fn commit(&mut self, entry: &Entry) {
        if entry.entry_type != EntryType::EntryNormal {
            let kind = kind_of(entry.entry_type);
            self.stop(Fatality::UnknownEntry { index: entry.index, kind });
            return;
        }
        let proposed = self.take_in_flight(entry);
        // The entry that opens a term is empty and makes no block.
        if !entry.data.is_empty() {
            let (body, requests) = match proposed {
                Some(block) => (block.body, block.requests),
                None => match decode_exact::<Body>(&entry.data) {
                    Ok(body) => (body, Requests::default()),
                    Err(error) => {
                        self.stop(Fatality::Undecodable { index: entry.index, error });
                        return;
                    }
                },
            };
            self.execute(entry, &body, &requests);
        }
        if !self.is_stopped() {
            self.engine.applied(entry.index);
        }
    }

    /// The block in flight that this entry is, if this replica proposed it.
    fn take_in_flight(&mut self, entry: &Entry) -> Option<InFlight> {
        let position = LogPosition { index: entry.index, term: entry.term };
        self.in_flight.pop_front_if(|block| block.position == position)
    }

    fn execute(&mut self, entry: &Entry, body: &Body, requests: &Requests) {
        let body_root = Body::root_of_bytes(&entry.data);
        let verifier = self.config.verifier.as_ref();
        let Executed { header, outcomes, deliveries } =
            self.ledger.execute_with(body, body_root, verifier);
        if let Err(fatality) = check_replay(&self.cluster, &header, self.certified_before.as_ref())
        {
            self.stop(fatality);
            return;
        }
        // Readers see the block before its callers hear of it.
        let block = Arc::new(ExecutedBlock { header, body: entry.data.clone(), outcomes });
        self.emit(Effect::Executed(block.clone()));
        for (request, result) in requests.deliveries.iter().zip(deliveries) {
            self.reply(*request, Reply::Delivered(result));
        }
        self.reply_with_receipts(requests, &block);
        self.is_unnoted = true;
        self.checkpoints.executed(entry.data.len());
        self.examine_parked(body);
    }

    /// Tells those who brought the batches of a block what became of them.
    fn reply_with_receipts(&mut self, requests: &Requests, block: &ExecutedBlock) {
        let (height, all) = (block.header.height, &block.outcomes.receipts);
        let mut first = 0;
        for (request, count) in &requests.batches {
            let receipts = all.get(first..first + count).unwrap_or_default().to_vec();
            let first_index = u32::try_from(first).unwrap_or(u32::MAX);
            self.reply(*request, Reply::Receipts { height, first_index, receipts });
            first += count;
        }
    }

    /// Notes the block that was executed last, signs it and saves the state if
    /// that is due.
    fn conclude(&mut self) {
        let header = self.ledger.header().clone();
        self.note_executed(&header);
        if !self.is_stopped() {
            self.save_checkpoint_if_due();
        }
    }

    /// Saves the executed state if that is due: what changed since the last time,
    /// or all of it the first time.
    pub(crate) fn save_checkpoint_if_due(&mut self) {
        if !self.checkpoints.is_due() {
            return;
        }
        let LogPosition { index, term } = self.engine.log().applied();
        let complete = self.checkpoints.begin(index);
        let ledger = &mut self.ledger;
        let pages = if complete { ledger.take_all_pages() } else { ledger.take_dirty_pages() };
        let header = self.ledger.header().clone();
        let checkpoint = Checkpoint { index, term, header, pages };
        self.emit(Effect::SaveCheckpoint { checkpoint, complete });
    }

    /// Drops entries behind the durable checkpoint at `index`.
    pub(crate) fn cut_log(&mut self, index: u64, tail_bytes: usize) {
        if let Some((number, write)) = self.engine.checkpointed(index, tail_bytes) {
            self.emit(Effect::Persist(number, write));
        }
    }
}
