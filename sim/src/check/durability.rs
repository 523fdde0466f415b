//! No validator promises what it may forget: a vote, a term or entries of the
//! log are on its disk before it tells anybody.
//!
//! The promise is read from the bytes on the wire, whose layout is fixed, and
//! held against the disk.

use tributary_types::ChainId;

use crate::disk::Disk;

/// Tag of a consensus message among a peer's messages.
const RAFT: u8 = 1;
const APPEND_RESPONSE: u8 = 3;
const REQUEST_VOTE: u8 = 4;
const REQUEST_VOTE_RESPONSE: u8 = 5;

/// Where the fields of a consensus message lie.
const KIND: usize = 1;
const TO: usize = 2;
const FROM: usize = 10;
const TERM: usize = 18;
const INDEX: usize = 34;
const REJECT: usize = 74;

/// A node sends a message of a chain.
///
/// # Errors
/// What it promises and its disk does not hold.
pub fn sent(chain: ChainId, bytes: &[u8], disk: &Disk) -> Result<(), String> {
    let kind = bytes.get(KIND).copied();
    if bytes.first() != Some(&RAFT) || bytes.get(REJECT).is_none_or(|reject| *reject != 0) {
        return Ok(());
    }
    let (Some(to), Some(from), Some(term), Some(index)) =
        (number(bytes, TO), number(bytes, FROM), number(bytes, TERM), number(bytes, INDEX))
    else {
        return Ok(());
    };
    let durable = disk.hard_state(chain);
    let vote = match kind {
        Some(REQUEST_VOTE) => from,
        Some(REQUEST_VOTE_RESPONSE) => to,
        Some(APPEND_RESPONSE) => {
            let last = disk.last_index(chain);
            // What a later term took away was there before: one sync had both.
            let was_durable = term < durable.term && index <= disk.reached(chain, term);
            return if was_durable || index <= last && term <= durable.term {
                Ok(())
            } else {
                Err(format!("confirms {index} in term {term}; durable is {last}, {durable:?}"))
            };
        }
        _ => return Ok(()),
    };
    let is_durable = durable.term > term || (durable.term == term && durable.vote == vote);
    if is_durable {
        Ok(())
    } else {
        Err(format!("votes for {vote} in term {term}; durable is {durable:?}"))
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at + 8)?.try_into().ok()?;
    Some(u64::from_le_bytes(bytes))
}
