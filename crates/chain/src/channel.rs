//! Channels: the ordered, exactly-once message stream from one chain to another.
//!
//! The sender numbers messages 1, 2, 3… and keeps the running digest
//! `d(n) = H(d(n-1), source, destination, n, H(message n))`, which its header
//! commits to. The receiver keeps a cursor `(n, d(n))`. A delivery is accepted
//! if its header is certified by the sender's *registered* validators and the
//! digest recomputed from the cursor equals the certified one: then these
//! messages exist, are all of them, and are in order. Nothing else that a relay
//! supplies is believed.
//!
//! The newest header commits to the newest message. So that one delivery need
//! not hold everything at once, it may carry only the first messages and, for
//! all later ones, their hashes: the digest proves as much as before.
//!
//! ```text
//!  Outbox::send → pending ──delivery──▶ Inbox::examine → Inbox::advance
//!  Outbox::acknowledge ◀──the receiver's own certified leaf──┘
//! ```

mod inbox;
mod outbox;

pub use inbox::{BrokenRule, Equivocation, Evidence, Examined, Inbox, InboxError, RotationError};
pub use outbox::{Outbox, Portion};

use serde::{Deserialize, Serialize};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{ChainId, Domain, Hash, canonical};

use crate::certificate::{Certificate, VALIDATORS_MAX, Vote};
use crate::header::Header;
use crate::merkle::{MerklePath, PATH_LENGTH_MAX, TreeCommitment};
use crate::message::{Message, STATEMENT_ROWS_MAX, StatementRow};

/// Most messages of one delivery.
pub const DELIVERY_MESSAGES_MAX: usize = 1_024;
/// Most bytes of one delivery; the largest single message fits, with the hashes
/// of a whole outbox behind it.
pub const DELIVERY_BYTES_MAX: usize = 960 << 10;
/// Most messages that an outbox holds unacknowledged, and so most hashes of one
/// delivery.
pub const OUTBOX_MESSAGES_MAX: usize = 16_384;
/// Certified headers of a peer whose hashes are kept to recognise equivocation.
pub const SEEN_HEADERS_MAX: usize = 64;

const HASH_BYTES: usize = 32;
const LARGEST_MESSAGE_BYTES: usize = 128 + STATEMENT_ROWS_MAX * StatementRow::BYTES_MIN;
/// Most bytes of a delivery beside messages and tail.
pub const DELIVERY_PROOF_BYTES_MAX: usize =
    1_024 + PATH_LENGTH_MAX * HASH_BYTES + VALIDATORS_MAX * Vote::BYTES_MIN;
const _: () = assert!(
    LARGEST_MESSAGE_BYTES + OUTBOX_MESSAGES_MAX * HASH_BYTES + DELIVERY_PROOF_BYTES_MAX
        <= DELIVERY_BYTES_MAX
);

/// The hash of one message, as the running digest takes it up.
#[must_use]
pub fn message_hash(message: &Message) -> Hash {
    message_bytes_hash(&message.to_bytes())
}

/// The digest after one more message, known by its hash.
#[must_use]
pub fn extend_digest(
    digest: &Hash,
    source: ChainId,
    destination: ChainId,
    sequence: u64,
    message: &Hash,
) -> Hash {
    Domain::Message.hash_parts(&[
        DIGEST_TAG,
        digest.as_bytes(),
        &source.get().to_le_bytes(),
        &destination.get().to_le_bytes(),
        &sequence.to_le_bytes(),
        message.as_bytes(),
    ])
}

/// Sets a message apart from a step of the digest.
const MESSAGE_TAG: &[u8] = &[0];
const DIGEST_TAG: &[u8] = &[1];

fn message_bytes_hash(bytes: &[u8]) -> Hash {
    Domain::Message.hash_parts(&[MESSAGE_TAG, bytes])
}

/// What a chain's header commits to about one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelLeaf {
    /// The other chain.
    pub peer: ChainId,
    /// Messages sent to it so far.
    pub sent_sequence: u64,
    /// Running digest over them.
    pub sent_digest: Hash,
    /// Messages received from it so far.
    pub received_sequence: u64,
}
canonical!(ChannelLeaf {
    peer: ChainId,
    sent_sequence: u64,
    sent_digest: Hash,
    received_sequence: u64
});

impl ChannelLeaf {
    /// The leaf of the channels tree.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Domain::Channel.hash_value(self)
    }
}

/// `channels_root` of a header: the channels tree with its count.
#[must_use]
pub fn channels_root(tree: &TreeCommitment) -> Hash {
    Domain::Channel.hash_value(tree)
}

/// Messages for one chain with everything that proves them. Also without
/// messages it proves how far the source has received: an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Number of the first message carried.
    pub first_sequence: u64,
    /// Consecutive messages from `first_sequence` on; empty to acknowledge only.
    pub messages: Vec<Message>,
    /// Hashes of the messages that follow, up to `leaf.sent_sequence`.
    pub tail: Vec<Hash>,
    /// The source's leaf about the receiving chain.
    pub leaf: ChannelLeaf,
    /// The leaf's place in the channels tree.
    pub path: MerklePath,
    /// Leaves in the source's channels tree.
    pub channels: TreeCommitment,
    /// The source's header that commits to the leaf.
    pub header: Header,
    /// The quorum's signatures over the header.
    pub certificate: Certificate,
}

impl Delivery {
    /// The chain that sent the messages.
    #[must_use]
    pub const fn source(&self) -> ChainId {
        self.header.chain
    }

    /// Number of the last message carried; of what precedes `first_sequence`
    /// if there is none.
    #[must_use]
    pub const fn last_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(self.messages.len() as u64).saturating_sub(1)
    }
}

impl Encode for Delivery {
    fn encode(&self, out: &mut Vec<u8>) {
        self.first_sequence.encode(out);
        encode_list(&self.messages, out);
        encode_list(&self.tail, out);
        self.leaf.encode(out);
        self.path.encode(out);
        self.channels.encode(out);
        self.header.encode(out);
        self.certificate.encode(out);
    }
}

impl Decode for Delivery {
    const BYTES_MIN: usize = 8 + 4 + 4 + ChannelLeaf::BYTES_MIN + 12 + 40 + Header::BYTES_MIN + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            first_sequence: u64::decode(reader)?,
            messages: decode_list(reader, "messages", DELIVERY_MESSAGES_MAX)?,
            tail: decode_list(reader, "message hashes", OUTBOX_MESSAGES_MAX)?,
            leaf: ChannelLeaf::decode(reader)?,
            path: MerklePath::decode(reader)?,
            channels: TreeCommitment::decode(reader)?,
            header: Header::decode(reader)?,
            certificate: Certificate::decode(reader)?,
        })
    }
}
