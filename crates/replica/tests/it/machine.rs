//! What makes a cluster run: events in order of time, and effects carried out.

use tributary_chain::Header;
use tributary_replica::{Effect, Now, PeerMessage, Replica, RequestId};
use tributary_types::TimeMs;
use tributary_types::codec::{Encode, decode_exact};

use crate::cluster::{Cluster, Event, Node};

const TICK_MS: u64 = 10;
const SYNC_MS_MAX: u64 = 8;
const CHECKPOINT_MS: u64 = 15;
const SNAPSHOT_MS: u64 = 20;

impl Cluster {
    pub fn node(&mut self, validator: u16) -> &mut Node {
        &mut self.nodes[usize::from(validator)]
    }

    pub fn request(
        &mut self,
        validator: u16,
        action: impl FnOnce(&mut Replica, RequestId),
    ) -> RequestId {
        self.next_request += 1;
        let request = RequestId(self.next_request);
        self.act(validator, |replica| action(replica, request));
        request
    }

    pub fn after(&mut self, delay_ms: u64, validator: u16, event: Event) {
        self.sequence += 1;
        let life = self.node(validator).life;
        let at = (self.now_ms + delay_ms, self.sequence);
        self.events.insert(at, (validator, life, event));
    }

    pub fn happen(&mut self, validator: u16, event: Event) {
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

    pub fn carry_out(&mut self, validator: u16) {
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
    fn agree(&mut self, validator: u16, header: &Header) {
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
