//! One node process: the replicas it hosts, its log and its archive, its life.
//!
//! A process may end at any moment, also between two effects of one step. Then
//! only its disk and its clock are left.

use std::collections::{BTreeMap, VecDeque};

use tributary_replica::store::Checkpoint;
use tributary_replica::{Replica, ReplicaConfig, Restored};
use tributary_types::ChainId;

use crate::clock::Clock;
use crate::event::Event;
use crate::hosted::Hosted;
use crate::mistakes;
use crate::prng::{Chance, Prng};
use crate::stage::Stage;
use crate::trace::Place;

/// How old the time may be that a replica was told last.
const CLOCK_AGE_US_MAX: u64 = 2_000;
/// Most writes that share one sync.
const WRITES_PER_SYNC_MAX: usize = 256;
/// Longest time until a process that ended is started again.
const RESTART_US_MAX: u64 = 3_000_000;
/// A start is tried with a mistake before.
const STARTS_WRONGLY: Chance = Chance::percent(25);
/// A state of another replica is saved, and the process ends before its log
/// follows; where processes end at all.
const ENDS_AFTER_STATE: Chance = Chance::percent(20);
/// A peer is told that the process has ended.
const END_IS_TOLD: Chance = Chance::percent(50);
/// How long that takes, where it is not late: then it may run again.
const END_TOLD_US_MAX: u64 = 150_000;
const END_TOLD_LATE: Chance = Chance::percent(20);
/// How long a stopping leader waits for another one.
const RESIGN_WAIT_US_MAX: u64 = 2_000_000;

/// See the module head.
pub struct Node {
    /// Its number.
    pub number: u16,
    /// Counts starts and ends; what belongs to an earlier life is dropped.
    pub life: u64,
    /// Its clocks.
    pub clock: Clock,
    /// Stands still until then.
    pub paused_until_us: u64,
    /// Whether it will never be started again.
    pub is_dead: bool,
    /// Its replicas; none while the process does not run.
    pub hosted: BTreeMap<ChainId, Hosted>,
    began_us: u64,
    /// Writes in the sync under way.
    pub(crate) syncing: usize,
    /// Checkpoints to be saved, oldest first.
    pub(crate) saving: VecDeque<(ChainId, Checkpoint, bool)>,
}

impl Node {
    /// A node whose process was never started.
    #[must_use]
    pub fn new(number: u16, stage: &Stage) -> Self {
        let mut prng = Prng::new(stage.scenario.seed).fork_nth("clock", u64::from(number));
        Self {
            number,
            life: 0,
            clock: Clock::new(&stage.scenario.profile.clock, &mut prng),
            paused_until_us: 0,
            is_dead: false,
            hosted: BTreeMap::new(),
            began_us: 0,
            syncing: 0,
            saving: VecDeque::new(),
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place::Node(self.number)
    }

    /// Whether the process runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        !self.hosted.is_empty()
    }

    /// Starts the process from what its disk holds, unless it runs.
    pub fn start(&mut self, stage: &mut Stage) {
        if self.runs() || self.is_dead {
            return;
        }
        self.life += 1;
        self.began_us = stage.now_us;
        self.syncing = 0;
        self.saving.clear();
        stage.note(self.place(), 0, "starts", [self.life, 0]);
        stage.disk(self.number).open();
        for (chain, validator) in stage.cluster.hosted(self.number).to_vec() {
            let config = stage.cluster.replica_config(&stage.scenario, chain, validator);
            let restored = stage.disk(self.number).restored(chain);
            if let Ok(restored) = &restored {
                self.start_wrongly(config.clone(), restored, stage);
            }
            let replica = restored.map_err(|corrupt| corrupt.to_string()).and_then(|restored| {
                let replica = Replica::new(config, &stage.cluster.genesis, restored);
                replica.map_err(|error| error.to_string())
            });
            match replica {
                Ok(replica) => {
                    stage.checks.started(self.number, chain);
                    self.hosted.insert(chain, Hosted::new(chain, validator, replica));
                }
                Err(error) => {
                    self.hosted.clear();
                    self.is_dead = stage.checks.refused_to_start(self.number, chain, &error);
                    stage.note(self.place(), chain.get(), "refuses to start", [self.life, 0]);
                    return;
                }
            }
        }
        for chain in self.chains() {
            self.tell_time(chain, stage);
            self.settle(chain, stage);
        }
    }

    /// Now and then somebody first starts it with a mistake, and is told so.
    fn start_wrongly(&self, mut config: ReplicaConfig, restored: &Restored, stage: &mut Stage) {
        let turn = u64::from(self.number) << 32 | self.life << 16 | u64::from(config.chain.get());
        let mut prng = Prng::new(stage.scenario.seed).fork_nth("mistake", turn);
        if !prng.happens(STARTS_WRONGLY) {
            return;
        }
        let (chain, mut restored) = (config.chain, restored.clone());
        let Some(mistake) = mistakes::at_start(&mut config, &mut restored, &mut prng) else {
            return;
        };
        match Replica::new(config, &stage.cluster.genesis, restored) {
            Ok(_) => {
                let text = format!("node {} starts chain {chain} with {mistake}", self.number);
                stage.checks.violate("restart", text);
            }
            Err(_) => stage.note(self.place(), chain.get(), "started wrongly", [self.life, 0]),
        }
    }

    /// The process ends without warning and is started again later.
    pub fn crash(&mut self, stage: &mut Stage) {
        let delay_us = stage.process_prng.between(1_000, RESTART_US_MAX);
        self.end(stage);
        stage.after(delay_us, Event::Start { node: self.number });
    }

    /// The process ends.
    pub fn end(&mut self, stage: &mut Stage) {
        if !self.runs() {
            return;
        }
        stage.note(self.place(), 0, "ends", [self.life, self.saving.len() as u64]);
        self.life += 1;
        self.hosted.clear();
        self.paused_until_us = 0;
        // The archive may have got as far as replacing the checkpoint.
        if let Some((chain, checkpoint, complete)) = self.saving.pop_front()
            && stage.process_prng.below(2) == 0
        {
            stage.disk(self.number).save(chain, &checkpoint, complete);
        }
        self.saving.clear();
        self.tell_peers(stage);
        let Stage { disks, process_prng, .. } = stage;
        if let Some(disk) = disks.get_mut(usize::from(self.number)) {
            disk.crash(process_prng);
        }
    }

    /// Peers hear from the system that the process has ended, or do not.
    fn tell_peers(&self, stage: &mut Stage) {
        for (chain, peer) in stage.cluster.hosted(self.number).to_vec() {
            for other in (0..stage.cluster.replicas()).filter(|other| *other != peer) {
                if stage.process_prng.happens(END_IS_TOLD) {
                    let is_late = stage.process_prng.happens(END_TOLD_LATE);
                    let longest = if is_late { RESTART_US_MAX } else { END_TOLD_US_MAX };
                    let delay_us = stage.process_prng.between(1_000, longest);
                    let node = stage.cluster.home(chain, other);
                    stage.after(delay_us, Event::Ended { node, chain, peer });
                }
            }
        }
    }

    /// The process is asked to stop: leaders hand over, then it ends.
    pub fn stop(&mut self, stage: &mut Stage) {
        stage.note(self.place(), 0, "stops", [self.life, 0]);
        for chain in self.chains() {
            self.input(chain, stage, |hosted, _| hosted.replica.handle_resign());
        }
        let wait_us = stage.process_prng.between(RESIGN_WAIT_US_MAX / 10, RESIGN_WAIT_US_MAX);
        let (node, life) = (self.number, self.life);
        stage.after(wait_us / 2, Event::Leave { node, life });
        stage.after(wait_us, Event::End { node, life });
    }

    /// Leaders have had time to hand over: what was executed is saved. Who has
    /// nothing to save, or hears nobody to wait for, ends at once.
    pub fn leave(&mut self, stage: &mut Stage) {
        for chain in self.chains() {
            self.input(chain, stage, |hosted, _| hosted.replica.handle_checkpoint_wanted());
        }
        let is_done =
            |hosted: &Hosted| hosted.replica.is_checkpointed() || !hosted.replica.hears_quorum();
        if self.runs() && self.hosted.values().all(is_done) {
            self.crash(stage);
        }
    }

    /// A thread has waited long enough.
    pub fn wake(&mut self, chain: ChainId, stage: &mut Stage) {
        let is_due =
            self.hosted.get(&chain).is_some_and(|hosted| hosted.wake_at_us <= stage.now_us);
        if is_due {
            self.input(chain, stage, |_, _| {});
        }
    }

    /// A snapshot has left, or could not.
    pub fn snapshot_left(&mut self, chain: ChainId, to: u16, left: bool, stage: &mut Stage) {
        self.input(chain, stage, |hosted, _| {
            if left {
                hosted.replica.handle_snapshot_sent(to);
            } else {
                hosted.replica.handle_snapshot_failed(to);
            }
        });
    }

    /// The log's files take too much space.
    pub fn want_space(&mut self, stage: &mut Stage) {
        for chain in self.chains() {
            self.input(chain, stage, |hosted, _| hosted.replica.handle_space_wanted());
        }
    }

    /// The sync under way ends: well, or the process with it.
    pub fn synced(&mut self, count: usize, stage: &mut Stage) {
        let done = self.sync(count, stage);
        self.syncing = 0;
        self.sync_next(stage);
        for (chain, number) in done {
            self.input(chain, stage, |hosted, _| hosted.replica.handle_persisted(number));
        }
    }

    /// Makes the oldest writes durable, or ends the process; whose they are, with
    /// their numbers.
    pub(crate) fn sync(&mut self, count: usize, stage: &mut Stage) -> Vec<(ChainId, u64)> {
        let fails =
            !stage.healing && stage.process_prng.happens(stage.scenario.profile.disk.sync_fails);
        if fails || stage.disk(self.number).troubles.full > 0 {
            stage.note(self.place(), 0, "log write fails", [count as u64, 0]);
            self.crash(stage);
            return Vec::new();
        }
        stage.disk(self.number).sync(count)
    }

    /// The archive has saved its oldest checkpoint, or the process ends.
    pub fn saved(&mut self, stage: &mut Stage) {
        let fails = !stage.healing
            && stage.process_prng.happens(stage.scenario.profile.disk.checkpoint_fails);
        if fails || stage.disk(self.number).troubles.full > 0 {
            stage.note(self.place(), 0, "checkpoint fails", [0, 0]);
            self.crash(stage);
            return;
        }
        let Some((chain, checkpoint, complete)) = self.saving.pop_front() else { return };
        stage.note(
            self.place(),
            chain.get(),
            "checkpoint",
            [checkpoint.index, checkpoint.header.height.get()],
        );
        stage.disk(self.number).save(chain, &checkpoint, complete);
        if let Some(hosted) = self.hosted.get(&chain) {
            stage.checks.saved(self.number, chain, hosted.replica.status().log_last);
        }
        let may_end = stage.scenario.profile.crash_between_effects != Chance::NEVER;
        if complete && may_end && !stage.healing && stage.process_prng.happens(ENDS_AFTER_STATE) {
            stage.note(self.place(), chain.get(), "killed after a state was saved", [0, 0]);
            self.crash(stage);
            return;
        }
        self.save_next(stage);
        self.input(chain, stage, |hosted, _| hosted.replica.handle_checkpointed(checkpoint.index));
    }

    /// Begins the next sync if writes wait and none is under way.
    pub(crate) fn sync_next(&mut self, stage: &mut Stage) {
        let disk = stage.disk(self.number);
        let (waiting, slower_us) = (disk.unsynced(), disk.troubles.slower_us);
        if self.syncing > 0 || waiting == 0 {
            return;
        }
        self.syncing = waiting.min(WRITES_PER_SYNC_MAX);
        let manners = stage.scenario.profile.disk;
        let longest = if stage.healing { manners.sync_us_min * 4 } else { manners.sync_us_max };
        let delay_us = slower_us + stage.process_prng.between(manners.sync_us_min, longest);
        let (node, life, count) = (self.number, self.life, self.syncing);
        stage.after(delay_us, Event::Synced { node, life, count });
    }

    /// Begins to save the oldest checkpoint that waits.
    pub(crate) fn save_next(&mut self, stage: &mut Stage) {
        if self.saving.is_empty() {
            return;
        }
        let longest = stage.scenario.profile.disk.checkpoint_us_max;
        let delay_us = stage.process_prng.between(longest / 10, longest);
        stage.after(delay_us, Event::Saved { node: self.number, life: self.life });
    }

    /// What is hosted, ascending.
    pub(crate) fn chains(&self) -> Vec<ChainId> {
        self.hosted.keys().copied().collect()
    }

    /// Tells the time, gives one input, carries out what follows.
    pub(crate) fn input(
        &mut self,
        chain: ChainId,
        stage: &mut Stage,
        act: impl FnOnce(&mut Hosted, &mut Stage),
    ) {
        self.tell_time(chain, stage);
        let Some(hosted) = self.hosted.get_mut(&chain) else { return };
        act(hosted, stage);
        self.settle(chain, stage);
    }

    fn tell_time(&mut self, chain: ChainId, stage: &mut Stage) {
        let now = self.clock.now(stage.now_us, self.began_us);
        let Some(hosted) = self.hosted.get_mut(&chain) else { return };
        let is_fresh = hosted.told_at_us.is_some_and(|told| stage.now_us < told + CLOCK_AGE_US_MAX);
        if !is_fresh {
            hosted.told_at_us = Some(stage.now_us);
            hosted.replica.handle_tick(now);
            self.carry_out_effects(chain, stage);
        }
    }

    /// Carries effects out, then waits for the next input.
    fn settle(&mut self, chain: ChainId, stage: &mut Stage) {
        let goes_on = self.carry_out_effects(chain, stage);
        let wall = self.clock.now(stage.now_us, self.began_us).wall;
        let tick_us = stage.scenario.tick_ms * 1_000;
        let (node, life) = (self.number, self.life);
        let Some(hosted) = self.hosted.get_mut(&chain) else { return };
        let due = hosted.replica.ledger().next_due().filter(|_| hosted.replica.is_leader());
        let until_due = due.map(|due| (due.since_ms(wall) * 1_000).max(CLOCK_AGE_US_MAX));
        let idle = until_due.map_or(tick_us, |until_due| until_due.min(tick_us));
        let patience = goes_on.unwrap_or(idle);
        let wake_at_us = stage.now_us + patience;
        if hosted.wake_at_us <= stage.now_us || wake_at_us < hosted.wake_at_us {
            hosted.wake_at_us = wake_at_us;
            stage.after(patience, Event::Wake { node, life, chain });
        }
    }
}
