//! A peer that holds a valid certificate and sends nonsense: refused or
//! harmless, never a panic.

use tributary_chain::batch::{BATCH_OPERATIONS_MAX, BATCH_PAYMENTS_MAX};
use tributary_chain::operation::{Action, RegistryChange};
use tributary_replica::{
    Effect, ITEM_BYTES_MAX, Now, PeerError, PeerMessage, RaftMessage, Replica, ReplicaStatus,
    Reply, Restored,
};
use tributary_types::codec::decode_exact;
use tributary_types::{DecodeError, Encode};

use crate::cluster::Cluster;
use crate::fixture::{START, config, genesis, open_and_issue};

/// Where the numbers of an encoded raft message stand, behind its tag and that
/// of the peer message: to, from, term, log term, index, commit, commit term,
/// reject hint, requested snapshot.
const NUMBERS: usize = 9;

fn number_at(position: usize) -> std::ops::Range<usize> {
    let start = 2 + 8 * position;
    start..start + 8
}

/// A raft message of any type from validator 1 to 0, with numbers that are
/// mostly near to what the replica is at.
fn nonsense(cluster: &mut Cluster, at: &ReplicaStatus) -> Vec<u8> {
    let mut bytes = vec![1, u8::try_from(1 + cluster.draw(14)).unwrap()];
    1_u64.encode(&mut bytes);
    2_u64.encode(&mut bytes);
    (at.term + cluster.draw(3)).encode(&mut bytes);
    let near = [at.term, at.log_last, at.commit, at.term, at.log_last, 0];
    for middle in near {
        let number = match cluster.draw(20) {
            0 => cluster.draw(u64::MAX),
            1..=3 => 0,
            _ => (middle + cluster.draw(4)).saturating_sub(2),
        };
        number.encode(&mut bytes);
    }
    (cluster.draw(4) == 0).encode(&mut bytes);
    0_u64.encode(&mut bytes);
    0_u32.encode(&mut bytes);
    false.encode(&mut bytes);
    let entries = cluster.draw(4);
    let first = (at.log_last + cluster.draw(3)).saturating_sub(1);
    u32::try_from(entries).unwrap().encode(&mut bytes);
    for index in first..first + entries {
        bytes.push(0);
        (at.term + cluster.draw(2)).encode(&mut bytes);
        index.encode(&mut bytes);
        0_u32.encode(&mut bytes);
    }
    bytes
}

/// A disk that is slow to answer; what else a replica asks for is dropped.
#[derive(Default)]
struct SlowDisk {
    writes: Vec<u64>,
    checkpoints: Vec<u64>,
}

impl SlowDisk {
    fn collect(&mut self, replica: &mut Replica) {
        while let Some(effect) = replica.poll_effect() {
            match effect {
                Effect::Persist(number, _) => self.writes.push(number),
                Effect::SaveCheckpoint { checkpoint, .. } => {
                    self.checkpoints.push(checkpoint.index);
                }
                _ => {}
            }
        }
    }

    /// Makes everything durable that was asked for.
    fn answer(&mut self, replica: &mut Replica) {
        self.collect(replica);
        while let Some(index) = self.checkpoints.pop() {
            replica.handle_checkpointed(index);
            self.collect(replica);
        }
        while let Some(number) = self.writes.pop() {
            replica.handle_persisted(number);
            self.collect(replica);
        }
    }
}

#[test]
fn a_replica_survives_any_sequence_of_raft_messages() {
    let mut random = Cluster::new(1, 99);
    let (mut taken, mut refused, mut led) = (0, 0, 0);
    for _ in 0..1_000 {
        let mut replica = Replica::new(config(0), &genesis(3), Restored::default()).unwrap();
        let mut disk = SlowDisk::default();
        let mut was_leader = false;
        for step in 0..200 {
            let now = Now { wall: START, monotonic_ms: 10 * step };
            replica.handle_tick(now);
            let bytes = nonsense(&mut random, &replica.status());
            let message: PeerMessage = decode_exact(&bytes).unwrap();
            match replica.handle_peer(1, message) {
                Ok(()) => taken += 1,
                Err(PeerError::Raft(_)) => refused += 1,
                Err(error) => panic!("{error}"),
            }
            disk.collect(&mut replica);
            if random.draw(5) == 0 {
                disk.answer(&mut replica);
            }
            was_leader |= replica.is_leader();
        }
        led += u64::from(was_leader);
    }
    assert!(taken > 1_000 && refused > 1_000, "{taken} taken, {refused} refused");
    assert!(led > 10, "the replica led in {led} runs");
}

#[test]
fn real_messages_with_changed_numbers_are_survived() {
    for seed in 0..100 {
        let mut cluster = Cluster::new(3, seed);
        cluster.tap = Some(Vec::new());
        cluster.network.loss_permille = 100;
        cluster.commit(1);
        cluster.commit(2);
        let messages = cluster.tap.take().unwrap();
        let target = u16::try_from(cluster.draw(3)).unwrap();
        for (from, to, mut bytes) in messages {
            if to != target || bytes[0] != 1 {
                continue;
            }
            let position = 2 + usize::try_from(cluster.draw(NUMBERS as u64 - 2)).unwrap();
            let value = cluster.draw(9);
            bytes[number_at(position)].copy_from_slice(&value.to_le_bytes());
            let Ok(message) = decode_exact::<PeerMessage>(&bytes) else { continue };
            cluster.act_alone(target, |replica| {
                // Refused or taken: only surviving counts.
                drop(replica.handle_peer(from, message));
                SlowDisk::default().answer(replica);
            });
        }
    }
}

#[test]
fn a_message_in_the_name_of_another_validator_is_refused() {
    let mut cluster = Cluster::new(3, 1);
    let status = cluster.replica(0).status();
    let bytes = nonsense(&mut cluster, &status);
    let PeerMessage::Raft(message) = decode_exact(&bytes).unwrap() else {
        panic!("a raft message");
    };
    let send = |cluster: &mut Cluster, from: u16, message: RaftMessage| {
        let mut result = Ok(());
        cluster.act(0, |replica| {
            result = replica.handle_peer(from, PeerMessage::Raft(message));
        });
        result
    };
    let error = send(&mut cluster, 2, message);
    assert_eq!(error, Err(PeerError::WrongValidator { expected: 2, found: 1 }));
}

#[test]
fn no_prefix_of_a_peer_message_decodes() {
    let mut cluster = Cluster::new(3, 2);
    cluster.tap = Some(Vec::new());
    cluster.commit(1);
    cluster.settle();
    let messages = cluster.tap.take().unwrap();
    let kinds: std::collections::BTreeSet<u8> = messages.iter().map(|(_, _, b)| b[0]).collect();
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
    for (_, _, bytes) in messages {
        assert!(decode_exact::<PeerMessage>(&bytes[..bytes.len() - 1]).is_err());
        let longer = [&bytes[..], &[0]].concat();
        assert_eq!(decode_exact::<PeerMessage>(&longer), Err(DecodeError::Trailing(1)));
    }
    assert!(matches!(
        decode_exact::<PeerMessage>(&[9]),
        Err(DecodeError::Invalid { what: "peer message", value: 9 })
    ));
}

#[test]
fn the_largest_batch_of_accounts_and_payments_fits_a_log_entry() {
    let mut cluster = Cluster::new(1, 3);
    let mut batch = open_and_issue(&cluster.genesis, 1, START);
    batch.operations = vec![batch.operations[0].clone(); BATCH_OPERATIONS_MAX];
    batch.payments = vec![batch.payments[0]; BATCH_PAYMENTS_MAX];
    assert!(batch.to_bytes().len() < ITEM_BYTES_MAX);
    let request = cluster.submit_batch(0, batch);
    cluster.run(100);
    assert!(matches!(cluster.replies[&request], Reply::Receipts { .. }));
}

#[test]
fn a_batch_that_does_not_fit_a_log_entry_is_refused() {
    let mut cluster = Cluster::new(1, 4);
    let mut batch = open_and_issue(&cluster.genesis, 1, START);
    let mut bank = cluster.genesis.institutions[0].clone();
    bank.keys = vec![bank.keys[0]; ITEM_BYTES_MAX / 32];
    batch.operations[0].action = Action::Register(RegistryChange::Institution(bank));
    let request = cluster.submit_batch(0, batch);
    let reply = &cluster.replies[&request];
    assert!(matches!(reply, Reply::TooLarge { .. } | Reply::Refused(_)), "{reply:?}");
}
