//! Two ends of channels for tests: a chain that sends and certifies, and one
//! that receives. What lies between them is up to each test.

use std::collections::BTreeMap;

use tributary_chain::certificate::Vote;
use tributary_chain::channel::{ChannelLeaf, Portion, channels_root};
use tributary_chain::message::FundRequest;
use tributary_chain::{
    Certificate, Delivery, DenseTree, Header, Inbox, InboxError, Message, Outbox, ValidatorSet,
};
use tributary_types::{Amount, AssetId, BlockHeight, ChainId, Domain, Hash, TimeMs};

use crate::{cluster, sample, signing_key, validator_set};

/// The chain that sends in these tests, with validators 1, 2 and 3.
pub const SOURCE: ChainId = ChainId::new(1);
/// The chain that receives.
pub const DESTINATION: ChainId = ChainId::new(900);
/// A third chain, to which the source sends as well.
pub const BYSTANDER: ChainId = ChainId::new(2);
/// Seeds of the source's validators.
pub const SEEDS: [u8; 3] = [1, 2, 3];

/// A message that is told apart by its number.
pub fn message(number: u32) -> Message {
    Message::FundRequest(FundRequest {
        account: sample::merchant(),
        asset: AssetId::new(1),
        amount: Amount::new(u128::from(number)),
    })
}

pub fn messages(numbers: std::ops::RangeInclusive<u32>) -> Vec<Message> {
    numbers.map(message).collect()
}

/// A chain that sends messages and certifies what it sent.
#[derive(Clone)]
pub struct Sender {
    pub chain: ChainId,
    pub seeds: Vec<u8>,
    pub set_version: u64,
    pub height: u64,
    outboxes: BTreeMap<ChainId, Outbox>,
    received: BTreeMap<ChainId, u64>,
}

/// A block of a [`Sender`] with what certifies it.
#[derive(Clone)]
pub struct Sealed {
    pub header: Header,
    pub certificate: Certificate,
    outboxes: BTreeMap<ChainId, Outbox>,
    leaves: Vec<ChannelLeaf>,
    tree: DenseTree,
}

impl Sender {
    /// With channels to the destination and to the bystander.
    pub fn new(chain: ChainId, seeds: &[u8]) -> Self {
        let peers = [DESTINATION, BYSTANDER].into_iter().filter(|peer| *peer != chain);
        let outboxes = peers.map(|peer| (peer, Outbox::default())).collect();
        let received = BTreeMap::new();
        Self { chain, seeds: seeds.to_vec(), set_version: 0, height: 0, outboxes, received }
    }

    pub fn validators(&self) -> ValidatorSet {
        validator_set(self.set_version, &self.seeds)
    }

    pub fn outbox(&self, peer: ChainId) -> &Outbox {
        &self.outboxes[&peer]
    }

    pub fn send(&mut self, peer: ChainId, messages: impl IntoIterator<Item = Message>) {
        let outbox = self.outboxes.get_mut(&peer).unwrap();
        messages.into_iter().for_each(|message| outbox.send(self.chain, peer, message));
    }

    /// Notes how much was received from `peer`, as the next header will prove.
    pub fn set_received(&mut self, peer: ChainId, sequence: u64) {
        self.received.insert(peer, sequence);
    }

    pub fn acknowledge(&mut self, peer: ChainId, sequence: u64) -> bool {
        self.outboxes.get_mut(&peer).unwrap().acknowledge(sequence)
    }

    /// The next block, certified by all validators.
    pub fn seal(&mut self) -> Sealed {
        self.height += 1;
        let leaves: Vec<ChannelLeaf> = self
            .outboxes
            .iter()
            .map(|(peer, outbox)| ChannelLeaf {
                peer: *peer,
                sent_sequence: outbox.sent_sequence(),
                sent_digest: *outbox.sent_digest(),
                received_sequence: self.received.get(peer).copied().unwrap_or(0),
            })
            .collect();
        let tree = DenseTree::from_leaves(leaves.iter().map(ChannelLeaf::hash).collect());
        let header = Header {
            chain: self.chain,
            height: BlockHeight::new(self.height),
            parent: Hash::ZERO,
            time: TimeMs::new(1_000 * self.height),
            validator_set: self.validators().hash(),
            body_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            state_root: Domain::State.hash(b"state"),
            channels_root: channels_root(&tree.commitment()),
        };
        let certificate = certify(&header, &self.seeds);
        Sealed { header, certificate, outboxes: self.outboxes.clone(), leaves, tree }
    }

    /// Seals and delivers everything after `after` to the destination.
    pub fn deliver(&mut self, after: u64) -> Delivery {
        self.seal().delivery(DESTINATION, after, usize::MAX)
    }
}

impl Sealed {
    /// What an honest relay makes of this block for `peer`, about `bytes_max`
    /// bytes of messages long.
    pub fn delivery(&self, peer: ChainId, after: u64, bytes_max: usize) -> Delivery {
        let portion = self.outboxes[&peer].portion(after, bytes_max).unwrap();
        self.delivery_of(peer, portion)
    }

    /// Numbers of the last message acknowledged and of the last one sent.
    pub fn cursors(&self, peer: ChainId) -> (u64, u64) {
        let outbox = &self.outboxes[&peer];
        (outbox.acknowledged_sequence(), outbox.sent_sequence())
    }

    /// The block's proof with whatever messages are given.
    pub fn delivery_of(&self, peer: ChainId, portion: Portion) -> Delivery {
        let index = self.leaves.iter().position(|leaf| leaf.peer == peer).unwrap();
        Delivery {
            first_sequence: portion.first_sequence,
            messages: portion.messages,
            tail: portion.tail,
            leaf: self.leaves[index],
            path: self.tree.path(u32::try_from(index).unwrap()).unwrap(),
            channels: self.tree.commitment(),
            header: self.header.clone(),
            certificate: self.certificate.clone(),
        }
    }
}

/// Votes of the validators with these seeds, numbered in order.
pub fn certify(header: &Header, seeds: &[u8]) -> Certificate {
    let hash = header.hash(&cluster());
    let vote = |(number, seed): (u16, &u8)| Vote::sign(number, &signing_key(*seed), &hash);
    Certificate { votes: (0..).zip(seeds).map(vote).collect() }
}

/// A chain that applies what it receives from the source.
#[derive(Clone)]
pub struct Receiver {
    pub inbox: Inbox,
    pub applied: Vec<Message>,
}

impl Receiver {
    pub fn new() -> Self {
        let inbox = Inbox::new(validator_set(0, &SEEDS));
        Self { inbox, applied: Vec::new() }
    }

    /// Executes a delivery as a ledger does; returns how many messages were new.
    pub fn receive(&mut self, delivery: &Delivery) -> Result<usize, InboxError> {
        let examined = match self.inbox.examine(&cluster(), DESTINATION, delivery) {
            Ok(examined) => examined,
            Err(error) => {
                if matches!(error, InboxError::Equivocation(_)) {
                    self.inbox.freeze(delivery);
                }
                return Err(error);
            }
        };
        let new = &delivery.messages[examined.skip..];
        self.applied.extend_from_slice(new);
        self.inbox.advance(delivery, &examined);
        for message in new {
            if let Message::ValidatorSet(set) = message {
                self.inbox.rotate(set.clone()).unwrap();
            }
        }
        Ok(new.len())
    }

    /// Sees to it that a delivery is refused and leaves no trace.
    pub fn refuses(&mut self, delivery: &Delivery) -> InboxError {
        let before = self.clone();
        let error = self.receive(delivery).unwrap_err();
        assert_eq!(self.inbox, before.inbox, "a refused delivery moved the inbox");
        assert_eq!(self.applied, before.applied);
        error
    }
}

/// A source that has sent messages 1 to `count`, and a fresh receiver.
pub fn sent(count: u32) -> (Sender, Receiver) {
    let mut sender = Sender::new(SOURCE, &SEEDS);
    sender.send(DESTINATION, messages(1..=count));
    (sender, Receiver::new())
}
