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
//! Call order: any `handle_*`, then [`Replica::poll_effect`] until it is empty;
//! carry effects out in that order. [`Replica::handle_tick`] comes before all
//! other inputs, since it tells the time.
//!
//! Guarantees:
//! - A receipt is given for a block that is durable on a quorum, executed here.
//! - Every request gets exactly one reply, unless the replica stops.
//! - A deposed leader acknowledges nothing: what it had in flight is `Unknown`.
//! - Equal inputs give equal effects: no clock, randomness or hash order.
//! - After [`Effect::Fatal`] nothing is done any more.
//!
//! It lacks membership changes, and it verifies no batch signatures: the host
//! does, on many cores.

use std::collections::VecDeque;
use std::sync::Arc;

use tributary_chain::{Certificate, Header};
use tributary_ledger::{Genesis, Ledger};
use tributary_types::{BlockHeight, Hash, TimeMs};

use crate::checkpoints::Checkpoints;
use crate::clock::Clocks;
use crate::config::{ReplicaConfig, Restored, StartError};
use crate::effect::{Effect, Fatality, Now, PeerError, ReplicaStatus, Reply, RequestId};
use crate::engine::{Engine, EngineConfig, raft_id};
use crate::log::LogPosition;
use crate::peer::{ClockNotice, HeaderVote, PeerMessage};
use crate::pending::{InFlight, Pending};
use crate::raft_codec::RaftMessage;
use crate::reads::Reads;
use crate::recovery::{check_replay, recover_ledger, recover_log};
use crate::snapshot::Offered;
use crate::votes::{Tallied, Votes};

/// Milliseconds between the clock notices that a replica sends.
pub const CLOCK_INTERVAL_MS: u64 = 250;
/// Raft ticks made up for at most in one call; a process that slept longer
/// first reads its messages before it takes the silence for a dead leader.
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
    noticed_at_ms: Option<u64>,
    /// Block time after all blocks in flight, as this leader expects it.
    pub(crate) expected_time: TimeMs,
    /// Set by [`Replica::handle_resign`]: nothing new is accepted.
    pub(crate) resigning: bool,
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
        check_settings(&config)?;
        let executed = restored.checkpoint.as_ref().map_or(LogPosition::default(), |checkpoint| {
            LogPosition { index: checkpoint.index, term: checkpoint.term }
        });
        let is_saved = restored.checkpoint.is_some();
        let ledger = recover_ledger(genesis, config.chain, restored.checkpoint)?;
        let validators = ledger.validator_set().keys().len();
        check_identity(&config, &ledger)?;
        let recovered = recover_log(config.chain, validators, executed, restored.log)?;
        let engine_config = EngineConfig {
            chain: config.chain,
            validator: config.validator,
            election_ticks: config.election_ticks,
            heartbeat_ticks: config.heartbeat_ticks,
            snapshot_install_ticks_max: config.limits.snapshot_install_ticks_max,
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
            checkpoints: Checkpoints::new(config.limits, is_saved),
            offered: None,
            certified_before,
            now: None,
            ticked_at_ms: 0,
            noticed_at_ms: None,
            expected_time: TimeMs::default(),
            resigning: false,
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
            self.sign(&header);
        }
        self.drive();
        self.stopped.take().map_or(Ok(()), |fatality| Err(fatality.into()))
    }

    /// The next thing to carry out.
    pub fn poll_effect(&mut self) -> Option<Effect> {
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
        for _ in 0..due.min(TICKS_PER_CALL_MAX) {
            self.engine.tick();
            self.drive();
        }
        // Ticks beyond the most are skipped, not owed.
        self.ticked_at_ms += due * self.config.tick_ms;
        if self.resigning && due > 0 && self.is_leader() {
            self.engine.transfer_leadership();
        }
        self.send_clock_notice(now);
        self.drive();
    }

    /// A message of another validator; `from` is the index that its
    /// certificate proves.
    ///
    /// # Errors
    /// [`PeerError`]: the message was refused and nothing was changed.
    pub fn handle_peer(&mut self, from: u16, message: PeerMessage) -> Result<(), PeerError> {
        if self.is_stopped() {
            return Ok(());
        }
        let validators = self.ledger.validator_set().keys().len();
        if usize::from(from) >= validators || from == self.config.validator {
            return Err(PeerError::UnknownValidator(from));
        }
        match message {
            PeerMessage::Raft(RaftMessage(message)) => {
                self.check_addresses(from, &message)?;
                if message.has_snapshot() {
                    return Err(PeerError::Raft("a snapshot without its state"));
                }
                self.engine.step(message).map_err(PeerError::Raft)?;
            }
            PeerMessage::Vote(vote) => self.receive_vote(from, &vote)?,
            PeerMessage::Clock(notice) => self.receive_notice(from, notice),
            PeerMessage::Snapshot(message) => self.receive_snapshot(from, *message)?,
        }
        self.drive();
        Ok(())
    }

    /// The write of this number, and all before it, are durable.
    pub fn handle_persisted(&mut self, number: u64) {
        if !self.is_stopped() {
            self.engine.persisted(number);
            self.drive();
        }
    }

    /// The checkpoint at raft index `index` is durable.
    pub fn handle_checkpointed(&mut self, index: u64) {
        if !self.is_stopped() {
            self.checkpoints.saved(index);
            self.engine.checkpointed(index, self.config.limits.log_tail_bytes);
            self.drive();
        }
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
            self.drive();
        }
    }

    /// Messages to this validator are being lost.
    pub fn handle_peer_unreachable(&mut self, peer: u16) {
        if !self.is_stopped() {
            self.engine.unreachable(peer);
            self.drive();
        }
    }

    /// Orderly shutdown: hands leadership over and accepts no more requests.
    /// Blocks in flight are still answered. Stop the process when
    /// [`Replica::is_leader`] is false, or after a while.
    pub fn handle_resign(&mut self) {
        if self.is_stopped() {
            return;
        }
        self.resigning = true;
        if self.is_leader() {
            self.refuse_waiting();
            self.engine.transfer_leadership();
        }
        self.drive();
    }

    /// The executed state.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
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

    /// The highest header that is certified here.
    #[must_use]
    pub fn last_certificate(&self) -> Option<&(Header, Certificate)> {
        self.votes.last_certificate()
    }

    /// How the replica is doing.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        let (role, log) = (self.engine.role(), self.engine.log());
        ReplicaStatus {
            term: role.term,
            leader: role.leader,
            commit: self.engine.commit(),
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

    /// Sends to every other validator.
    pub(crate) fn send_to_all(&mut self, message: &PeerMessage) {
        let validators = self.ledger.validator_set().keys().len();
        for to in (0..validators).filter_map(|index| u16::try_from(index).ok()) {
            if to != self.config.validator {
                self.emit(Effect::Send { to, message: message.clone() });
            }
        }
    }

    /// Signs a header that was executed here, and counts the signature.
    pub(crate) fn sign(&mut self, header: &Header) {
        let (vote, tallied) = self.votes.executed(header, header.hash(&self.cluster));
        if let Some(vote) = vote {
            self.send_to_all(&PeerMessage::Vote(vote));
        }
        self.act_on(tallied);
    }

    pub(crate) fn check_addresses(
        &self,
        from: u16,
        message: &raft::eraftpb::Message,
    ) -> Result<(), PeerError> {
        for (expected, found) in [(from, message.from), (self.config.validator, message.to)] {
            if found != raft_id(expected) {
                let found = found.wrapping_sub(1);
                return Err(PeerError::WrongValidator { expected, found });
            }
        }
        Ok(())
    }

    fn receive_vote(&mut self, from: u16, vote: &HeaderVote) -> Result<(), PeerError> {
        if vote.vote.validator != from {
            let found = u64::from(vote.vote.validator);
            return Err(PeerError::WrongValidator { expected: from, found });
        }
        let height = vote.height;
        let tallied =
            self.votes.received(vote).map_err(|error| PeerError::Vote { height, error })?;
        self.act_on(tallied);
        Ok(())
    }

    fn receive_notice(&mut self, from: u16, notice: ClockNotice) {
        if let Some(now) = self.now {
            self.clocks.hear(from, notice.wall, now);
        }
        let votes: Vec<_> = self.votes.votes_above(notice.certified_through).collect();
        for vote in votes {
            self.emit(Effect::Send { to: from, message: PeerMessage::Vote(vote) });
        }
    }

    fn act_on(&mut self, tallied: Tallied) {
        match tallied {
            Tallied::Open => {}
            Tallied::Certified(header, certificate) => {
                self.emit(Effect::Certified { header, certificate });
            }
            Tallied::Diverged(fatality) => self.stop(fatality),
        }
    }

    /// Has the next tick send a clock notice: a new leader needs it.
    pub(crate) fn notice_soon(&mut self) {
        self.noticed_at_ms = None;
    }

    fn send_clock_notice(&mut self, now: Now) {
        let due = |last: u64| now.monotonic_ms >= last.saturating_add(CLOCK_INTERVAL_MS);
        if self.noticed_at_ms.is_none_or(due) {
            self.noticed_at_ms = Some(now.monotonic_ms);
            let certified_through = self.votes.certified_through();
            self.send_to_all(&PeerMessage::Clock(ClockNotice {
                wall: now.wall,
                certified_through,
            }));
        }
    }
}

fn check_settings(config: &ReplicaConfig) -> Result<(), StartError> {
    let wrong = |text: &str| Err(StartError::Setting(text.to_owned()));
    if config.tick_ms == 0 || config.heartbeat_ticks == 0 {
        return wrong("tick_ms and heartbeat_ticks must be at least 1");
    }
    if config.election_ticks <= config.heartbeat_ticks {
        return wrong("election_ticks must be above heartbeat_ticks");
    }
    if config.limits.in_flight_blocks_max == 0 {
        return wrong("in_flight_blocks_max must be at least 1");
    }
    Ok(())
}

fn check_identity(config: &ReplicaConfig, ledger: &Ledger) -> Result<(), StartError> {
    let (keys, validator) = (ledger.validator_set().keys(), config.validator);
    let Some(expected) = keys.get(usize::from(validator)).copied() else {
        let (chain, count) = (config.chain, keys.len());
        return Err(StartError::UnknownValidator { chain, validator, count });
    };
    let found = config.key.public();
    if found != expected {
        return Err(StartError::WrongKey { validator, expected, found });
    }
    Ok(())
}
