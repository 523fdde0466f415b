//! Carrying out what a replica asks for, in the order in which it asks.

use tributary_chain::{Certificate, CertificateError, Header, InboxError};
use tributary_replica::{Effect, PeerMessage, Reply, RequestId};
use tributary_types::{ChainId, Encode};

use crate::check::{Told, Witness};
use crate::clock::true_time;
use crate::event::{Answer, Event};
use crate::hosted::{Caller, Hosted, Purpose};
use crate::liars;
use crate::node::Node;
use crate::prng::Chance;
use crate::stage::Stage;
use crate::trace::Place;

/// A chain's thread that may write to the log itself does.
const WRITES_ITSELF: Chance = Chance::percent(50);
/// A chain's thread has carried out effects for so long that inputs come first.
const INPUTS_COME_FIRST: Chance = Chance::percent(2);
/// How long it takes then until it goes on.
const INPUTS_US_MAX: u64 = 10_000;
/// Longest time until a snapshot has left.
const SNAPSHOT_US_MAX: u64 = 60_000;

impl Node {
    /// Polls until the replica asks for nothing more, or the process ends, or inputs
    /// come first: then it tells in how many microseconds it goes on.
    pub(crate) fn carry_out_effects(&mut self, chain: ChainId, stage: &mut Stage) -> Option<u64> {
        while let Some(effect) =
            self.hosted.get_mut(&chain).and_then(|hosted| hosted.replica.poll_effect())
        {
            let crashes = stage.scenario.profile.crash_between_effects;
            if !stage.healing && stage.process_prng.happens(crashes) {
                stage.note(self.place(), chain.get(), "killed between effects", [0, 0]);
                self.crash(stage);
                return None;
            }
            self.carry_out(chain, effect, stage);
            let is_behind = |hosted: &Hosted| hosted.replica.is_behind();
            if !stage.healing
                && stage.process_prng.happens(INPUTS_COME_FIRST)
                && !self.hosted.get(&chain).is_some_and(is_behind)
            {
                return Some(stage.process_prng.between(1, INPUTS_US_MAX));
            }
        }
        None
    }

    fn carry_out(&mut self, chain: ChainId, effect: Effect, stage: &mut Stage) {
        let (node, place) = (self.number, self.place());
        let Some(hosted) = self.hosted.get_mut(&chain) else { return };
        match effect {
            Effect::Persist(number, write) => {
                stage.disk(node).write(number, write);
                // A chain's thread writes itself if nobody else does.
                let is_free = self.syncing == 0 && stage.disk(node).unsynced() == 1;
                if is_free && stage.process_prng.happens(WRITES_ITSELF) {
                    for (chain, number) in self.sync(1, stage) {
                        let Some(hosted) = self.hosted.get_mut(&chain) else { continue };
                        hosted.replica.handle_persisted(number);
                    }
                } else {
                    self.sync_next(stage);
                }
            }
            Effect::Send { to, message } => self.send(chain, to, message, stage),
            Effect::SendSnapshot { to, message } => {
                let home = Place::Node(stage.cluster.home(chain, to));
                let breaks = stage.scenario.profile.network.loss;
                let left = !stage.network.is_cut(place, home)
                    && (stage.healing || !stage.process_prng.happens(breaks));
                let delay_us = stage.process_prng.between(1_000, SNAPSHOT_US_MAX);
                let life = self.life;
                stage.after(delay_us, Event::SnapshotLeft { node, life, chain, to, left });
                stage.note(place, chain.get(), "sends snapshot", [u64::from(to), u64::from(left)]);
                if left {
                    self.send(chain, to, message, stage);
                }
            }
            Effect::Reply { request, reply } => hosted.reply(place, request, reply, stage),
            Effect::Executed(block) => {
                hosted.capture();
                stage.note(
                    place,
                    chain.get(),
                    "executed",
                    [block.header.height.get(), first_bytes(&block.header)],
                );
                let ledger = hosted.replica.ledger();
                let now = true_time(stage.now_us);
                let witness = Witness { node, now, ledger, disks: &stage.disks };
                stage.checks.executed(&block, &witness);
            }
            Effect::Certified { header, certificate } => {
                hosted.certified(place, header, certificate, stage);
            }
            Effect::SaveCheckpoint { checkpoint, complete } => {
                if complete {
                    // Perhaps installed, and certified next.
                    hosted.capture();
                }
                let log_last = hosted.replica.status().log_last;
                stage.checks.checkpoint(&checkpoint, node, log_last);
                self.saving.push_back((chain, checkpoint, complete));
                if self.saving.len() == 1 {
                    self.save_next(stage);
                }
            }
            Effect::LeaderChanged { leader, term } => {
                let leader = leader.map_or(0, |leader| u64::from(leader) + 1);
                stage.note(place, chain.get(), "leader changed", [leader, term]);
            }
            Effect::Fatal(fatality) => {
                stage.checks.violate("agreement", format!("node {node} chain {chain}: {fatality}"));
            }
        }
    }

    /// Sends to another validator, who may be told a lie.
    fn send(&mut self, chain: ChainId, to: u16, message: PeerMessage, stage: &mut Stage) {
        let Some(hosted) = self.hosted.get_mut(&chain) else { return };
        let from = hosted.validator;
        let home = stage.cluster.home(chain, to);
        let message = liars::validators::message(hosted, message, stage);
        let names_sender = matches!(message, PeerMessage::Raft(_) | PeerMessage::Snapshot(_));
        let bytes = message.to_bytes();
        stage.checks.sent(chain, self.number, &bytes, &stage.disks);
        let (here, there) = (Place::Node(self.number), Place::Node(home));
        // A sender notices now and then that its connection is gone, or believes
        // whoever says that its peer is.
        if stage.network.is_cut(here, there) {
            match stage.process_prng.below(32) {
                0 => hosted.replica.handle_peer_ended(to),
                1..4 => hosted.replica.handle_peer_unreachable(to),
                _ => {}
            }
        }
        let (mut from, mut bytes) = (from, bytes);
        let mut garbled = stage.network.garbles();
        if garbled && names_sender && stage.process_prng.below(2) == 0 {
            // A node with another's certificate: what it sends names itself.
            (from, garbled) = ((from + 1) % (stage.cluster.replicas() + 1), false);
        }
        if garbled {
            stage.network.garble(&mut bytes);
        }
        stage.send(here, there, Event::Peer { node: home, chain, from, bytes, garbled });
    }
}

impl Hosted {
    fn certified(
        &mut self,
        place: Place,
        header: Header,
        certificate: Certificate,
        stage: &mut Stage,
    ) {
        let Place::Node(node) = place else { return };
        stage.note(
            place,
            self.chain.get(),
            "certified",
            [header.height.get(), first_bytes(&header)],
        );
        let ledger = self.replica.ledger();
        stage.checks.certified(&header, &certificate, &stage.cluster, node, ledger);
        self.publish(&header, &certificate);
        stage.disk(node).certified(header, certificate);
        for (to, call, answer) in self.answer_followers() {
            stage.answer(place, to, call, answer);
        }
    }

    fn reply(&mut self, place: Place, request: RequestId, reply: Reply, stage: &mut Stage) {
        let Some(Caller { place: to, call, purpose }) = self.waiting.remove(&request) else {
            let chain = self.chain;
            stage
                .checks
                .violate("replies", format!("{place} chain {chain} answers {request:?} twice"));
            return;
        };
        if let Purpose::Later { after } = purpose {
            return self.answered_enquiry(after, &reply, stage);
        }
        let answer = match reply {
            Reply::Receipts { height, first_index, receipts } => {
                let (chain, told) = (self.chain, receipts.clone());
                let told = Told { chain, height, first_index, receipts: told };
                stage.checks.acknowledged(told, &stage.disks);
                Answer::Receipts { height, receipts }
            }
            Reply::Delivered(result) => {
                let what = result.as_ref().map_or_else(refusal, |_| "delivered");
                stage.note(
                    to,
                    self.chain.get(),
                    what,
                    [call, result.as_ref().copied().unwrap_or(0)],
                );
                Answer::Delivered(result.map_err(|_| ()))
            }
            Reply::ReadReady => self.cursor(purpose, stage),
            Reply::NotLeader { hint } => Answer::NotLeader(hint),
            Reply::Unknown => Answer::Unknown,
            Reply::Overloaded { retry_after_ms } => Answer::Overloaded { retry_after_ms },
            Reply::Refused(_) | Reply::TooLarge { .. } => Answer::Refused,
        };
        stage.trace.count(kind_of(&answer));
        stage.answer(place, to, call, answer);
    }

    fn cursor(&self, purpose: Purpose, stage: &mut Stage) -> Answer {
        let Purpose::Cursor { peer, acknowledged } = purpose else {
            stage.checks.violate("replies", "an answer of another kind than was asked".to_owned());
            return Answer::Unknown;
        };
        let ledger = self.replica.ledger();
        stage.checks.read(self.chain, acknowledged, ledger.header().height);
        let channels = ledger.channel_status();
        match channels.iter().find(|channel| channel.peer == peer) {
            Some(channel) => {
                Answer::Cursor { received: channel.received, acknowledged: channel.acknowledged }
            }
            None => Answer::Refused,
        }
    }
}

impl Stage {
    /// A node answers.
    pub fn answer(&mut self, from: Place, to: Place, call: u64, answer: Answer) {
        self.send(from, to, Event::Answer { to, call, answer });
    }
}

/// The first bytes of a header's state root, to tell headers apart in notes.
fn first_bytes(header: &Header) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&header.state_root.as_bytes()[..8]);
    u64::from_be_bytes(bytes)
}

/// A name for a kind of answer.
const fn kind_of(answer: &Answer) -> &'static str {
    match answer {
        Answer::Receipts { .. } => "answer: receipts",
        Answer::Delivered(_) => "answer: delivered",
        Answer::Outgoing(_) => "answer: outgoing",
        Answer::Cursor { .. } => "answer: cursor",
        Answer::Routes(_) => "answer: routes",
        Answer::NotLeader(_) => "answer: not leader",
        Answer::Unknown => "answer: unknown",
        Answer::Overloaded { .. } => "answer: overloaded",
        Answer::Refused => "answer: refused",
    }
}

/// A name for why a delivery was refused.
const fn refusal(error: &InboxError) -> &'static str {
    match error {
        InboxError::UnknownSource(_) => "refused: unknown source",
        InboxError::Frozen(_) => "refused: frozen",
        InboxError::WrongDestination { .. } => "refused: wrong destination",
        InboxError::Gap { .. } => "refused: gap",
        InboxError::Length { .. } => "refused: length",
        InboxError::Certificate(CertificateError::WrongSet { .. }) => "refused: wrong set",
        InboxError::Certificate(CertificateError::NoQuorum { .. }) => "refused: no quorum",
        InboxError::Certificate(CertificateError::NotAscending(_)) => "refused: not ascending",
        InboxError::Certificate(CertificateError::UnknownValidator(_)) => "refused: unknown signer",
        InboxError::Certificate(CertificateError::WrongSignature(_)) => "refused: signature",
        InboxError::WrongPath => "refused: path",
        InboxError::WrongDigest => "refused: digest",
        InboxError::Equivocation(_) => "refused: equivocation",
        InboxError::BrokenRule { .. } => "refused: broken rule",
    }
}
