//! A whole chain in one thread: virtual time, network and disks, one seed.
//!
//! Messages cross the network as bytes, are delayed by a few milliseconds
//! each, so they overtake one another, and may be lost. Writes become durable
//! some milliseconds later, unless a crash comes first. Two things hold always
//! and are checked at every step: replicas agree on every header, and a request
//! gets at most one reply.

use std::collections::{BTreeMap, BTreeSet};

use tributary_chain::{Batch, Delivery};
use tributary_ledger::Genesis;
use tributary_replica::store::Checkpoint;
use tributary_replica::{Fatality, Replica, ReplicaConfig, Reply, RequestId, StartError};
use tributary_types::{BlockHeight, Hash, TimeMs};

use crate::disk::Disk;
use crate::fixture::{START, config, genesis, open_and_issue};

/// The network's manners.
#[derive(Clone, Copy)]
pub struct Network {
    pub delay_ms_max: u64,
    /// Messages lost of a thousand.
    pub loss_permille: u64,
}

pub enum Event {
    Tick,
    Arrive { from: u16, bytes: Vec<u8> },
    Synced { number: u64 },
    Saved { checkpoint: Box<Checkpoint>, complete: bool },
    SnapshotLeft { to: u16, arrived: bool },
}

pub struct Node {
    pub replica: Option<Replica>,
    pub config: ReplicaConfig,
    pub genesis: Genesis,
    pub disk: Disk,
    /// Counts starts; events of an earlier life are dropped.
    pub life: u64,
    pub wall_skew_ms: i64,
    pub fatality: Option<Fatality>,
    /// Header hashes certified in this or an earlier life.
    pub certified: BTreeMap<BlockHeight, Hash>,
}

pub struct Cluster {
    pub genesis: Genesis,
    pub network: Network,
    pub replies: BTreeMap<RequestId, Reply>,
    pub nodes: Vec<Node>,
    pub events: BTreeMap<(u64, u64), (u16, u64, Event)>,
    pub now_ms: u64,
    pub sequence: u64,
    pub random: u64,
    pub cut: BTreeSet<(u16, u16)>,
    pub agreed: BTreeMap<BlockHeight, Hash>,
    pub next_request: u64,
    /// The last snapshot sent to each validator, as bytes.
    pub snapshots: BTreeMap<u16, Vec<u8>>,
    /// Every message sent, if set: from, to, bytes.
    pub tap: Option<Vec<(u16, u16, Vec<u8>)>>,
    /// A running hash over everything that happened.
    pub trace: u64,
}

impl Cluster {
    pub fn new(validators: u16, seed: u64) -> Self {
        Self::with_configs((0..validators).map(config).collect(), seed)
    }

    pub fn with_configs(configs: Vec<ReplicaConfig>, seed: u64) -> Self {
        let genesis = genesis(u16::try_from(configs.len()).unwrap());
        let node = |config| Node {
            replica: None,
            config,
            genesis: genesis.clone(),
            disk: Disk::default(),
            life: 0,
            wall_skew_ms: 0,
            fatality: None,
            certified: BTreeMap::new(),
        };
        let nodes: Vec<_> = configs.into_iter().map(node).collect();
        let mut cluster = Self {
            genesis,
            network: Network { delay_ms_max: 5, loss_permille: 0 },
            replies: BTreeMap::new(),
            nodes,
            events: BTreeMap::new(),
            now_ms: 0,
            sequence: 0,
            random: seed,
            cut: BTreeSet::new(),
            agreed: BTreeMap::new(),
            next_request: 0,
            snapshots: BTreeMap::new(),
            tap: None,
            trace: 0,
        };
        for validator in cluster.validators() {
            cluster.start(validator).unwrap();
        }
        cluster
    }

    pub fn validators(&self) -> impl Iterator<Item = u16> + use<> {
        0..u16::try_from(self.nodes.len()).unwrap()
    }

    pub fn replica(&self, validator: u16) -> &Replica {
        self.nodes[usize::from(validator)].replica.as_ref().unwrap()
    }

    pub fn disk(&mut self, validator: u16) -> &mut Disk {
        &mut self.node(validator).disk
    }

    pub fn fatality(&self, validator: u16) -> Option<&Fatality> {
        self.nodes[usize::from(validator)].fatality.as_ref()
    }

    pub fn certified(&self, validator: u16) -> &BTreeMap<BlockHeight, Hash> {
        &self.nodes[usize::from(validator)].certified
    }

    pub fn height(&self, validator: u16) -> u64 {
        self.replica(validator).status().height.get()
    }

    pub fn wall(&self) -> TimeMs {
        START.plus_ms(self.now_ms)
    }

    pub fn set_wall_skew_ms(&mut self, validator: u16, skew_ms: i64) {
        self.node(validator).wall_skew_ms = skew_ms;
    }

    pub fn set_genesis(&mut self, validator: u16, genesis: Genesis) {
        self.node(validator).genesis = genesis;
    }

    /// The leader of the highest term among live replicas.
    pub fn leader(&self) -> Option<u16> {
        let leads = |validator: &u16| {
            let replica = self.nodes[usize::from(*validator)].replica.as_ref();
            replica.filter(|replica| replica.is_leader()).map(|replica| replica.status().term)
        };
        let leaders =
            self.validators().filter_map(|validator| Some((leads(&validator)?, validator)));
        leaders.max().map(|(_, validator)| validator)
    }

    pub fn is_leader(&self, validator: u16) -> bool {
        let replica = self.nodes[usize::from(validator)].replica.as_ref();
        replica.is_some_and(Replica::is_leader)
    }

    /// Starts a replica from what its disk holds.
    pub fn start(&mut self, validator: u16) -> Result<(), StartError> {
        let node = &mut self.nodes[usize::from(validator)];
        let replica = Replica::new(node.config.clone(), &node.genesis, node.disk.restored())?;
        node.replica = Some(replica);
        node.life += 1;
        self.after(0, validator, Event::Tick);
        self.carry_out(validator);
        Ok(())
    }

    /// Kills a replica; of its unsynced writes the oldest `kept` survive.
    pub fn crash_keeping(&mut self, validator: u16, kept: usize) {
        let node = self.node(validator);
        node.replica = None;
        node.life += 1;
        node.disk.crash(kept);
    }

    pub fn crash(&mut self, validator: u16) {
        self.crash_keeping(validator, 0);
    }

    /// Kills a replica; a random part of its unsynced writes survives.
    pub fn crash_torn(&mut self, validator: u16) {
        let unsynced = self.node(validator).disk.unsynced() as u64;
        let kept = self.draw(unsynced + 1);
        self.crash_keeping(validator, usize::try_from(kept).unwrap());
    }

    pub fn restart(&mut self, validator: u16) {
        self.start(validator).unwrap();
    }

    /// Cuts a replica off from all others.
    pub fn isolate(&mut self, validator: u16) {
        for other in self.validators() {
            self.cut.insert((validator, other));
            self.cut.insert((other, validator));
        }
    }

    pub fn heal(&mut self) {
        self.cut.clear();
    }

    /// Submits to a replica the batch that opens customer `number`.
    pub fn submit(&mut self, validator: u16, number: u64) -> RequestId {
        let batch = open_and_issue(&self.genesis, number, START);
        self.submit_batch(validator, batch)
    }

    pub fn submit_batch(&mut self, validator: u16, batch: Batch) -> RequestId {
        self.request(validator, |replica, request| replica.handle_submit(request, batch))
    }

    pub fn deliver(&mut self, validator: u16, delivery: Delivery) -> RequestId {
        self.request(validator, |replica, request| replica.handle_delivery(request, delivery))
    }

    pub fn read(&mut self, validator: u16) -> RequestId {
        self.request(validator, Replica::handle_read)
    }

    pub fn read_after(&mut self, validator: u16, after: TimeMs) -> RequestId {
        self.request(validator, |replica, request| replica.handle_read_after(request, after))
    }

    /// Submits to whoever leads and waits for the receipts, trying again.
    pub fn commit(&mut self, number: u64) {
        for _ in 0..50 {
            let Some(leader) = self.await_leader() else { continue };
            let request = self.submit(leader, number);
            self.run_while(2_000, |cluster| !cluster.replies.contains_key(&request));
            if matches!(self.replies.get(&request), Some(Reply::Receipts { .. })) {
                return;
            }
        }
        panic!("customer {number} was not opened");
    }

    pub fn await_leader(&mut self) -> Option<u16> {
        self.run_while(3_000, |cluster| cluster.leader().is_none());
        self.leader()
    }

    pub fn act(&mut self, validator: u16, action: impl FnOnce(&mut Replica)) {
        if let Some(replica) = &mut self.node(validator).replica {
            action(replica);
        }
        self.carry_out(validator);
    }

    /// Acts on a replica and leaves its effects to the action.
    pub fn act_alone(&mut self, validator: u16, action: impl FnOnce(&mut Replica)) {
        if let Some(replica) = &mut self.node(validator).replica {
            action(replica);
        }
    }

    pub fn run(&mut self, duration_ms: u64) {
        self.run_while(duration_ms, |_| true);
    }

    /// Runs until the condition is false, or panics after a while.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        self.run_while(20_000, |cluster| !condition(cluster));
        assert!(condition(self), "never: {what}");
    }

    /// Runs while the condition holds, at most `duration_ms`.
    pub fn run_while(&mut self, duration_ms: u64, condition: impl Fn(&Self) -> bool) {
        let end_ms = self.now_ms + duration_ms;
        while condition(self) {
            let next = self.events.first_key_value().map(|((at, _), _)| *at);
            if next.is_none_or(|at| at > end_ms) {
                self.now_ms = end_ms;
                return;
            }
            let ((at, _), (validator, life, event)) = self.events.pop_first().unwrap();
            self.now_ms = at;
            if self.node(validator).life == life {
                self.happen(validator, event);
            }
        }
    }

    /// Waits until all live replicas have executed the same height.
    pub fn settle(&mut self) {
        self.run(1_000);
        let live = self.live();
        self.run_until("all replicas at one height", |cluster| {
            let heights: BTreeSet<_> = live.iter().map(|node| cluster.height(*node)).collect();
            heights.len() == 1
        });
    }

    pub fn live(&self) -> Vec<u16> {
        let lives = |validator: &u16| self.nodes[usize::from(*validator)].replica.is_some();
        self.validators().filter(lives).collect()
    }

    pub fn was_sent_snapshot(&self, to: u16) -> bool {
        self.snapshots.contains_key(&to)
    }

    /// Bytes of the last snapshot that was sent to a validator.
    pub fn last_snapshot(&self, to: u16) -> Vec<u8> {
        self.snapshots[&to].clone()
    }

    /// A number below `limit`.
    pub fn draw(&mut self, limit: u64) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.random;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % limit.max(1)
    }
}
