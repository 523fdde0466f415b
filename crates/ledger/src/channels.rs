//! The channels of one chain: an inbox and an outbox for every peer, and the
//! tree over them that headers commit to.

use std::collections::BTreeMap;

use tributary_chain::channel::{Examined, OUTBOX_MESSAGES_MAX, RotationError, channels_root};
use tributary_chain::merkle::{MerklePath, TreeCommitment};
use tributary_chain::{
    ChannelLeaf, Delivery, DenseTree, Inbox, InboxError, Message, Outbox, ValidatorSet,
};
use tributary_types::codec::{Decode, Encode, Reader};
use tributary_types::{ChainId, Domain, Hash};

use crate::limits::OUTBOX_BEGUN_MAX;
use crate::marks::Marks;
use crate::refusal::RuleBroken;
use crate::view::ChannelStatus;

/// All channels of one chain.
#[derive(Debug, Clone)]
pub(crate) struct Channels {
    own: ChainId,
    /// Ascending by peer; a channel's number is its index.
    channels: Vec<Channel>,
    numbers: BTreeMap<ChainId, u32>,
    tree: DenseTree,
    /// Hash over both ends of every channel, as of the last commit.
    hash: Hash,
    touched: Marks,
    dirty_pages: Marks,
}

#[derive(Debug, Clone)]
struct Channel {
    peer: ChainId,
    inbox: Inbox,
    outbox: Outbox,
    /// Over inbox and outbox, as of the last commit.
    hash: Hash,
}

impl Channels {
    /// Empty channels to these peers, ascending, with their validators.
    pub(crate) fn new(own: ChainId, peers: impl IntoIterator<Item = (ChainId, Inbox)>) -> Self {
        let open =
            |(peer, inbox)| Channel { peer, inbox, outbox: Outbox::default(), hash: Hash::ZERO };
        let channels: Vec<Channel> = peers.into_iter().map(open).collect();
        let numbers = (0..).zip(&channels).map(|(number, channel)| (channel.peer, number));
        let numbers = numbers.collect();
        let leaves = vec![Hash::ZERO; channels.len()];
        let mut all = Self {
            own,
            channels,
            numbers,
            tree: DenseTree::from_leaves(leaves),
            hash: Hash::ZERO,
            touched: Marks::default(),
            dirty_pages: Marks::default(),
        };
        all.touch_all();
        all
    }

    /// The peers, ascending.
    pub(crate) fn peers(&self) -> impl Iterator<Item = ChainId> + '_ {
        self.channels.iter().map(|channel| channel.peer)
    }

    pub(crate) fn inbox(&self, peer: ChainId) -> Option<&Inbox> {
        self.get(peer).map(|channel| &channel.inbox)
    }

    pub(crate) fn outbox(&self, peer: ChainId) -> Option<&Outbox> {
        self.get(peer).map(|channel| &channel.outbox)
    }

    /// Whether a new exchange with `peer` may begin: what is left in the outbox
    /// beyond this is for answers.
    pub(crate) fn may_begin(&self, peer: ChainId) -> bool {
        self.outbox(peer).is_some_and(|outbox| outbox.len() < OUTBOX_BEGUN_MAX)
    }

    /// Whether an answer fits. It does unless the peer ignores its own limits.
    pub(crate) fn may_answer(&self, peer: ChainId) -> bool {
        self.outbox(peer).is_some_and(|outbox| outbox.len() < OUTBOX_MESSAGES_MAX)
    }

    /// Appends a message. The caller has asked whether it fits.
    pub(crate) fn send(&mut self, peer: ChainId, message: Message) {
        let own = self.own;
        if let Some(channel) = self.get_mut(peer) {
            channel.outbox.send(own, peer, message);
        }
    }

    /// Checks a delivery. A peer that contradicts itself is frozen.
    pub(crate) fn examine(
        &mut self,
        cluster: &Hash,
        delivery: &Delivery,
    ) -> Result<Examined, InboxError> {
        let examined = self.try_examine(cluster, delivery);
        if let (Err(InboxError::Equivocation(_)), Some(channel)) =
            (&examined, self.get_mut(delivery.source()))
        {
            channel.inbox.freeze(delivery);
        }
        examined
    }

    /// Checks a delivery and changes nothing.
    pub(crate) fn try_examine(
        &self,
        cluster: &Hash,
        delivery: &Delivery,
    ) -> Result<Examined, InboxError> {
        let source = delivery.source();
        let inbox = self.inbox(source).ok_or(InboxError::UnknownSource(source))?;
        inbox.examine(cluster, self.own, delivery)
    }

    /// Drops what the peer has proved to have received.
    pub(crate) fn acknowledge(&mut self, delivery: &Delivery) {
        if let Some(channel) = self.get_mut(delivery.source()) {
            channel.outbox.acknowledge(delivery.leaf.received_sequence);
        }
    }

    /// Changes an inbox whose delivery was examined.
    pub(crate) fn change_inbox(&mut self, peer: ChainId, change: impl FnOnce(&mut Inbox)) {
        if let Some(channel) = self.get_mut(peer) {
            change(&mut channel.inbox);
        }
    }

    /// Registers the next validators of `peer`.
    ///
    /// # Errors
    /// [`RuleBroken`] for a set that cannot follow the registered one.
    pub(crate) fn rotate(&mut self, peer: ChainId, next: ValidatorSet) -> Result<(), RuleBroken> {
        let mut rotated = Ok(());
        self.change_inbox(peer, |inbox| rotated = inbox.rotate(next));
        rotated.map_err(|error| match error {
            RotationError::Version { .. } => {
                RuleBroken("a validator set that does not follow the one before")
            }
            RotationError::Keys(_) => RuleBroken("a validator set with a weak key"),
        })
    }

    /// Number of the last message received from `peer`.
    pub(crate) fn received(&self, peer: ChainId) -> u64 {
        self.inbox(peer).map_or(0, Inbox::sequence)
    }

    /// Brings tree and hash up to date.
    pub(crate) fn commit(&mut self) -> (Hash, Hash) {
        let touched = self.touched.take_sorted();
        for number in &touched {
            let channel = &mut self.channels[*number as usize];
            channel.hash = channel.committed_hash();
            self.tree.set(*number, channel.leaf().hash());
            self.dirty_pages.mark(*number);
        }
        if !touched.is_empty() || self.channels.is_empty() {
            let hashes = self.channels.iter().flat_map(|channel| *channel.hash.as_bytes());
            self.hash = Domain::StatePart.hash(&hashes.collect::<Vec<u8>>());
        }
        (self.hash, channels_root(&self.tree.commit()))
    }

    /// The leaf about `peer` with its place in the tree, as of the last commit.
    pub(crate) fn prove(&self, peer: ChainId) -> Option<(ChannelLeaf, MerklePath, TreeCommitment)> {
        let number = *self.numbers.get(&peer)?;
        let path = self.tree.path(number)?;
        Some((self.channels[number as usize].leaf(), path, self.tree.commitment()))
    }

    pub(crate) fn status(&self) -> Vec<ChannelStatus> {
        let status = |channel: &Channel| ChannelStatus {
            peer: channel.peer,
            sent: channel.outbox.sent_sequence(),
            acknowledged: channel.outbox.acknowledged_sequence(),
            received: channel.inbox.sequence(),
            frozen: channel.inbox.evidence().map(|evidence| evidence.height()),
        };
        self.channels.iter().map(status).collect()
    }

    /// Whether every outbox holds what its digests say.
    pub(crate) fn is_consistent(&self) -> bool {
        self.channels.iter().all(|channel| {
            channel.outbox.is_consistent(self.own, channel.peer)
                && channel.outbox.len() <= OUTBOX_MESSAGES_MAX
        })
    }

    fn get(&self, peer: ChainId) -> Option<&Channel> {
        self.numbers.get(&peer).map(|number| &self.channels[*number as usize])
    }

    fn get_mut(&mut self, peer: ChainId) -> Option<&mut Channel> {
        let number = *self.numbers.get(&peer)?;
        self.touched.mark(number);
        Some(&mut self.channels[number as usize])
    }

    fn touch_all(&mut self) {
        for number in (0..).take(self.channels.len()) {
            self.touched.mark(number);
        }
    }
}

/// Pages: one per channel.
impl Channels {
    /// Number of pages.
    pub(crate) fn page_count(&self) -> u32 {
        u32::try_from(self.channels.len()).unwrap_or(u32::MAX)
    }

    /// Pages changed since this was last asked.
    pub(crate) fn take_dirty_pages(&mut self) -> Vec<u32> {
        self.dirty_pages.take_sorted()
    }

    /// Appends the canonical bytes of a page; nothing if there is no such page.
    pub(crate) fn encode_page(&self, number: u32, out: &mut Vec<u8>) {
        if let Some(channel) = self.channels.get(number as usize) {
            channel.inbox.encode(out);
            channel.outbox.encode(out);
        }
    }

    /// Replaces both ends of a channel by those of a page.
    pub(crate) fn restore_page(&mut self, number: u32, bytes: &[u8]) -> Result<(), String> {
        let own = self.own;
        let channel = self.channels.get_mut(number as usize).ok_or("there is no such channel")?;
        let mut reader = Reader::new(bytes);
        let decoded = Inbox::decode(&mut reader)
            .and_then(|inbox| Ok((inbox, Outbox::decode(&mut reader)?)))
            .and_then(|ends| reader.finish().map(|()| ends));
        (channel.inbox, channel.outbox) = decoded.map_err(|error| error.to_string())?;
        if channel.outbox.is_consistent(own, channel.peer) {
            self.touched.mark(number);
            Ok(())
        } else {
            Err("the outbox does not hold the messages of its digest".to_owned())
        }
    }
}

impl Channel {
    /// What the header commits to about the peer.
    fn leaf(&self) -> ChannelLeaf {
        ChannelLeaf {
            peer: self.peer,
            sent_sequence: self.outbox.sent_sequence(),
            sent_digest: *self.outbox.sent_digest(),
            received_sequence: self.inbox.sequence(),
        }
    }

    /// Commits to both ends: the inbox whole, the outbox by its two digests,
    /// between which its messages are recomputed.
    fn committed_hash(&self) -> Hash {
        let mut bytes = self.inbox.to_bytes();
        self.leaf().encode(&mut bytes);
        self.outbox.acknowledged_sequence().encode(&mut bytes);
        self.outbox.acknowledged_digest().encode(&mut bytes);
        Domain::StatePart.hash(&bytes)
    }
}
