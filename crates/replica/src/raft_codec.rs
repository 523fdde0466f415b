//! Raft messages in the canonical encoding; protobuf parses nothing that
//! comes from the network.
//!
//! Every field that raft 0.7 puts into a message between peers is carried,
//! except those that this replica never sets: entry contexts, the old priority
//! field, and snapshot bytes (a state travels as pages beside the message).
//! Types that raft uses only inside of one process have no encoding.

use bytes::Bytes;
use raft::eraftpb::{Entry, EntryType, Message, MessageType, Snapshot};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};

use crate::store::LogEntry;

/// Most bytes of one log entry: a block gathers up to about 1 MiB, and one
/// batch or delivery of the largest size may come on top.
pub const ENTRY_BYTES_MAX: usize = 4 << 20;
/// Most entries of one message.
pub const ENTRIES_MAX: usize = 1 << 16;
/// Most bytes of a message's context; raft's own take 16.
pub const CONTEXT_BYTES_MAX: usize = 64;
/// Most voters that snapshot metadata names.
pub const VOTERS_MAX: usize = 64;

/// One raft message between peers.
#[derive(Debug, Clone, PartialEq)]
pub struct RaftMessage(pub(crate) Message);

impl RaftMessage {
    /// Bytes of data of the entries in it.
    #[must_use]
    pub fn entries_bytes(&self) -> usize {
        self.0.entries.iter().map(|entry| entry.data.len()).sum()
    }
}

/// The wire tags: stable numbers of our own.
const TYPES: [(u8, MessageType); 14] = [
    (1, MessageType::MsgPropose),
    (2, MessageType::MsgAppend),
    (3, MessageType::MsgAppendResponse),
    (4, MessageType::MsgRequestVote),
    (5, MessageType::MsgRequestVoteResponse),
    (6, MessageType::MsgSnapshot),
    (7, MessageType::MsgHeartbeat),
    (8, MessageType::MsgHeartbeatResponse),
    (9, MessageType::MsgTransferLeader),
    (10, MessageType::MsgTimeoutNow),
    (11, MessageType::MsgReadIndex),
    (12, MessageType::MsgReadIndexResp),
    (13, MessageType::MsgRequestPreVote),
    (14, MessageType::MsgRequestPreVoteResponse),
];

/// Stands for a type that never leaves a process; decoding refuses it.
const LOCAL_TYPE: u8 = 0;

fn tag_of(kind: MessageType) -> u8 {
    TYPES.iter().find(|(_, other)| *other == kind).map_or(LOCAL_TYPE, |(tag, _)| *tag)
}

fn type_of(tag: u8) -> Result<MessageType, DecodeError> {
    let found = TYPES.iter().find(|(other, _)| *other == tag);
    found
        .map(|(_, kind)| *kind)
        .ok_or(DecodeError::Invalid { what: "raft message type", value: u64::from(tag) })
}

impl Encode for RaftMessage {
    fn encode(&self, out: &mut Vec<u8>) {
        let message = &self.0;
        out.push(tag_of(message.msg_type));
        for number in [
            message.to,
            message.from,
            message.term,
            message.log_term,
            message.index,
            message.commit,
            message.commit_term,
            message.reject_hint,
            message.request_snapshot,
        ] {
            number.encode(out);
        }
        message.reject.encode(out);
        out.extend_from_slice(&message.priority.to_le_bytes());
        encode_bytes(&message.context, out);
        message.has_snapshot().encode(out);
        if message.has_snapshot() {
            let metadata = message.get_snapshot().get_metadata();
            metadata.index.encode(out);
            metadata.term.encode(out);
            encode_list(metadata.get_conf_state().get_voters(), out);
        }
        encode_entries(&message.entries, out);
    }
}

impl Decode for RaftMessage {
    const BYTES_MIN: usize = 1 + 9 * 8 + 1 + 8 + 4 + 1 + 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut message = Message::default();
        message.set_msg_type(type_of(u8::decode(reader)?)?);
        for number in [
            &mut message.to,
            &mut message.from,
            &mut message.term,
            &mut message.log_term,
            &mut message.index,
            &mut message.commit,
            &mut message.commit_term,
            &mut message.reject_hint,
            &mut message.request_snapshot,
        ] {
            *number = u64::decode(reader)?;
        }
        message.reject = bool::decode(reader)?;
        message.priority = i64::from_le_bytes(reader.array("priority")?);
        message.context = decode_bytes(reader, "raft context", CONTEXT_BYTES_MAX)?;
        if bool::decode(reader)? {
            message.set_snapshot(decode_snapshot(reader)?);
        }
        message.set_entries(decode_entries(reader)?.into());
        Ok(Self(message))
    }
}

fn decode_snapshot(reader: &mut Reader<'_>) -> Result<Snapshot, DecodeError> {
    let mut snapshot = Snapshot::default();
    let metadata = snapshot.mut_metadata();
    metadata.index = u64::decode(reader)?;
    metadata.term = u64::decode(reader)?;
    let voters = decode_list(reader, "voters", VOTERS_MAX)?;
    metadata.mut_conf_state().set_voters(voters);
    Ok(snapshot)
}

/// Bytes of an entry without its data.
const ENTRY_HEAD_BYTES: usize = 1 + 8 + 8 + 4;

fn encode_entries(entries: &[Entry], out: &mut Vec<u8>) {
    let data: usize = entries.iter().map(|entry| entry.data.len() + ENTRY_HEAD_BYTES).sum();
    out.reserve(data + 4);
    length_of(entries.len()).encode(out);
    for entry in entries {
        out.push(kind_of(entry.entry_type));
        entry.term.encode(out);
        entry.index.encode(out);
        encode_bytes(&entry.data, out);
    }
}

fn decode_entries(reader: &mut Reader<'_>) -> Result<Vec<Entry>, DecodeError> {
    let count = reader.count("raft entries", ENTRIES_MAX, ENTRY_HEAD_BYTES)?;
    let mut entries = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = u8::decode(reader)?;
        let mut entry = Entry::default();
        entry.set_entry_type(
            entry_type_of(kind)
                .ok_or(DecodeError::Invalid { what: "raft entry type", value: u64::from(kind) })?,
        );
        entry.term = u64::decode(reader)?;
        entry.index = u64::decode(reader)?;
        entry.data = decode_bytes(reader, "raft entry", ENTRY_BYTES_MAX)?;
        entries.push(entry);
    }
    Ok(entries)
}

fn encode_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    length_of(bytes.len()).encode(out);
    out.extend_from_slice(bytes);
}

fn decode_bytes(
    reader: &mut Reader<'_>,
    what: &'static str,
    limit: usize,
) -> Result<Bytes, DecodeError> {
    let count = reader.count(what, limit, 1)?;
    reader.take_shared(count, what)
}

fn length_of(length: usize) -> u32 {
    u32::try_from(length).expect("messages are bounded far below 2^32 bytes")
}

/// The stable number of an entry type, on disk and on the wire.
pub(crate) fn kind_of(entry_type: EntryType) -> u8 {
    match entry_type {
        EntryType::EntryNormal => 0,
        EntryType::EntryConfChange => 1,
        EntryType::EntryConfChangeV2 => 2,
    }
}

fn entry_type_of(kind: u8) -> Option<EntryType> {
    match kind {
        0 => Some(EntryType::EntryNormal),
        1 => Some(EntryType::EntryConfChange),
        2 => Some(EntryType::EntryConfChangeV2),
        _ => None,
    }
}

/// An entry as it is written to the log.
pub(crate) fn to_log_entry(entry: &Entry) -> LogEntry {
    LogEntry {
        index: entry.index,
        term: entry.term,
        kind: kind_of(entry.entry_type),
        data: entry.data.clone(),
    }
}

/// An entry as raft takes it; `None` for an unknown kind.
pub(crate) fn from_log_entry(stored: LogEntry) -> Option<Entry> {
    let mut entry = Entry::default();
    entry.set_entry_type(entry_type_of(stored.kind)?);
    entry.index = stored.index;
    entry.term = stored.term;
    entry.data = stored.data;
    Some(entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::codec::decode_exact;

    fn entry(kind: EntryType, index: u64, data: &[u8]) -> Entry {
        let mut entry = Entry::default();
        entry.set_entry_type(kind);
        entry.term = 7;
        entry.index = index;
        entry.data = data.to_vec().into();
        entry
    }

    fn full(kind: MessageType) -> RaftMessage {
        let mut message = Message::default();
        message.set_msg_type(kind);
        message.to = 1;
        message.from = 2;
        message.term = 3;
        message.log_term = 4;
        message.index = 5;
        message.commit = 6;
        message.commit_term = 7;
        message.reject = true;
        message.reject_hint = 8;
        message.request_snapshot = 9;
        message.priority = -10;
        message.context = b"CampaignTransfer".to_vec().into();
        let metadata = message.mut_snapshot().mut_metadata();
        metadata.index = 11;
        metadata.term = 12;
        metadata.mut_conf_state().set_voters(vec![1, 2, 3]);
        let entries = vec![
            entry(EntryType::EntryNormal, 6, b"body"),
            entry(EntryType::EntryConfChange, 7, b""),
            entry(EntryType::EntryConfChangeV2, 8, &[0; 300]),
        ];
        message.set_entries(entries.into());
        RaftMessage(message)
    }

    #[test]
    fn every_type_between_peers_round_trips_with_every_field() {
        for (_, kind) in TYPES {
            let message = full(kind);
            assert_eq!(decode_exact::<RaftMessage>(&message.to_bytes()), Ok(message));
        }
    }

    #[test]
    fn an_empty_message_takes_the_fewest_bytes() {
        let mut message = Message::default();
        message.set_msg_type(MessageType::MsgHeartbeat);
        assert_eq!(RaftMessage(message).to_bytes().len(), RaftMessage::BYTES_MIN);
    }

    #[test]
    fn types_inside_of_one_process_do_not_decode() {
        for kind in [
            MessageType::MsgHup,
            MessageType::MsgBeat,
            MessageType::MsgUnreachable,
            MessageType::MsgSnapStatus,
            MessageType::MsgCheckQuorum,
        ] {
            let bytes = full(kind).to_bytes();
            assert_eq!(
                decode_exact::<RaftMessage>(&bytes),
                Err(DecodeError::Invalid { what: "raft message type", value: 0 })
            );
        }
    }

    #[test]
    fn every_prefix_and_every_changed_byte_is_handled_without_panic() {
        let bytes = full(MessageType::MsgAppend).to_bytes();
        for length in 0..bytes.len() {
            assert!(decode_exact::<RaftMessage>(&bytes[..length]).is_err(), "{length}");
        }
        for position in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[position] ^= 0xff;
            if let Ok(message) = decode_exact::<RaftMessage>(&changed) {
                assert_eq!(message.to_bytes(), changed, "one value, one encoding");
            }
        }
    }

    #[test]
    fn lengths_are_checked_before_anything_is_allocated() {
        let mut bytes = full(MessageType::MsgAppend).to_bytes();
        let context_at = 1 + 9 * 8 + 1 + 8;
        bytes[context_at..context_at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
        let found = decode_exact::<RaftMessage>(&bytes);
        assert!(matches!(found, Err(DecodeError::TooMany { what: "raft context", .. })));
    }
}
