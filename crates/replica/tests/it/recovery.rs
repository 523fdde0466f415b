//! Starting from what a disk holds, and refusing to.

use tributary_replica::store::LogEntry;
use tributary_replica::{Fatality, Limits, Replica, ReplicaConfig, Restored, StartError};
use tributary_types::{BlockHeight, Hash};

use crate::cluster::Cluster;
use crate::fixture::{config, genesis, validator_key};

fn restored(customers: u64, checkpoint_after_blocks: u64) -> (Cluster, Restored) {
    let limits = Limits { checkpoint_after_blocks, log_tail_bytes: 0, ..config(0).limits };
    let mut cluster = Cluster::with_configs(vec![ReplicaConfig { limits, ..config(0) }], 1);
    for number in 1..=customers {
        cluster.commit(number);
        // Until a checkpoint is saved no other one begins.
        cluster.run(50);
    }
    let restored = cluster.disk(0).restored();
    (cluster, restored)
}

fn start(restored: Restored) -> Result<Replica, StartError> {
    Replica::new(config(0), &genesis(1), restored)
}

#[test]
fn the_log_alone_gives_the_state_back() {
    let (cluster, restored) = restored(5, u64::MAX);
    assert_eq!(restored.checkpoint, None);
    let replica = start(restored).unwrap();
    // The last commit may not have reached the disk before a single replica leads.
    assert!(replica.status().height.get() >= 4);
    assert!(replica.status().height <= cluster.replica(0).status().height);
}

#[test]
fn a_checkpoint_and_the_log_behind_it_give_the_state_back() {
    let (mut cluster, restored) = restored(10, 3);
    let checkpoint = restored.checkpoint.as_ref().unwrap();
    assert_eq!(checkpoint.header.height, BlockHeight::new(9));
    assert!(cluster.disk(0).log_length() < 5, "the log is cut behind the checkpoint");
    cluster.crash(0);
    cluster.restart(0);
    cluster.commit(11);
    assert_eq!(cluster.height(0), 11);
}

#[test]
fn after_a_wanted_checkpoint_nothing_is_executed_again() {
    let mut cluster = Cluster::new(3, 1);
    for number in 1..=5 {
        cluster.commit(number);
    }
    cluster.run(300);
    for validator in 0..3 {
        assert!(!cluster.replica(validator).is_checkpointed());
        let height = cluster.replica(validator).status().height;
        cluster.act(validator, Replica::handle_checkpoint_wanted);
        cluster.run(100);
        assert!(cluster.replica(validator).is_checkpointed());
        let checkpoint = cluster.disk(validator).restored().checkpoint.unwrap();
        assert_eq!(checkpoint.header.height, height);
    }
    // Blocks that come later are not left out.
    cluster.commit(6);
    cluster.run(300);
    assert!((0..3).all(|validator| cluster.replica(validator).is_checkpointed()));
}

#[test]
fn wanted_space_cuts_the_whole_log_of_an_idle_chain() {
    let mut cluster = Cluster::new(1, 1);
    for number in 1..=5 {
        cluster.commit(number);
    }
    cluster.run(100);
    assert!(cluster.disk(0).log_length() > 5);
    cluster.act(0, Replica::handle_space_wanted);
    cluster.run(100);
    assert_eq!(cluster.disk(0).log_length(), 0);
    cluster.crash(0);
    cluster.restart(0);
    assert_eq!(cluster.height(0), 5);
    cluster.commit(6);
}

#[test]
fn changed_pages_add_up_to_the_whole_state() {
    let (cluster, restored) = restored(12, 2);
    let header = cluster.replica(0).ledger().header().clone();
    assert_eq!(restored.checkpoint.as_ref().unwrap().header, header);
    assert_eq!(start(restored).unwrap().ledger().header(), &header);
}

#[test]
fn a_changed_page_refuses_to_start_and_names_the_height() {
    let (_, mut restored) = restored(4, 4);
    let pages = &mut restored.checkpoint.as_mut().unwrap().pages;
    let page = pages.iter_mut().max_by_key(|page| page.bytes.len()).unwrap();
    let middle = page.bytes.len() / 2;
    let mut bytes = page.bytes.to_bytes().into_owned();
    bytes[middle] ^= 1;
    page.bytes = bytes.into();
    let error = start(restored).err().unwrap();
    assert!(
        matches!(&error, StartError::Checkpoint { height, .. } if height.get() == 4),
        "{error}"
    );
}

#[test]
fn replay_that_contradicts_the_certified_header_refuses_to_start() {
    let (_, mut restored) = restored(5, u64::MAX);
    restored.log.hard_state.commit = restored.log.entries.last().unwrap().index;
    let (header, _) = restored.certified.as_mut().unwrap();
    header.state_root = Hash::ZERO;
    let error = start(restored).err().unwrap();
    let StartError::Recovery(Fatality::ReplayMismatch { height, replayed, certified }) = &error
    else {
        panic!("{error}");
    };
    assert_eq!(height.get(), 5);
    assert!(error.to_string().contains(&replayed.to_string()));
    assert!(error.to_string().contains(&certified.to_string()));
}

#[test]
fn an_entry_that_is_no_body_stops_the_replica() {
    let (_, mut restored) = restored(2, u64::MAX);
    let last: &mut LogEntry = restored.log.entries.last_mut().unwrap();
    last.data = vec![0xff; 20].into();
    restored.log.hard_state.commit = last.index;
    let error = start(restored).err().unwrap();
    assert!(matches!(error, StartError::Recovery(Fatality::Undecodable { .. })), "{error}");
}

#[test]
fn a_key_that_is_not_registered_refuses_to_start() {
    let wrong = ReplicaConfig { key: validator_key(9), ..config(0) };
    let error = Replica::new(wrong, &genesis(1), Restored::default()).err().unwrap();
    assert!(matches!(error, StartError::WrongKey { validator: 0, .. }), "{error}");
    let wrong = ReplicaConfig { validator: 3, ..config(0) };
    let error = Replica::new(wrong, &genesis(3), Restored::default()).err().unwrap();
    assert!(matches!(error, StartError::UnknownValidator { count: 3, .. }), "{error}");
}

#[test]
fn every_torn_write_leaves_a_disk_that_starts() {
    for seed in 0..30 {
        let limits = Limits { checkpoint_after_blocks: 3, log_tail_bytes: 500, ..config(0).limits };
        let configs = (0..3).map(|node| ReplicaConfig { limits, ..config(node) }).collect();
        let mut cluster = Cluster::with_configs(configs, seed);
        for number in 1..=10 {
            cluster.commit(number);
            let victim = u16::try_from(cluster.draw(3)).unwrap();
            cluster.crash_torn(victim);
            cluster.restart(victim);
        }
        cluster.settle();
    }
}

#[test]
fn who_was_away_learns_at_once_how_much_it_missed() {
    for seed in 0..20 {
        let mut cluster = Cluster::new(3, seed);
        cluster.commit(1);
        let leader = cluster.leader().unwrap();
        let away = cluster.validators().find(|validator| *validator != leader).unwrap();
        cluster.settle();
        cluster.crash(away);
        let missed = if seed % 2 == 0 { 30 } else { 0 };
        for number in 0..missed {
            cluster.commit(2 + number);
        }
        cluster.run(500);
        let commit = cluster.replica(leader).status().commit;
        cluster.restart(away);
        assert_eq!(cluster.replica(away).status().leader_commit, None);
        cluster.run_until("it hears how far the leader is", |cluster| {
            cluster.replica(away).status().leader_commit.is_some()
        });
        let heard = cluster.replica(away).status().leader_commit.unwrap();
        assert!(heard >= commit, "seed {seed}: {heard} of {commit}");
    }
}
