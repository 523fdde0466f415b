//! A chain's replica in its process: inputs, ticks, orderly stop. What the replica
//! asks for is carried out in [`super::effects`], who drives it says [`super::seat`].

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender, never, select_biased};
use thiserror::Error;
use tokio::sync::watch;
use tributary_chain::Header;
use tributary_replica::store::StorageFault;
use tributary_replica::{Effect, Fatality, Now, Replica, RequestId};
use tributary_types::{AccountId, ChainId, TimeMs};
use tributary_wire::node::Submitted;

use super::capture::Captures;
use super::effects::Progress;
use super::input::{Answered, AsOf, Ask, Completion, DeliveryResult, Found, PeerInput, Request};
use super::measured::ChainMetrics;
use super::published::{CertifiedView, Published, Snapshot};
use crate::archive::ArchiveJob;
use crate::archive::blocks::BlockReader;
use crate::archive::missing::MissingBlocks;
use crate::log::{LogJob, SharedLog};
use crate::network::PeerNetwork;
use crate::server::refusals::Refusals;
use crate::stop::{Stop, StopState};

/// How long a stopping leader waits for another one.
const RESIGN_WAIT_MS_MAX: u64 = 2_000;
/// How long a stopping replica waits for its checkpoint.
const CHECKPOINT_WAIT_MS_MAX: u64 = 5_000;
/// How old the time may be that the replica was told last.
const CLOCK_AGE_MS_MAX: u64 = 2;
/// Inputs that are taken before effects are carried out again, at most.
const INPUTS_MAX: usize = 64;
/// How often gauges are renewed.
const MEASURE_INTERVAL_MS: u64 = 100;

/// What comes in.
#[derive(Debug, Clone)]
pub struct Queues {
    /// From log, archive and network.
    pub completions: Receiver<Completion>,
    /// From other validators.
    pub peers: Receiver<PeerInput>,
    /// From the server.
    pub requests: Receiver<Request>,
    /// From maintenance: the log's files take too much space. At most one waits.
    pub space_wanted: Receiver<()>,
}

/// Where effects go.
pub struct Outputs {
    /// The log, to write oneself.
    pub log: Arc<SharedLog>,
    /// To the log's thread.
    pub log_jobs: Sender<LogJob>,
    /// To the archive's thread.
    pub archive: Sender<ArchiveJob>,
    /// Back to this thread; cloned into jobs.
    pub completed: Sender<Completion>,
    /// To other validators.
    pub network: PeerNetwork,
    /// To readers of blocks.
    pub reader: Arc<BlockReader>,
    /// To the backfill.
    pub missing: Arc<MissingBlocks>,
    /// To whoever looks.
    pub published: Arc<Published>,
    /// To relays' requests and to proofs.
    pub certified: watch::Sender<Option<Arc<CertifiedView>>>,
    /// Where refused messages of peers are noted.
    pub refusals: Arc<Refusals>,
}

impl Queues {
    /// Whether nothing waits for the thread.
    pub(super) fn are_empty(&self) -> bool {
        self.completions.is_empty() && self.peers.is_empty() && self.requests.is_empty()
    }

    /// Whether space is wanted in the log, which is taken. Looked at each tick: it is
    /// not urgent enough to wake the thread for it.
    pub(super) fn take_space_wanted(&self) -> bool {
        self.space_wanted.try_recv().is_ok()
    }
}

/// Why a chain's thread cannot go on.
#[derive(Debug, Error)]
pub enum ChainFault {
    /// The replica stopped for ever; the evidence is in the sentence.
    #[error("chain {chain}: {fatality}")]
    Stopped {
        /// The chain.
        chain: ChainId,
        /// What happened.
        fatality: Fatality,
    },
    /// The log, which this thread wrote to itself.
    #[error(transparent)]
    Storage(StorageFault),
}

/// Why the thread does nothing more.
pub(super) enum End {
    /// The replica stopped for ever.
    Fatal(Fatality),
    /// The log failed.
    Storage(StorageFault),
    /// The thread of log or archive has ended; it tells why itself.
    Gone,
}

/// A chain's replica, with all that its thread has.
pub struct ChainThread {
    pub(super) chain: ChainId,
    pub(super) validator: u16,
    pub(super) replica: Replica,
    pub(super) queues: Queues,
    pub(super) outputs: Outputs,
    /// Requests that the replica has and will answer once each; it bounds them.
    pub(super) waiting: HashMap<RequestId, Waiting>,
    /// Writes that the log's thread has and has not answered.
    pub(super) writes_under_way: usize,
    pub(super) captures: Captures,
    pub(super) metrics: ChainMetrics,
    /// A whole state that is being saved: its raft index and its header. It may
    /// have been received.
    pub(super) saving: Option<(u64, Header)>,
    /// Whether a guest drives.
    pub(super) is_guest: bool,
    /// An effect that a guest has left.
    pub(super) left: Option<Effect>,
    /// Why a guest could not go on.
    pub(super) ended: Option<End>,
    pub(super) stop: Arc<Stop>,
    pub(super) progress: Progress,
    /// When the thread will have waited long enough.
    pub(super) wakes_at: Instant,
    next_request: u64,
    tick: Duration,
    started: Instant,
    /// When the replica was told the time last.
    told_at: Option<Instant>,
    next_measure: Instant,
}

/// Who waits for a request of the replica.
pub(super) enum Waiting {
    Submit { received: Instant, reply: Answered<Submitted> },
    Deliver { reply: Answered<DeliveryResult> },
    Ask { ask: Ask, reply: Answered<(AsOf, Found)> },
}

impl ChainThread {
    /// A thread for a replica that has been restored, ticking every `tick`.
    #[must_use]
    pub fn new(
        replica: Replica,
        validator: u16,
        tick: Duration,
        queues: Queues,
        outputs: Outputs,
        stop: Arc<Stop>,
    ) -> Self {
        let chain = replica.ledger().chain();
        let mut captures = Captures::default();
        captures.capture(replica.ledger());
        Self {
            chain,
            validator,
            metrics: ChainMetrics::new(replica.ledger()),
            replica,
            queues,
            outputs,
            waiting: HashMap::new(),
            writes_under_way: 0,
            captures,
            saving: None,
            is_guest: false,
            left: None,
            ended: None,
            stop,
            progress: Progress::Busy,
            wakes_at: Instant::now(),
            next_request: 0,
            tick,
            started: Instant::now(),
            told_at: None,
            next_measure: Instant::now(),
        }
    }

    /// Takes inputs that wait and does what follows, for some time. How long to wait
    /// for the next input then; none while there is more to do.
    pub(super) fn step(&mut self) -> Result<Option<Duration>, End> {
        self.tell_time();
        self.take_inputs(Duration::ZERO);
        self.progress = self.carry_out_effects()?;
        self.publish();
        let patience = self.patience();
        self.wakes_at = Instant::now() + patience;
        Ok((self.progress == Progress::Idle).then_some(patience))
    }

    /// Stops in order: finishes what is under way, hands leadership over, saves
    /// a checkpoint. Whoever still waits afterwards hears that the outcome is
    /// unknown.
    pub(super) fn leave(&mut self) -> Result<(), End> {
        self.replica.handle_resign();
        let is_alone = self.replica.ledger().validator_set().keys().len() == 1;
        self.work_until(RESIGN_WAIT_MS_MAX, |thread| {
            let has_handed_over = is_alone || !thread.replica.is_leader();
            // Without a quorum nothing is finished, and nobody takes over.
            (thread.waiting.is_empty() && has_handed_over) || !thread.replica.hears_quorum()
        })?;
        // What peers say from now on would be more to save.
        self.queues.peers = never();
        self.queues.requests = never();
        self.replica.handle_checkpoint_wanted();
        self.work_until(CHECKPOINT_WAIT_MS_MAX, |thread| thread.replica.is_checkpointed())?;
        if !self.replica.is_checkpointed() {
            tracing::warn!(chain = %self.chain, "no checkpoint at the stop: it took too long");
        }
        Ok(())
    }

    /// Goes on until `is_done`, for some time at most.
    fn work_until(&mut self, wait_ms: u64, is_done: impl Fn(&Self) -> bool) -> Result<(), End> {
        let deadline = Instant::now() + Duration::from_millis(wait_ms);
        loop {
            self.tell_time();
            self.progress = self.carry_out_effects()?;
            self.publish();
            let is_over = Instant::now() >= deadline || self.stop.state() == StopState::Killed;
            if is_over || is_done(self) {
                return Ok(());
            }
            self.take_inputs(self.patience());
        }
    }

    /// Has the replica know the time, to a few milliseconds.
    pub(super) fn tell_time(&mut self) {
        let now = Instant::now();
        let age = self.told_at.map(|told| now.duration_since(told));
        if age.is_some_and(|age| age < Duration::from_millis(CLOCK_AGE_MS_MAX)) {
            return;
        }
        self.told_at = Some(now);
        self.replica.handle_tick(self.now());
        if now >= self.next_measure {
            self.next_measure = now + Duration::from_millis(MEASURE_INTERVAL_MS);
            self.metrics.measure(&self.replica, &self.queues);
        }
    }

    /// How long to wait for an input: a tick, or less if the ledger has work
    /// due by time before that.
    pub(super) fn patience(&self) -> Duration {
        let due = self.replica.ledger().next_due().filter(|_| self.replica.is_leader());
        let until_due = due.map(|due| due.since_ms(wall_clock()).max(CLOCK_AGE_MS_MAX));
        until_due.map_or(self.tick, |due| self.tick.min(Duration::from_millis(due)))
    }

    /// Takes what has come, while there is more to do; else waits for the next input.
    fn take_inputs(&mut self, wait: Duration) {
        if self.queues.take_space_wanted() {
            self.replica.handle_space_wanted();
        }
        match self.progress {
            Progress::Idle => self.take_input(wait),
            Progress::Busy => {
                let mut left = INPUTS_MAX;
                while left > 0 && !self.queues.are_empty() {
                    self.take_input(Duration::ZERO);
                    left -= 1;
                }
            }
        }
    }

    /// Handles what has come first, or waits for it. What this process itself
    /// has finished goes first, clients last.
    fn take_input(&mut self, wait: Duration) {
        select_biased! {
            recv(self.queues.completions) -> done => if let Ok(done) = done {
                self.complete(done);
            },
            recv(self.queues.peers) -> input => if let Ok(input) = input {
                self.take_peer(input);
            },
            recv(self.queues.requests) -> request => if let Ok(request) = request {
                self.take_request(request);
            },
            default(wait) => {}
        }
    }

    fn complete(&mut self, done: Completion) {
        match done {
            Completion::Persisted(number) => {
                self.writes_under_way -= 1;
                self.replica.handle_persisted(number);
            }
            Completion::Checkpointed(index) => {
                self.replica.handle_checkpointed(index);
                if let Some((_, header)) = self.saving.take_if(|(saving, _)| *saving <= index) {
                    self.outputs.missing.state_is_at(header);
                }
            }
            Completion::SnapshotSent(to) => self.replica.handle_snapshot_sent(to),
            Completion::SnapshotFailed(to) => self.replica.handle_snapshot_failed(to),
        }
    }

    pub(super) fn take_peer(&mut self, input: PeerInput) {
        let (from, message) = match input {
            PeerInput::Message { from, message } => (from, message),
            PeerInput::Ended(peer) => return self.replica.handle_peer_ended(peer),
        };
        if let Err(error) = self.replica.handle_peer(from, message) {
            let peer = format!("validator {from} of chain {}", self.chain);
            self.outputs.refusals.note(&peer, &error.to_string());
        }
    }

    pub(super) fn take_request(&mut self, request: Request) {
        match request {
            Request::Submit { batch, received, reply } => {
                let id = self.open(Waiting::Submit { received, reply });
                self.replica.handle_submit(id, *batch);
            }
            Request::Deliver { delivery, reply } => {
                let id = self.open(Waiting::Deliver { reply });
                self.replica.handle_delivery(id, *delivery);
            }
            Request::Ask { ask, reply } => self.take_read(ask, reply),
            Request::Owners { accounts, reply } => {
                let ledger = self.replica.ledger();
                let owner = |account: AccountId| ledger.account(&account)?.owner;
                let owners = accounts.into_iter().map(|account| account.and_then(owner)).collect();
                self.answer(reply, Ok(owners));
            }
            Request::CertificateWanted => self.replica.handle_certificate_wanted(),
            Request::Messages { range, reply } => self.answer(reply, Ok(self.messages(range))),
        }
    }

    /// Of an id that the clocks no longer admit, an idle chain shall not say that
    /// it may still come.
    fn take_read(&mut self, ask: Ask, reply: Answered<(AsOf, Found)>) {
        let window_back_ms = self.replica.ledger().parameters().id_window_back_ms;
        let after = match &ask {
            Ask::Payment(id) => Some(id.time().plus_ms(window_back_ms)),
            _ => None,
        };
        let request = self.open(Waiting::Ask { ask, reply });
        match after {
            Some(after) => self.replica.handle_read_after(request, after),
            None => self.replica.handle_read(request),
        }
    }

    fn open(&mut self, waiting: Waiting) -> RequestId {
        let id = RequestId(self.next_request);
        self.next_request += 1;
        self.waiting.insert(id, waiting);
        id
    }

    fn now(&self) -> Now {
        Now { wall: wall_clock(), monotonic_ms: millis(self.started.elapsed()) }
    }

    pub(super) fn publish(&self) {
        let time = self.replica.ledger().header().time;
        self.outputs.published.set(Snapshot { status: self.replica.status(), time });
    }
}

/// A clock set before 1970 reads zero; the others of the chain outvote it.
fn wall_clock() -> TimeMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    TimeMs::new(millis(since_epoch.unwrap_or_default()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
