//! Followers that fell behind the log get the whole state.

use std::collections::BTreeMap;

use tributary_replica::{Limits, Now, PeerError, PeerMessage, ReplicaConfig, Reply};
use tributary_types::Hash;
use tributary_types::codec::decode_exact;

use crate::cluster::Cluster;
use crate::fixture::{START, config, issue_id};

/// Three replicas that keep a very short log.
fn short_logs(seed: u64) -> Cluster {
    let limits = Limits {
        checkpoint_after_blocks: 5,
        log_tail_bytes: 0,
        snapshot_install_ticks_max: 50,
        ..config(0).limits
    };
    let configs = (0..3).map(|node| ReplicaConfig { limits, ..config(node) }).collect();
    Cluster::with_configs(configs, seed)
}

fn leave_behind(cluster: &mut Cluster, blocks: u64) -> u16 {
    cluster.commit(1_000);
    let behind = (cluster.leader().unwrap() + 1) % 3;
    cluster.crash(behind);
    for number in 0..blocks {
        cluster.commit(number);
    }
    cluster.run(100);
    behind
}

#[test]
fn a_follower_behind_the_log_gets_a_snapshot_and_the_entries_after_it() {
    for seed in 0..10 {
        let mut cluster = short_logs(seed);
        let behind = leave_behind(&mut cluster, 23);
        cluster.restart(behind);
        cluster.settle();
        assert!(cluster.replica(behind).status().log_first > 20);
        cluster.commit(500);
        cluster.settle();
        for number in (0..23).chain([500, 1_000]) {
            let ledger = cluster.replica(behind).ledger();
            assert!(ledger.payment(&issue_id(number, START)).is_some());
        }
        assert_eq!(cluster.replica(behind).ledger().validate(), Ok(()));
    }
}

#[test]
fn a_crash_at_any_moment_of_an_installation_is_survived() {
    for pause_ms in 0..60 {
        let mut cluster = short_logs(pause_ms);
        let behind = leave_behind(&mut cluster, 12);
        cluster.restart(behind);
        cluster.run(10 + pause_ms);
        cluster.crash_torn(behind);
        cluster.restart(behind);
        cluster.settle();
        cluster.commit(500);
        cluster.settle();
    }
}

#[test]
fn a_snapshot_that_is_lost_is_sent_again() {
    let mut cluster = short_logs(1);
    let behind = leave_behind(&mut cluster, 12);
    cluster.network.loss_permille = 300;
    cluster.restart(behind);
    cluster.run(20_000);
    cluster.network.loss_permille = 0;
    cluster.settle();
}

/// The bytes of a snapshot that is sent to `behind`, which runs again without
/// it, and alone.
fn intercepted_snapshot(cluster: &mut Cluster, behind: u16) -> Vec<u8> {
    cluster.restart(behind);
    cluster.run_until("a snapshot is sent", |cluster| cluster.was_sent_snapshot(behind));
    cluster.crash(behind);
    cluster.isolate(behind);
    cluster.restart(behind);
    cluster.last_snapshot(behind)
}

#[test]
fn a_snapshot_that_does_not_fit_its_header_is_refused() {
    let mut cluster = short_logs(2);
    let behind = leave_behind(&mut cluster, 12);
    let leader = cluster.leader().unwrap();
    let offer = intercepted_snapshot(&mut cluster, behind);
    let refused = |change: &dyn Fn(&mut tributary_replica::SnapshotMessage),
                   cluster: &mut Cluster| {
        let PeerMessage::Snapshot(mut message) = decode_exact::<PeerMessage>(&offer).unwrap()
        else {
            panic!("a snapshot");
        };
        change(&mut message);
        let mut result = Ok(());
        cluster.act(behind, |replica| {
            result = replica.handle_peer(leader, PeerMessage::Snapshot(message));
        });
        assert_eq!(cluster.height(behind), 0);
        result.unwrap_err()
    };
    let error = refused(&|message| message.header.state_root = Hash::ZERO, &mut cluster);
    assert!(matches!(error, PeerError::Snapshot { .. }), "{error}");
    let error = refused(&|message| message.pages.clear(), &mut cluster);
    assert!(matches!(error, PeerError::Snapshot { .. }), "{error}");
    let error = refused(
        &|message| {
            let page = message.pages.iter_mut().max_by_key(|page| page.bytes.len()).unwrap();
            let last = page.bytes.len() - 1;
            let mut bytes = page.bytes.to_bytes().into_owned();
            bytes[last] ^= 1;
            page.bytes = bytes.into();
        },
        &mut cluster,
    );
    assert!(matches!(error, PeerError::Snapshot { .. }), "{error}");
    // The untouched one is taken.
    let message = decode_exact::<PeerMessage>(&offer).unwrap();
    cluster.act(behind, |replica| replica.handle_peer(leader, message).unwrap());
    assert_eq!(cluster.height(behind), cluster.height(leader));
}

#[test]
fn crashes_and_partitions_with_short_logs_lose_nothing() {
    for seed in 0..20 {
        let mut cluster = short_logs(seed);
        cluster.network.loss_permille = 20;
        let mut requests = BTreeMap::new();
        for number in 1..=80 {
            for validator in cluster.validators() {
                if cluster.is_leader(validator) {
                    requests.insert(cluster.submit(validator, number), number);
                }
            }
            let pause_ms = cluster.draw(40);
            cluster.run(pause_ms);
            let victim = u16::try_from(cluster.draw(3)).unwrap();
            match cluster.draw(12) {
                0 => cluster.isolate(victim),
                1 | 2 => cluster.heal(),
                3 => {
                    cluster.crash_torn(victim);
                    let pause_ms = cluster.draw(1_000);
                    cluster.run(pause_ms);
                    cluster.restart(victim);
                }
                _ => {}
            }
        }
        cluster.heal();
        cluster.network.loss_permille = 0;
        cluster.commit(1_000);
        cluster.settle();
        let mut acknowledged = 0;
        for (request, number) in requests {
            if matches!(cluster.replies.get(&request), Some(Reply::Receipts { .. })) {
                acknowledged += 1;
                for validator in cluster.validators() {
                    let ledger = cluster.replica(validator).ledger();
                    assert!(ledger.payment(&issue_id(number, START)).is_some(), "seed {seed}");
                }
            }
        }
        assert!(acknowledged > 10, "seed {seed}: {acknowledged}");
    }
}

#[test]
fn a_follower_that_saves_a_state_stands_for_no_election() {
    let mut cluster = short_logs(3);
    let behind = leave_behind(&mut cluster, 12);
    let leader = cluster.leader().unwrap();
    let offer = intercepted_snapshot(&mut cluster, behind);
    let message = decode_exact::<PeerMessage>(&offer).unwrap();
    // The checkpoint that the state asks for is not saved: nobody carries it out.
    cluster.act_alone(behind, |replica| replica.handle_peer(leader, message).unwrap());
    let mut now = Now { wall: START, monotonic_ms: 1_000_000 };
    for _ in 0..100 {
        now.monotonic_ms += config(0).tick_ms;
        cluster.act_alone(behind, |replica| replica.handle_tick(now));
    }
    assert_eq!(cluster.replica(behind).status().leader, Some(leader));
    cluster.heal();
    cluster.act(behind, |_| {});
    cluster.settle();
}
