//! One replica of one chain: inputs, effects, and how they hang together.
//!
//! ```text
//!             handle_submit  handle_delivery  handle_read
//!                    │ admitted by the ledger   │
//!                    ▼                          ▼
//!                 Pending                     Reads
//!           gather   │                          │ barrier
//!                    ▼                          ▼
//!  handle_peer ──▶ Engine (raft) ◀───────── handle_tick
//!       ▲            │  │  └─ writes ──▶ Persist ──▶ handle_persisted
//!       │            │  └─ messages ──▶ Send, SendSnapshot
//!       │            ▼ committed
//!       │         Ledger::execute ──▶ Executed, Reply, SaveCheckpoint ──▶ handle_checkpointed
//!       │            ▼ header
//!       └──────── Votes ──▶ Send(vote), Certified, Fatal
//! ```
//!
//! Call order: [`Replica::poll_effect`] gives effects, to be carried out in that
//! order; any `handle_*` may come between two of them. Who executes much is to take
//! inputs meanwhile, so that it is heard, unless it [`is behind`](Replica::is_behind).
//! [`Replica::handle_tick`] comes before all other inputs, since it tells the time.
//!
//! Guarantees:
//! - A receipt is given for a block that is durable on a quorum, executed here.
//! - Every request gets exactly one reply, unless the replica stops.
//! - A deposed leader acknowledges nothing: what it had in flight is `Unknown`.
//! - Equal inputs give equal effects: no clock, randomness or hash order.
//! - After [`Effect::Fatal`] nothing is done any more.
//!
//! It lacks membership changes, and it verifies no batch signatures: the host
//! does, on many cores. Owner signatures are verified in execution, by the
//! [`ReplicaConfig::verifier`].

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use tributary_ledger::{Genesis, IndexKey, Ledger};
use tributary_types::{BlockHeight, Hash, TimeMs};

use crate::checkpoints::{Checkpoints, turn};
use crate::clock::Clocks;
use crate::config::{ReplicaConfig, Restored, StartError};
use crate::drive::UnderWay;
use crate::effect::{Effect, Fatality, Now, ReplicaStatus, Reply, RequestId};
use crate::engine::{Engine, EngineConfig};
use crate::log::LogPosition;
use crate::pending::{InFlight, Pending};
use crate::reads::Reads;
use crate::recovery::{check_replay, recover_ledger, recover_log};
use crate::snapshot::Offered;
use crate::votes::Votes;

/// Raft ticks of one call, at most. What is owed beyond that is made up for in
/// later ones, so that a process that slept or was busy reads its messages before
/// it takes the silence for a dead leader.
const TICKS_PER_CALL_MAX: u64 = 2;

/// See the module head.
pub struct Replica {
    pub(crate) config: ReplicaConfig,
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) cluster: Hash,
    pub(crate) ledger: Ledger,
    pub(crate) engine: Engine,
    pub(crate) clocks: Clocks,
    pub(crate) votes: Votes,
    pub(crate) pending: Pending,
    pub(crate) in_flight: VecDeque<InFlight>,
    pub(crate) reads: Reads,
    pub(crate) checkpoints: Checkpoints,
    /// A verified state that raft may install with the message it came with.
    pub(crate) offered: Option<Offered>,
    /// The certified header that replay must pass through.
    pub(crate) certified_before: Option<(BlockHeight, Hash)>,
    pub(crate) now: Option<Now>,
    ticked_at_ms: u64,
    /// When the last clock notice was sent; none if one is to be sent at once.
    pub(crate) noticed_at_ms: Option<u64>,
    /// Block time after all blocks in flight, as this leader expects it.
    pub(crate) expected_time: TimeMs,
    /// Set by [`Replica::handle_resign`]: nothing new is accepted.
    pub(crate) resigning: bool,
    /// Validators that said farewell, or do not hear, and told no clock since.
    pub(crate) gone: BTreeSet<u16>,
    /// What raft asked for last, as far as it is not done.
    pub(crate) under_way: Option<UnderWay>,
    /// Whether the last block is executed and its header not yet noted.
    pub(crate) is_unnoted: bool,
    /// When the last header was noted.
    pub(crate) executed_at_ms: u64,
    effects: VecDeque<Effect>,
    stopped: Option<Fatality>,
}

impl Replica {
    /// Restores the replica and executes the log as far as it is known to be
    /// committed. Effects of that are polled like any others.
    ///
    /// # Errors
    /// [`StartError`]; nothing was changed on disk.
    pub fn new(
        config: ReplicaConfig,
        genesis: &Genesis,
        restored: Restored,
    ) -> Result<Self, StartError> {
        config.check()?;
        let executed = restored.checkpoint.as_ref().map_or(LogPosition::default(), |checkpoint| {
            LogPosition { index: checkpoint.index, term: checkpoint.term }
        });
        let saved = restored.checkpoint.as_ref().map(|checkpoint| checkpoint.index);
        let index_key = IndexKey::of_validator(&config.key);
        let ledger = recover_ledger(genesis, config.chain, restored.checkpoint, index_key)?;
        let validators = ledger.validator_set().keys().len();
        config.check_identity(ledger.validator_set())?;
        let recovered = recover_log(config.chain, validators, executed, restored.log)?;
        let engine_config = EngineConfig {
            chain: config.chain,
            validator: config.validator,
            election_ticks: config.election_ticks,
            heartbeat_ticks: config.heartbeat_ticks,
            snapshot_install_ticks_max: config.limits.snapshot_install_ticks_max,
            work_bytes_max: config.limits.work_bytes_max,
            applied: executed.index,
        };
        let engine = Engine::new(engine_config, recovered.hard_state, recovered.log)
            .map_err(|error| StartError::Setting(error.to_string()))?;
        let cluster = *ledger.cluster();
        let certified_before =
            restored.certified.as_ref().map(|(header, _)| (header.height, header.hash(&cluster)));
        let votes = Votes::new(
            ledger.validator_set().clone(),
            config.validator,
            config.key.clone(),
            ledger.header().height,
            restored.certified,
        );
        let interval = config.limits.checkpoint_after_bytes;
        let turn = turn(interval, config.chain, config.validator, validators);
        let mut replica = Self {
            genesis: Arc::new(genesis.clone()),
            cluster,
            ledger,
            engine,
            clocks: Clocks::default(),
            votes,
            pending: Pending::new(config.limits),
            in_flight: VecDeque::new(),
            reads: Reads::default(),
            checkpoints: Checkpoints::new(config.limits, turn, saved),
            offered: None,
            certified_before,
            now: None,
            ticked_at_ms: 0,
            noticed_at_ms: None,
            expected_time: TimeMs::default(),
            resigning: false,
            gone: BTreeSet::new(),
            under_way: None,
            is_unnoted: false,
            executed_at_ms: 0,
            effects: VecDeque::new(),
            stopped: None,
            config,
        };
        if let Some(repair) = recovered.repair {
            replica.emit(Effect::Persist(0, repair));
        }
        replica.replay()?;
        Ok(replica)
    }

    /// Checks and signs the restored state, then executes what is committed.
    fn replay(&mut self) -> Result<(), StartError> {
        let header = self.ledger.header().clone();
        check_replay(&self.cluster, &header, self.certified_before.as_ref())?;
        if header.height > BlockHeight::new(0) {
            self.note_executed(&header);
        }
        self.drive();
        self.stopped.take().map_or(Ok(()), |fatality| Err(fatality.into()))
    }

    /// The next thing to carry out. Inputs are only taken note of: it is here
    /// that a block is executed, once all effects before it were polled.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        while self.effects.is_empty() && self.advance() {}
        self.effects.pop_front()
    }

    /// Time passes. Call at least every [`ReplicaConfig::tick_ms`], and before
    /// other inputs whenever the clock read last is older than a few
    /// milliseconds.
    pub fn handle_tick(&mut self, now: Now) {
        if self.is_stopped() {
            return;
        }
        if self.now.is_none() {
            self.ticked_at_ms = now.monotonic_ms;
        }
        self.now = Some(now);
        self.clocks.hear(self.config.validator, now.wall, now);
        let due = now.monotonic_ms.saturating_sub(self.ticked_at_ms) / self.config.tick_ms;
        let ticks = due.min(TICKS_PER_CALL_MAX);
        (0..ticks).for_each(|_| self.engine.tick());
        // More than an election's worth is not owed.
        let skipped = (due - ticks).saturating_sub(u64::from(self.config.election_ticks));
        self.ticked_at_ms += (ticks + skipped) * self.config.tick_ms;
        if self.resigning && ticks > 0 {
            self.hand_over();
        }
        self.sign_at_rest(now);
        self.send_clock_notice(now);
    }

    /// The write of this number, and all before it, are durable. What is sent on that
    /// account does not wait for the execution of blocks that are under way.
    pub fn handle_persisted(&mut self, number: u64) {
        if !self.is_stopped() {
            self.engine.persisted(number);
            self.engine.take_released().into_iter().for_each(|message| self.send(message));
        }
    }

    /// The checkpoint at raft index `index` is durable.
    pub fn handle_checkpointed(&mut self, index: u64) {
        if !self.is_stopped() {
            let tail_bytes = self.checkpoints.saved(index);
            self.cut_log(index, tail_bytes);
        }
    }

    /// The files of the log take too much space, and this chain's entries keep
    /// them in place: saves a checkpoint now and cuts the whole log behind it.
    pub fn handle_space_wanted(&mut self) {
        if self.is_stopped() {
            return;
        }
        self.checkpoints.want_space();
        self.cut_log(self.checkpoints.durable(), 0);
        self.save_checkpoint_if_due();
    }

    /// A snapshot has left this node completely.
    pub fn handle_snapshot_sent(&mut self, to: u16) {
        if !self.is_stopped() {
            self.engine.snapshot_sent(to);
        }
    }

    /// A snapshot could not be sent; it is tried again.
    pub fn handle_snapshot_failed(&mut self, to: u16) {
        if !self.is_stopped() {
            self.engine.snapshot_failed(to);
        }
    }

    /// Messages to this validator are being lost.
    pub fn handle_peer_unreachable(&mut self, peer: u16) {
        if !self.is_stopped() {
            self.gone.extend(self.others().find(|other| *other == peer));
            self.engine.unreachable(peer);
        }
    }

    /// The process of this validator has ended, as its system tells; it may have
    /// been started again. Who follows it waits for it no longer.
    pub fn handle_peer_ended(&mut self, peer: u16) {
        if !self.is_stopped() && self.others().any(|other| other == peer) {
            self.gone.insert(peer);
            self.engine.peer_ended(peer);
        }
    }

    /// The executed state.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether so much of the log is not executed that nothing more should be taken
    /// in before: it would only wait in memory.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.engine.log().unapplied_bytes() > self.config.limits.unexecuted_bytes_max
    }

    /// Whether little is to be done: of the log at most so many bytes are not
    /// executed, and no checkpoint is near.
    #[must_use]
    pub fn is_at_rest(&self, bytes: usize) -> bool {
        self.engine.log().unapplied_bytes() <= bytes && !self.checkpoints.is_near()
    }

    /// Whether the next call of [`Replica::poll_effect`] executes a block, or signs one.
    #[must_use]
    pub fn is_about_to_execute(&self) -> bool {
        let executes = self.under_way.as_ref().is_some_and(UnderWay::executes);
        self.effects.is_empty() && (self.is_unnoted || executes)
    }

    /// Whether this replica leads, as far as it knows.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.engine.role().leads
    }

    /// Who leads, if known; index in the validator set.
    #[must_use]
    pub fn leader_hint(&self) -> Option<u16> {
        self.engine
            .role()
            .leader
            .filter(|leader| !self.resigning || *leader != self.config.validator)
    }

    /// How the replica is doing.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        let (role, log) = (self.engine.role(), self.engine.log());
        ReplicaStatus {
            term: role.term,
            leader: role.leader,
            commit: self.engine.commit(),
            leader_commit: self.engine.leader_commit(),
            applied: log.applied().index,
            height: self.ledger.header().height,
            last_certified: self.votes.last_certified(),
            log_first: log.first_index(),
            log_last: log.last_index(),
            pending_requests: self.pending.len(),
            pending_bytes: self.pending.bytes(),
            in_flight_blocks: self.in_flight.len(),
            pending_reads: self.reads.len(),
        }
    }

    pub(crate) fn emit(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(crate) fn reply(&mut self, request: RequestId, reply: Reply) {
        self.emit(Effect::Reply { request, reply });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Stops for ever.
    pub(crate) fn stop(&mut self, fatality: Fatality) {
        if self.stopped.is_none() {
            self.stopped = Some(fatality.clone());
            self.emit(Effect::Fatal(fatality));
        }
    }
}
