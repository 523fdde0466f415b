//! What replicas of one chain say to each other, and its canonical encoding.
//!
//! Every length is bounded by a named limit before anything is allocated.
//! Malformed bytes are an error. Whether a well-formed message may reach raft
//! is decided by [`crate::guard`], not here.

use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, Header};
use tributary_ledger::Page;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{BlockHeight, Hash, TimeMs, canonical, canonical_enum};

use crate::raft_codec::RaftMessage;

/// Most pages of one snapshot.
pub const SNAPSHOT_PAGES_MAX: usize = 1 << 20;

/// One message from a validator to another.
#[derive(Debug, Clone, PartialEq)]
pub enum PeerMessage {
    /// Consensus.
    Raft(RaftMessage),
    /// A signature over an executed header.
    Vote(HeaderVote),
    /// Wall clock and progress; sent at a steady pace.
    Clock(ClockNotice),
    /// Consensus with a whole state; much larger than the others.
    Snapshot(Box<SnapshotMessage>),
}
canonical_enum!(PeerMessage, "peer message", {
    1 => Raft(RaftMessage),
    2 => Vote(HeaderVote),
    3 => Clock(ClockNotice),
    4 => Snapshot(Box<SnapshotMessage>),
});

/// A validator's signature over the header that it executed at a height.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderVote {
    /// The height.
    pub height: BlockHeight,
    /// Hash of the header that the voter executed.
    pub header_hash: Hash,
    /// The signature.
    pub vote: Vote,
}
canonical!(HeaderVote { height: BlockHeight, header_hash: Hash, vote: Vote });

/// What a validator tells its peers at a steady pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockNotice {
    /// Its wall clock.
    pub wall: TimeMs,
    /// Up to here it needs no votes: everything executed is certified, or too
    /// old to be asked for. Peers answer with their votes above it.
    pub certified_through: BlockHeight,
}
canonical!(ClockNotice { wall: TimeMs, certified_through: BlockHeight });

/// A whole state for a follower that fell behind the log.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotMessage {
    /// Raft's message: index and term of the last entry executed.
    pub raft: RaftMessage,
    /// The header that the state resulted in.
    pub header: Header,
    /// Its certificate, if it is certified already.
    pub certificate: Option<Certificate>,
    /// The whole state.
    pub pages: Vec<Page>,
}

impl Encode for Box<SnapshotMessage> {
    fn encode(&self, out: &mut Vec<u8>) {
        self.raft.encode(out);
        self.header.encode(out);
        self.certificate.encode(out);
        encode_list(&self.pages, out);
    }
}

impl Decode for Box<SnapshotMessage> {
    const BYTES_MIN: usize = RaftMessage::BYTES_MIN + Header::BYTES_MIN + 1 + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self::new(SnapshotMessage {
            raft: RaftMessage::decode(reader)?,
            header: Header::decode(reader)?,
            certificate: Option::decode(reader)?,
            pages: decode_list(reader, "snapshot pages", SNAPSHOT_PAGES_MAX)?,
        }))
    }
}
