//! The consensus seam: raft driven through its asynchronous interface.
//!
//! ```text
//!  tick, step, propose, read_index ──▶ raft ──▶ poll ──▶ Work
//!  persisted, checkpointed ───────────────┘
//! ```
//!
//! Guarantees to the caller:
//! - A leader's messages come out at once, while its own write is under way;
//!   everybody else's only when all writes before them are durable.
//! - Writes come out in order. A write that follows an installed snapshot comes
//!   out only when the checkpoint of that snapshot is durable, so a crash
//!   between the two never leaves a log that begins behind a gap.
//! - Followers hear of a commit by the next append or heartbeat: a message to
//!   each for every commit, and its answer, would be half of all messages.
//!   [`Engine::tell_commit`] tells them at once.
//! - Work is complete: once it is carried out and the entries in it are
//!   reported as applied, the next call of [`Engine::poll`] goes on from there.
//!
//! raft draws election timeouts from its thread's random numbers. Each draw is
//! replaced by [`crate::election`]'s before the next tick can look at it, so a
//! seed replays a whole cluster.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use bytes::Bytes;
use raft::eraftpb::{Entry, Message, MessageType};
use raft::{Config, RawNode, ReadOnlyOption, Ready, StateRole, Storage};
use slog::{Discard, Logger, o};
use tributary_types::ChainId;

use crate::guard::{self, Verdict};
use crate::leader_commit::LeaderCommit;
use crate::log::{LogPosition, MemoryLog};
use crate::raft_codec::to_log_entry;
use crate::sent_snapshots::SentSnapshots;
use crate::store::{HardState, LogEntry, LogWrite};
use crate::unpersisted::{Step, Unpersisted};

/// Bytes of entries that one append message gathers; one entry may be larger.
const APPEND_BYTES_MAX: u64 = 1 << 20;
/// Append messages under way to one follower.
const APPENDS_IN_FLIGHT_MAX: usize = 64;

/// The shape of a raft node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EngineConfig {
    pub chain: ChainId,
    pub validator: u16,
    pub election_ticks: u32,
    pub heartbeat_ticks: u32,
    pub snapshot_install_ticks_max: u32,
    pub work_bytes_max: u64,
    /// Index up to which the restored state is executed.
    pub applied: u64,
}

/// Who leads, in which term.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Role {
    pub term: u64,
    pub leader: Option<u16>,
    pub leads: bool,
}

/// What one step of raft asks for, to be carried out in the order of fields.
#[derive(Debug, Default)]
pub(crate) struct Work {
    /// The new role, if it changed.
    pub role: Option<Role>,
    /// To peers.
    pub messages: Vec<Message>,
    /// The state that was offered with the last snapshot message replaces ours.
    pub install: Option<LogPosition>,
    /// To the log.
    pub writes: Vec<(u64, LogWrite)>,
    /// To be executed, then reported by [`Engine::applied`].
    pub committed: Vec<Entry>,
    /// Barriers that hold once the index is executed: context and index.
    pub reads: Vec<(u64, u64)>,
}

impl Work {
    fn is_empty(&self) -> bool {
        self.role.is_none()
            && self.messages.is_empty()
            && self.install.is_none()
            && self.writes.is_empty()
            && self.committed.is_empty()
            && self.reads.is_empty()
    }
}

/// See the module head.
pub(crate) struct Engine {
    pub(crate) raw: RawNode<MemoryLog>,
    pub(crate) config: EngineConfig,
    pub(crate) unpersisted: Unpersisted,
    /// The term whose leader has ended, as the network told.
    pub(crate) leaderless: Option<u64>,
    pub(crate) leader_commit: LeaderCommit,
    role: Role,
    released: Vec<Message>,
    saved_hard_state: HardState,
    pub(crate) sent_snapshots: SentSnapshots,
}

impl Engine {
    /// A node on a log that was restored with its hard state.
    ///
    /// # Errors
    /// What raft says about the configuration.
    pub fn new(
        config: EngineConfig,
        hard_state: HardState,
        log: MemoryLog,
    ) -> Result<Self, raft::Error> {
        let alone = log.voters().len() == 1;
        let election_ticks = config.election_ticks as usize;
        let raft_config = Config {
            id: u64::from(config.validator) + 1,
            election_tick: election_ticks,
            min_election_tick: election_ticks,
            max_election_tick: 2 * election_ticks,
            heartbeat_tick: config.heartbeat_ticks as usize,
            applied: config.applied,
            max_size_per_msg: APPEND_BYTES_MAX,
            max_inflight_msgs: APPENDS_IN_FLIGHT_MAX,
            max_committed_size_per_ready: config.work_bytes_max,
            check_quorum: true,
            pre_vote: true,
            read_only_option: ReadOnlyOption::Safe,
            skip_bcast_commit: true,
            ..Config::default()
        };
        let raw = RawNode::new(&raft_config, log, &Logger::root(Discard, o!()))?;
        let mut engine = Self {
            raw,
            config,
            unpersisted: Unpersisted::default(),
            leaderless: None,
            leader_commit: LeaderCommit::default(),
            role: Role::default(),
            released: Vec::new(),
            saved_hard_state: hard_state,
            sent_snapshots: SentSnapshots::default(),
        };
        if alone {
            engine.raw.campaign()?;
        }
        engine.pin_election_timeout();
        Ok(engine)
    }

    /// A message of a member of the set, addressed to this node.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn step(&mut self, mut message: Message) -> Result<(), &'static str> {
        if guard::admit(&self.raw.raft, &mut message)? == Verdict::Ignore {
            return Ok(());
        }
        // See `Engine::tick`, in `election`.
        if message.msg_type == MessageType::MsgTimeoutNow && self.unpersisted.is_installing() {
            return Ok(());
        }
        let (from, said) = (message.from, LeaderCommit::in_message(&message));
        let result = self.raw.step(message);
        self.pin_election_timeout();
        self.hear_leader(from, said);
        result.map_err(|_| "raft does not take it")
    }

    /// Whether raft will install the snapshot that this message announces.
    ///
    /// # Errors
    /// The rule that the message breaks.
    pub fn wants_snapshot(&self, message: &Message) -> Result<bool, &'static str> {
        guard::admit(&self.raw.raft, &mut message.clone())?;
        guard::check_snapshot(&self.raw.raft, message)
    }

    /// Appends to the log; where it will stand, or `None` if this node does
    /// not lead or is handing leadership over.
    pub fn propose(&mut self, data: Vec<u8>) -> Option<LogPosition> {
        if self.raw.raft.state != StateRole::Leader {
            return None;
        }
        let index = self.raw.raft.raft_log.last_index() + 1;
        self.raw.propose(Vec::new(), data).ok()?;
        Some(LogPosition { index, term: self.raw.raft.term })
    }

    /// Starts a read barrier. Only useful when [`Engine::may_read`].
    pub fn read_index(&mut self, context: u64) {
        self.raw.read_index(context.to_le_bytes().to_vec());
    }

    /// Whether this node leads and has committed an entry of its term; before
    /// that raft drops reads silently.
    pub fn may_read(&self) -> bool {
        self.role.leads && self.raw.raft.commit_to_current_term()
    }

    /// All writes up to `number` are durable.
    pub fn persisted(&mut self, number: u64) {
        self.unpersisted.persisted(number);
    }

    /// Messages that waited for such writes alone; others come with the next work.
    pub fn take_released(&mut self) -> Vec<Message> {
        if !self.unpersisted.is_installing() {
            self.release_durable();
        }
        std::mem::take(&mut self.released)
    }

    /// A checkpoint at `index` is durable; entries behind it go, except a tail
    /// of `tail_bytes`. Returns the write that says so to the disk.
    pub fn checkpointed(&mut self, index: u64, tail_bytes: usize) -> Option<(u64, LogWrite)> {
        self.unpersisted.checkpointed(index);
        let compact_to = self.raw.store().compaction_before(index, tail_bytes)?;
        self.raw.mut_store().compact(compact_to);
        let chain = self.config.chain;
        let write = LogWrite { chain, compact_to: Some(compact_to), ..LogWrite::default() };
        Some((self.unpersisted.last_number(), write))
    }

    /// All entries up to `index` are executed.
    pub fn applied(&mut self, index: u64) {
        self.raw.advance_apply_to(index);
        self.raw.mut_store().set_applied(index);
    }

    /// Messages to a peer are being lost.
    pub fn unreachable(&mut self, peer: u16) {
        self.raw.report_unreachable(raft_id(peer));
    }

    /// Hands leadership to the follower that has most of the log, `gone` ones
    /// aside.
    pub fn transfer_leadership(&mut self, gone: &BTreeSet<u16>) {
        let own = self.raw.raft.id;
        let gone: BTreeSet<u64> = gone.iter().copied().map(raft_id).collect();
        let candidates =
            self.raw.raft.prs().iter().filter(|(id, _)| **id != own && !gone.contains(*id));
        let ranked = candidates.map(|(id, progress)| {
            (progress.recent_active, progress.matched, std::cmp::Reverse(*id))
        });
        if let Some((_, _, std::cmp::Reverse(best))) = ranked.max() {
            self.raw.transfer_leader(best);
        }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn commit(&self) -> u64 {
        self.raw.raft.raft_log.committed
    }

    pub fn log(&self) -> &MemoryLog {
        self.raw.store()
    }

    /// The next piece of work; `None` until there is another input.
    pub fn poll(&mut self) -> Option<Work> {
        loop {
            self.release_durable();
            let mut work = Work { role: self.changed_role(), ..Work::default() };
            work.messages = std::mem::take(&mut self.released);
            let has_ready = self.raw.has_ready();
            if has_ready {
                self.take_ready(&mut work);
            }
            work.writes = self.unpersisted.issue();
            if !work.is_empty() {
                return Some(work);
            }
            if !has_ready {
                return None;
            }
        }
    }

    fn changed_role(&mut self) -> Option<Role> {
        let raft = &self.raw.raft;
        let leader = raft.leader_id.checked_sub(1).and_then(|index| u16::try_from(index).ok());
        let leads = raft.state == StateRole::Leader;
        let role = Role { term: raft.term, leader, leads };
        (role != self.role).then(|| {
            self.role = role;
            role
        })
    }

    fn take_ready(&mut self, work: &mut Work) {
        let mut ready = self.raw.ready();
        work.messages.extend(ready.take_messages());
        self.sent_snapshots.note(&work.messages);
        let write = self.stage_write(&mut ready, work);
        work.committed = ready.take_committed_entries();
        work.reads = ready.take_read_states().into_iter().filter_map(read_state).collect();
        self.unpersisted.push(Step {
            number: ready.number(),
            write,
            installs: work.install.map(|position| position.index),
            messages: ready.take_persisted_messages(),
        });
        self.raw.advance_append_async(ready);
    }

    /// Puts a step's snapshot, entries and hard state into the log in memory
    /// and returns the same for the disk. A step that only learns of commits
    /// writes nothing: the next write carries the commit.
    fn stage_write(&mut self, ready: &mut Ready, work: &mut Work) -> Option<LogWrite> {
        let mut write = LogWrite { chain: self.config.chain, ..LogWrite::default() };
        let must_write = ready.must_sync();
        let store = self.raw.mut_store();
        let metadata = ready.snapshot().get_metadata();
        if metadata.index > 0 {
            let base = LogPosition { index: metadata.index, term: metadata.term };
            write.entries.extend(replace_tail(store.first_index()..=store.last_index(), base));
            write.compact_to = Some(base.index);
            store.reset(base);
            work.install = Some(base);
        }
        let entries = ready.take_entries();
        write.entries.extend(entries.iter().map(to_log_entry));
        store.append(&entries);
        if let Some(hard_state) = ready.hs() {
            store.set_hard_state(hard_state.clone());
        }
        if !must_write {
            return None;
        }
        if let Ok(state) = store.initial_state() {
            let hard_state = hard_state_of(&state.hard_state);
            if hard_state != self.saved_hard_state {
                self.saved_hard_state = hard_state;
                write.hard_state = Some(hard_state);
            }
        }
        Some(write)
    }

    fn release_durable(&mut self) {
        while let Some(step) = self.unpersisted.take_durable() {
            self.raw.on_persist_ready(step.number);
            if let Some(index) = step.installed {
                self.applied(index);
            }
            self.released.extend(step.messages);
        }
    }
}

/// The raft id of a validator: raft reserves 0.
pub(crate) fn raft_id(validator: u16) -> u64 {
    u64::from(validator) + 1
}

/// If the log reaches the snapshot's entry, an entry in its place: it replaces
/// everything behind, which may conflict with what the snapshot stands for,
/// and is itself dropped in the same write.
pub(crate) fn replace_tail(log: RangeInclusive<u64>, base: LogPosition) -> Option<LogEntry> {
    let LogPosition { index, term } = base;
    log.contains(&index).then(|| LogEntry { index, term, kind: 0, data: Bytes::new() })
}

fn hard_state_of(state: &raft::eraftpb::HardState) -> HardState {
    HardState { term: state.term, vote: state.vote, commit: state.commit }
}

fn read_state(state: raft::ReadState) -> Option<(u64, u64)> {
    let context: [u8; 8] = state.request_ctx.try_into().ok()?;
    Some((u64::from_le_bytes(context), state.index))
}
