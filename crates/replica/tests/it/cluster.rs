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
use tributary_replica::{
    Effect, Fatality, Now, PeerMessage, Replica, ReplicaConfig, Reply, RequestId, StartError,
};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{BlockHeight, Hash, TimeMs};

use crate::disk::Disk;
use crate::fixture::{START, config, genesis, open_and_issue};

const TICK_MS: u64 = 10;
const SYNC_MS_MAX: u64 = 8;
const CHECKPOINT_MS: u64 = 15;
const SNAPSHOT_MS: u64 = 20;

/// The network's manners.
#[derive(Clone, Copy)]
pub struct Network {
    pub delay_ms_max: u64,
    /// Messages lost of a thousand.
    pub loss_permille: u64,
}

enum Event {
    Tick,
    Arrive { from: u16, bytes: Vec<u8> },
    Synced { number: u64 },
    Saved { checkpoint: Box<Checkpoint>, complete: bool },
    SnapshotLeft { to: u16, arrived: bool },
}

struct Node {
    replica: Option<Replica>,
    config: ReplicaConfig,
    genesis: Genesis,
    disk: Disk,
    /// Counts starts; events of an earlier life are dropped.
    life: u64,
    wall_skew_ms: i64,
    fatality: Option<Fatality>,
    /// Header hashes certified in this or an earlier life.
    certified: BTreeMap<BlockHeight, Hash>,
}

pub struct Cluster {
    pub genesis: Genesis,
    pub network: Network,
    pub replies: BTreeMap<RequestId, Reply>,
    nodes: Vec<Node>,
    events: BTreeMap<(u64, u64), (u16, u64, Event)>,
    now_ms: u64,
    sequence: u64,
    random: u64,
    cut: BTreeSet<(u16, u16)>,
    agreed: BTreeMap<BlockHeight, Hash>,
    next_request: u64,
    /// The last snapshot sent to each validator, as bytes.
    snapshots: BTreeMap<u16, Vec<u8>>,
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

    fn node(&mut self, validator: u16) -> &mut Node {
        &mut self.nodes[usize::from(validator)]
    }

    fn request(
        &mut self,
        validator: u16,
        action: impl FnOnce(&mut Replica, RequestId),
    ) -> RequestId {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.act(validator, |replica| action(replica, request));
        request
    }

    fn after(&mut self, delay_ms: u64, validator: u16, event: Event) {
        self.sequence += 1;
        let life = self.node(validator).life;
        let at = (self.now_ms + delay_ms, self.sequence);
        self.events.insert(at, (validator, life, event));
    }

    fn happen(&mut self, validator: u16, event: Event) {
        self.note(u64::from(validator));
        self.note(self.now_ms);
        match event {
            Event::Tick => {
                let skew_ms = self.node(validator).wall_skew_ms;
                let wall = TimeMs::new(self.wall().get().saturating_add_signed(skew_ms));
                let now = Now { wall, monotonic_ms: self.now_ms };
                self.act(validator, |replica| replica.handle_tick(now));
                self.after(TICK_MS, validator, Event::Tick);
            }
            Event::Arrive { from, bytes } => {
                let message: PeerMessage = decode_exact(&bytes).unwrap();
                self.act(validator, |replica| replica.handle_peer(from, message).unwrap());
            }
            Event::Synced { number } => {
                self.node(validator).disk.sync(number);
                self.act(validator, |replica| replica.handle_persisted(number));
            }
            Event::Saved { checkpoint, complete } => {
                let index = checkpoint.index;
                self.node(validator).disk.save(*checkpoint, complete);
                self.act(validator, |replica| replica.handle_checkpointed(index));
            }
            Event::SnapshotLeft { to, arrived } => self.act(validator, |replica| {
                if arrived {
                    replica.handle_snapshot_sent(to);
                } else {
                    replica.handle_snapshot_failed(to);
                }
            }),
        }
    }

    fn carry_out(&mut self, validator: u16) {
        while let Some(effect) =
            self.node(validator).replica.as_mut().and_then(Replica::poll_effect)
        {
            match effect {
                Effect::Persist(number, write) => {
                    self.node(validator).disk.write(number, write);
                    let delay_ms = 1 + self.draw(SYNC_MS_MAX);
                    self.after(delay_ms, validator, Event::Synced { number });
                }
                Effect::Send { to, message } => self.send(validator, to, &message),
                Effect::SendSnapshot { to, message } => {
                    let arrived = !self.cut.contains(&(validator, to));
                    self.snapshots.insert(to, message.to_bytes());
                    self.send(validator, to, &message);
                    self.after(SNAPSHOT_MS, validator, Event::SnapshotLeft { to, arrived });
                }
                Effect::Reply { request, reply } => {
                    self.note(request.0);
                    let earlier = self.replies.insert(request, reply);
                    assert_eq!(earlier, None, "two replies to {request:?}");
                }
                Effect::Executed(block) => self.agree(validator, &block.header),
                Effect::Certified { header, certificate } => {
                    let set = self.genesis.validator_set(header.chain).unwrap();
                    certificate.verify(&self.genesis.hash(), &header, &set).unwrap();
                    let hash = header.hash(&self.genesis.hash());
                    let node = self.node(validator);
                    node.certified.insert(header.height, hash);
                    let highest = node.disk.certified.as_ref().map(|(header, _)| header.height);
                    if highest < Some(header.height) {
                        node.disk.certified = Some((header, certificate));
                    }
                }
                Effect::SaveCheckpoint { checkpoint, complete } => {
                    let checkpoint = Box::new(checkpoint);
                    self.after(CHECKPOINT_MS, validator, Event::Saved { checkpoint, complete });
                }
                Effect::LeaderChanged { term, .. } => self.note(term),
                Effect::Fatal(fatality) => self.node(validator).fatality = Some(fatality),
            }
        }
    }

    fn send(&mut self, from: u16, to: u16, message: &PeerMessage) {
        let bytes = message.to_bytes();
        if let Some(tap) = &mut self.tap {
            tap.push((from, to, bytes.clone()));
        }
        let lost = self.draw(1_000) < self.network.loss_permille;
        if lost || self.cut.contains(&(from, to)) {
            return;
        }
        let delay_ms = 1 + self.draw(self.network.delay_ms_max);
        self.after(delay_ms, to, Event::Arrive { from, bytes });
    }

    /// All replicas of one genesis execute the same headers.
    fn agree(&mut self, validator: u16, header: &tributary_chain::Header) {
        if self.nodes[usize::from(validator)].genesis != self.genesis {
            return;
        }
        let hash = header.hash(&self.genesis.hash());
        let agreed = *self.agreed.entry(header.height).or_insert(hash);
        assert_eq!(agreed, hash, "validator {validator} at height {}", header.height);
    }

    fn note(&mut self, what: u64) {
        self.trace = (self.trace ^ what).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
    }
}
