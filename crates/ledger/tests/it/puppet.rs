//! A chain whose quorum says whatever a test wants: it signs with the real
//! validators' keys, but executes nothing. What an inbox believes of it, it
//! believes of a quorum that lies.

use tributary_chain::certificate::{ValidatorSet, Vote};
use tributary_chain::channel::{DELIVERY_BYTES_MAX, channels_root};
use tributary_chain::{Certificate, ChannelLeaf, Delivery, DenseTree, Header, Message, Outbox};
use tributary_ledger::Genesis;
use tributary_types::{BlockHeight, ChainId, Hash, SigningKey};

use crate::harness::{CREATED, validator_key};

/// Beyond what the chain itself certified before.
const PUPPET_HEIGHT: u64 = 1_000_000;

pub struct Puppet {
    cluster: Hash,
    chain: ChainId,
    peer: ChainId,
    keys: Vec<SigningKey>,
    set: ValidatorSet,
    outbox: Outbox,
    height: u64,
    /// What it says to have received.
    pub received: u64,
}

impl Puppet {
    /// Takes the place of `chain`, which has sent nothing to `peer` yet.
    pub fn new(genesis: &Genesis, chain: ChainId, peer: ChainId) -> Self {
        Self {
            cluster: genesis.hash(),
            chain,
            peer,
            keys: (0..3).map(|index| validator_key(chain, index)).collect(),
            set: genesis.validator_set(chain).unwrap(),
            outbox: Outbox::default(),
            height: PUPPET_HEIGHT,
            received: 0,
        }
    }

    /// Signs with other keys from now on.
    pub fn rotate(&mut self, keys: Vec<SigningKey>, version: u64) -> ValidatorSet {
        self.set =
            ValidatorSet::new(version, keys.iter().map(SigningKey::public).collect()).unwrap();
        self.keys = keys;
        self.set.clone()
    }

    pub fn send(&mut self, message: Message) {
        self.outbox.send(self.chain, self.peer, message);
    }

    /// Certifies everything sent so far in a new block.
    pub fn delivery(&mut self, after: u64) -> Delivery {
        self.height += 1;
        self.delivery_at(self.height, after)
    }

    /// The same in a block of that height, whatever it certified there before.
    pub fn delivery_at(&self, height: u64, after: u64) -> Delivery {
        let leaf = ChannelLeaf {
            peer: self.peer,
            sent_sequence: self.outbox.sent_sequence(),
            sent_digest: *self.outbox.sent_digest(),
            received_sequence: self.received,
        };
        let tree = DenseTree::from_leaves(vec![leaf.hash()]);
        let header = Header {
            chain: self.chain,
            height: BlockHeight::new(height),
            parent: Hash::ZERO,
            time: CREATED,
            validator_set: self.set.hash(),
            body_root: Hash::ZERO,
            receipts_root: Hash::ZERO,
            state_root: Hash::ZERO,
            channels_root: channels_root(&tree.commitment()),
        };
        let hash = header.hash(&self.cluster);
        let votes = (0..).zip(&self.keys).map(|(index, key)| Vote::sign(index, key, &hash));
        let certificate = Certificate { votes: votes.collect() };
        let portion = self.outbox.portion(after, DELIVERY_BYTES_MAX).unwrap();
        Delivery {
            first_sequence: portion.first_sequence,
            messages: portion.messages,
            tail: portion.tail,
            leaf,
            path: tree.path(0).unwrap(),
            channels: tree.commitment(),
            header,
            certificate,
        }
    }
}
