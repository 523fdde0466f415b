//! What replicas of one chain say to each other: one value, one encoding.

use tributary_chain::Certificate;
use tributary_chain::certificate::Vote;
use tributary_replica::{
    CertifiedHeader, ClockNotice, Farewell, HeaderVote, PeerMessage, RaftMessage,
};
use tributary_types::codec::decode_exact;
use tributary_types::{Encode, Hash};

use crate::canonical::one_encoding;
use crate::samples::{HF, WORLD, validator_key};

/// Tags of raft messages and the flags that say what follows, in all
/// combinations that have no entries.
const RAFT_TYPES: u8 = 14;
/// Tag of [`PeerMessage::Raft`] and of a message with a snapshot.
const RAFT: u8 = 1;

pub(crate) fn check(bytes: &[u8]) {
    one_encoding::<PeerMessage>(bytes);
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let header = WORLD.ledgers[&HF].header();
    let header_hash = header.hash(&Hash::ZERO);
    let vote = Vote::sign(1, &validator_key(HF, 1), &header_hash);
    let height = header.height;
    let mut samples: Vec<_> = (1..=RAFT_TYPES).map(|kind| raft(kind, kind % 2 == 0)).collect();
    samples.push(PeerMessage::Vote(HeaderVote { height, header_hash, vote }).to_bytes());
    let clock = ClockNotice { wall: header.time, certified_through: height };
    samples.push(PeerMessage::Clock(clock).to_bytes());
    samples.push(PeerMessage::Farewell(Farewell).to_bytes());
    let (header, certificate) = (header.clone(), Certificate { votes: vec![vote] });
    samples.push(PeerMessage::Certified(CertifiedHeader { header, certificate }).to_bytes());
    samples.extend(snapshot());
    samples
}

/// A raft message, written by hand: the layout is fixed, its type is not ours.
fn raft(kind: u8, with_entries: bool) -> Vec<u8> {
    let mut bytes = vec![RAFT, kind];
    for number in [2_u64, 1, 7, 6, 11, 10, 7, 0, 0] {
        number.encode(&mut bytes);
    }
    false.encode(&mut bytes);
    0_u64.encode(&mut bytes);
    0_u32.encode(&mut bytes);
    false.encode(&mut bytes);
    u32::from(with_entries).encode(&mut bytes);
    if with_entries {
        0_u8.encode(&mut bytes);
        7_u64.encode(&mut bytes);
        12_u64.encode(&mut bytes);
        4_u32.encode(&mut bytes);
        bytes.extend_from_slice(b"body");
    }
    bytes
}

/// A whole state of the HF chain.
fn snapshot() -> Option<Vec<u8>> {
    let message: RaftMessage = decode_exact(&raft(6, false)[1..]).ok()?;
    let ledger = &WORLD.ledgers[&HF];
    let header = ledger.header().clone();
    let certificate = Some(WORLD.certificate(&header));
    let pages = ledger.all_pages();
    let snapshot = tributary_replica::SnapshotMessage { raft: message, header, certificate, pages };
    Some(PeerMessage::Snapshot(Box::new(snapshot)).to_bytes())
}
