//! What replicas of one chain say to each other, and its canonical encoding.
//!
//! Every length is bounded by a named limit before anything is allocated.
//! Malformed bytes are an error. Whether a well-formed message may reach raft
//! is decided by the module `guard`, not here.

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
    /// A validator stops in order.
    Farewell(Farewell),
    /// A header that the receiver may have executed and lacks votes for.
    Certified(CertifiedHeader),
}
canonical_enum!(PeerMessage, "peer message", {
    1 => Raft(RaftMessage),
    2 => Vote(HeaderVote),
    3 => Clock(ClockNotice),
    4 => Snapshot(Box<SnapshotMessage>),
    5 => Farewell(Farewell),
    6 => Certified(CertifiedHeader),
});

/// A validator stops: it takes no leadership over and votes no more, until it
/// tells its clock again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Farewell;

impl Encode for Farewell {
    fn encode(&self, _out: &mut Vec<u8>) {}
}

impl Decode for Farewell {
    const BYTES_MIN: usize = 0;
    fn decode(_reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self)
    }
}

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

/// The highest header that the sender knows to be certified. Whoever was carried
/// over that height by a snapshot has no vote of its own to give, and the other
/// votes may be of a liar or of one who is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertifiedHeader {
    /// The header.
    pub header: Header,
    /// The signatures of a quorum.
    pub certificate: Certificate,
}
canonical!(CertifiedHeader { header: Header, certificate: Certificate });

/// What a validator tells its peers at a steady pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockNotice {
    /// Its wall clock.
    pub wall: TimeMs,
    /// The highest height that it knows to be certified: up to here it needs no
    /// votes. Peers answer with their votes above it, and with the last
    /// certificate that they have.
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

#[cfg(test)]
mod tests {
    use raft::eraftpb::{Message, MessageType};
    use tributary_ledger::PageKey;
    use tributary_types::codec::decode_exact;
    use tributary_types::{ChainId, Domain, SigningKey};

    use super::*;

    fn header() -> Header {
        let hash = Domain::Body.hash(b"body");
        Header {
            chain: ChainId::new(1),
            height: BlockHeight::new(2),
            parent: hash,
            time: TimeMs::new(3),
            validator_set: hash,
            body_root: hash,
            receipts_root: hash,
            state_root: hash,
            channels_root: hash,
        }
    }

    fn vote() -> Vote {
        Vote::sign(1, &SigningKey::from_seed([1; 32]), &header().hash(&Hash::ZERO))
    }

    fn heartbeat() -> RaftMessage {
        let msg_type = MessageType::MsgHeartbeat;
        RaftMessage(Message { msg_type, to: 1, from: 2, term: 3, commit: 4, ..Message::default() })
    }

    fn samples() -> [PeerMessage; 7] {
        let height = BlockHeight::new(2);
        let header_hash = header().hash(&Hash::ZERO);
        let page = Page { key: PageKey { section: 1, number: 2 }, bytes: vec![3; 100].into() };
        let snapshot = |certificate| {
            let (raft, header, pages) = (heartbeat(), header(), vec![page.clone()]);
            PeerMessage::Snapshot(Box::new(SnapshotMessage { raft, header, certificate, pages }))
        };
        [
            PeerMessage::Raft(heartbeat()),
            PeerMessage::Vote(HeaderVote { height, header_hash, vote: vote() }),
            PeerMessage::Clock(ClockNotice { wall: TimeMs::new(5), certified_through: height }),
            snapshot(None),
            snapshot(Some(Certificate { votes: vec![vote()] })),
            PeerMessage::Certified(CertifiedHeader {
                header: header(),
                certificate: Certificate { votes: vec![vote()] },
            }),
            PeerMessage::Farewell(Farewell),
        ]
    }

    #[test]
    fn every_message_round_trips_and_no_prefix_of_it_decodes() {
        for message in samples() {
            let bytes = message.to_bytes();
            assert_eq!(decode_exact::<PeerMessage>(&bytes), Ok(message));
            for length in 0..bytes.len() {
                assert!(decode_exact::<PeerMessage>(&bytes[..length]).is_err());
            }
        }
    }

    #[test]
    fn golden_bytes_of_the_short_messages() {
        let [raft, _, clock, .., farewell] = samples();
        assert_eq!(farewell.to_bytes(), [5]);
        assert_eq!(clock.to_bytes(), [3, 5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]);
        let mut expected = vec![1, 7];
        for number in [1_u64, 2, 3, 0, 0, 4, 0, 0, 0] {
            number.encode(&mut expected);
        }
        expected.extend_from_slice(&[0; 1 + 8 + 4 + 1 + 4]);
        assert_eq!(raft.to_bytes(), expected);
    }
}
