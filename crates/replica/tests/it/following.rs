//! One follower: what it confirms while it executes what it has missed.

use tributary_chain::{Body, ClockReport};
use tributary_replica::{Effect, Limits, Now, PeerMessage, Replica, ReplicaConfig, Restored};
use tributary_types::Encode;
use tributary_types::codec::decode_exact;

use crate::fixture::{START, config, genesis};

/// Wire tags: a raft message, and its types.
const RAFT: u8 = 1;
const APPEND: u8 = 2;
const APPEND_RESPONSE: u8 = 3;
const TERM: u64 = 1;
const LEADER: u16 = 1;

/// An append of the leader: entries `first..first + count`, a block each.
fn append(first: u64, count: u64, commit: u64) -> PeerMessage {
    let mut bytes = vec![RAFT, APPEND];
    // To, from, term, log term, index, commit, commit term, hint, snapshot.
    let log_term = if first > 1 { TERM } else { 0 };
    for number in [1, 2, TERM, log_term, first - 1, commit, 0, 0, 0] {
        number.encode(&mut bytes);
    }
    false.encode(&mut bytes);
    0_u64.encode(&mut bytes);
    0_u32.encode(&mut bytes);
    false.encode(&mut bytes);
    let clocks = vec![ClockReport { validator: LEADER, time: START }];
    let body = Body { clocks, ..Body::default() }.to_bytes();
    u32::try_from(count).unwrap().encode(&mut bytes);
    for index in first..first + count {
        0_u8.encode(&mut bytes);
        TERM.encode(&mut bytes);
        index.encode(&mut bytes);
        body.encode(&mut bytes);
    }
    decode_exact(&bytes).unwrap()
}

/// The index that a message confirms, if it does.
fn confirmed(message: &PeerMessage) -> Option<u64> {
    let bytes = message.to_bytes();
    let index = 2 + 4 * 8;
    let is_response = bytes.starts_with(&[RAFT, APPEND_RESPONSE]);
    is_response.then(|| u64::from_le_bytes(bytes[index..index + 8].try_into().unwrap()))
}

fn follower(limits: Limits) -> Replica {
    let config = ReplicaConfig { limits, ..config(0) };
    let mut replica = Replica::new(config, &genesis(3), Restored::default()).unwrap();
    replica.handle_tick(Now { wall: START, monotonic_ms: 0 });
    replica
}

/// What a follower did, in order.
#[derive(Debug, PartialEq)]
enum Did {
    Confirmed(u64),
    Executed(u64),
}

/// Has it do all that it can but for the blocks from `until` on; its disk is fast.
fn work(replica: &mut Replica, until: u64) -> Vec<Did> {
    let mut done = Vec::new();
    while replica.status().height.get() < until
        && let Some(effect) = replica.poll_effect()
    {
        match effect {
            Effect::Persist(number, _) => replica.handle_persisted(number),
            Effect::Executed(block) => done.push(Did::Executed(block.header.height.get())),
            Effect::Send { message, .. } => done.extend(confirmed(&message).map(Did::Confirmed)),
            _ => {}
        }
    }
    done
}

#[test]
fn what_a_leader_sends_is_confirmed_before_all_that_was_missed_is_executed() {
    let mut replica = follower(Limits { work_bytes_max: 0, ..config(0).limits });
    replica.handle_peer(LEADER, append(1, 5, 5)).unwrap();
    let first = [Did::Confirmed(5), Did::Executed(1), Did::Executed(2)];
    assert_eq!(work(&mut replica, 2), first);
    // The second block is not noted yet.
    assert!(replica.is_about_to_execute());
    replica.handle_peer(LEADER, append(6, 1, 5)).unwrap();
    let then = [3, 4, 5].map(Did::Executed);
    let all: Vec<_> = [Did::Confirmed(6)].into_iter().chain(then).collect();
    assert_eq!(work(&mut replica, u64::MAX), all);
    assert!(!replica.is_about_to_execute() && replica.is_at_rest(1_000));
    assert!(!replica.is_at_rest(0), "the last entry is not committed");
}

#[test]
fn who_has_not_executed_much_is_behind_until_it_has() {
    let mut replica = follower(Limits { unexecuted_bytes_max: 200, ..config(0).limits });
    replica.handle_peer(LEADER, append(1, 8, 8)).unwrap();
    assert!(!replica.is_behind(), "nothing is in its log yet");
    assert_eq!(work(&mut replica, 1), [Did::Confirmed(8), Did::Executed(1)]);
    assert!(replica.is_behind());
    work(&mut replica, u64::MAX);
    assert!(!replica.is_behind());
}
