//! Block time follows the validators' clocks, not one of them.

use crate::cluster::Cluster;
use crate::fixture::{START, config, issue_id, open_and_issue};
use tributary_replica::Reply;

const DAY_MS: i64 = 86_400_000;

fn block_time_after(cluster: &mut Cluster, blocks: u64) -> u64 {
    for number in 1..=blocks {
        cluster.commit(number);
        cluster.run(1_000);
    }
    let leader = cluster.leader().unwrap();
    cluster.replica(leader).ledger().header().time.get()
}

#[test]
fn one_wrong_clock_cannot_drag_block_time() {
    for wrong in 0..3 {
        for skew_ms in [DAY_MS, -DAY_MS] {
            let mut cluster = Cluster::new(3, 1);
            cluster.set_wall_skew_ms(wrong, skew_ms);
            let time = block_time_after(&mut cluster, 5);
            let wall = cluster.wall().get();
            assert!(time <= wall + 50, "validator {wrong} drags by {skew_ms}: {time} after {wall}");
            assert!(time + 3_000 > wall, "validator {wrong} holds back: {time} before {wall}");
        }
    }
}

#[test]
fn block_time_never_goes_back() {
    let mut cluster = Cluster::new(3, 2);
    let mut last = 0;
    for number in 1..=10 {
        for validator in cluster.validators() {
            let skew_ms = i64::try_from(cluster.draw(10_000)).unwrap() - 5_000;
            cluster.set_wall_skew_ms(validator, skew_ms);
        }
        cluster.commit(number);
        cluster.run(500);
        let time = cluster.replica(cluster.leader().unwrap()).ledger().header().time.get();
        assert!(time >= last);
        last = time;
    }
}

#[test]
fn a_chain_that_slept_for_days_catches_up_before_it_takes_payments() {
    let mut cluster = Cluster::new(3, 3);
    for validator in cluster.validators() {
        cluster.set_wall_skew_ms(validator, 3 * DAY_MS);
    }
    cluster.run(500);
    let leader = cluster.await_leader().unwrap();
    let now = cluster.wall().plus_ms(3 * DAY_MS.unsigned_abs());
    let batch = open_and_issue(&cluster.genesis, 1, now);
    let request = cluster.submit_batch(leader, batch);
    cluster.run(3_000);
    let Some(Reply::Receipts { height, receipts, .. }) = cluster.replies.get(&request) else {
        panic!("{:?}", cluster.replies.get(&request));
    };
    assert!(receipts.iter().all(|receipt| receipt.code.is_committed()), "{receipts:?}");
    let step_ms = cluster.genesis.parameters.time_step_ms_max;
    let steps = 3 * DAY_MS.unsigned_abs() / step_ms;
    assert!((steps..=steps + 2).contains(&height.get()), "{height} after {steps} steps");
    let leader = cluster.leader().unwrap();
    assert!(cluster.replica(leader).ledger().payment(&issue_id(1, now)).is_some());
}

#[test]
fn a_leader_waits_for_the_clocks_of_a_quorum() {
    let mut cluster = Cluster::new(1, 4);
    let request = cluster.submit(0, 1);
    assert!(!cluster.replies.contains_key(&request), "no clock was read yet");
    cluster.run(100);
    assert!(cluster.replies.contains_key(&request));
    assert_eq!(config(0).validator, 0);
    assert!(cluster.replica(0).ledger().header().time >= START);
}

/// Whether an id can still execute is told by block time: on an idle chain it
/// would stand still for ever.
#[test]
fn an_idle_chain_moves_on_in_time_for_a_read_that_wants_it() {
    let mut cluster = Cluster::new(3, 5);
    cluster.commit(1);
    for validator in cluster.validators() {
        cluster.set_wall_skew_ms(validator, 3 * DAY_MS);
    }
    cluster.run(5_000);
    let leader = cluster.await_leader().unwrap();
    let header = |cluster: &Cluster| cluster.replica(leader).ledger().header().clone();
    let idle = header(&cluster);
    let read = cluster.read(leader);
    cluster.run_until("a plain read", |cluster| cluster.replies.contains_key(&read));
    assert_eq!(header(&cluster), idle, "which leaves the chain as it is");

    let after = idle.time.plus_ms(2 * DAY_MS.unsigned_abs());
    let read = cluster.read_after(leader, after);
    cluster.run_until("the read", |cluster| cluster.replies.contains_key(&read));
    assert_eq!(cluster.replies.get(&read), Some(&Reply::ReadReady));
    let moved = header(&cluster);
    assert!(moved.time > after, "{} is not after {after}", moved.time);
    let read = cluster.read_after(leader, after);
    cluster.run_until("the same again", |cluster| cluster.replies.contains_key(&read));
    let read = cluster.read_after(leader, after.plus_ms(30 * DAY_MS.unsigned_abs()));
    cluster.run_until("a read of the future", |cluster| cluster.replies.contains_key(&read));
    assert_eq!(header(&cluster), moved, "neither needs a block");
}

#[test]
fn a_read_that_waits_for_time_is_refused_by_a_leader_that_leads_no_more() {
    let mut cluster = Cluster::new(3, 6);
    cluster.commit(1);
    cluster.run(1_000);
    let leader = cluster.await_leader().unwrap();
    let after = cluster.replica(leader).ledger().header().time;
    cluster.isolate(leader);
    let read = cluster.read_after(leader, after);
    cluster.run_until("an answer", |cluster| cluster.replies.contains_key(&read));
    assert!(matches!(cluster.replies.get(&read), Some(Reply::NotLeader { .. })));
}
