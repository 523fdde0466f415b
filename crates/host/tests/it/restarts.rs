//! Whatever happens to nodes, what was acknowledged is there afterwards.

use std::time::{Duration, Instant};

use tributary_chain::Header;
use tributary_replica::store::{CheckpointStore as _, LogEntry, LogStore as _};
use tributary_storage::{Database, DatabaseLimits, LogLimits, RaftEngineLog};
use tributary_types::{Amount, BlockHeight};
use tributary_wire::node::{NodeReply, NodeRequest};
use tributary_wire::query::{AnswerValue, Query};

use crate::cluster::{CHAIN, Cluster, eventually};
use crate::payments::{batch, customer, open_and_issue, transfer};

/// What the account of customer 0 has paid out.
fn paid_out(cluster: &Cluster) -> Amount {
    let answer = cluster.query(&Query::Account(customer(0)));
    let AnswerValue::Account(Some(account)) = answer.value else { panic!("{answer:?}") };
    account.debits
}

/// The certified header of the state as it is.
fn proved_header(cluster: &Cluster) -> Header {
    let answer = cluster.query(&Query::ProveAccount(customer(0)));
    let AnswerValue::StateProof(Some(proof)) = answer.value else { panic!("{answer:?}") };
    proof.verify(&cluster.genesis).unwrap();
    proof.header
}

fn pay(cluster: &Cluster, pence: u128) {
    let paid = cluster.submit(&batch(&cluster.genesis, vec![], vec![transfer(0, 1, pence)]));
    assert!(paid.receipts[0].code.is_committed(), "{paid:?}");
}

fn check_resumes(end: fn(&mut Cluster, usize)) {
    let mut cluster = Cluster::running(1);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    for pence in 1..=10 {
        pay(&cluster, pence);
    }
    let before = proved_header(&cluster);
    end(&mut cluster, 0);
    cluster.start(0);
    assert_eq!(proved_header(&cluster), before);
    pay(&cluster, 45);
    assert_eq!(paid_out(&cluster), Amount::new(100));
}

#[test]
fn a_node_that_was_stopped_resumes_at_the_same_state() {
    check_resumes(Cluster::stop);
}

#[test]
fn a_node_that_was_killed_resumes_at_the_same_state() {
    check_resumes(Cluster::kill);
}

#[test]
fn after_an_orderly_stop_nothing_is_executed_again() {
    let mut cluster = Cluster::running(3);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    for pence in 1..=5 {
        pay(&cluster, pence);
    }
    let paid_at = cluster.query(&Query::Books).height;
    eventually("every replica has executed the payments", || {
        (0..3).all(|node| certified(&cluster, node) >= paid_at).then_some(())
    });
    for node in 0..3 {
        let data = cluster.config(node).data_dir;
        cluster.stop(node);
        let database = Database::open(&data.join("database"), DatabaseLimits::default()).unwrap();
        let checkpoint = database.checkpoints().load(CHAIN).unwrap().unwrap();
        let log = RaftEngineLog::open(&data.join("log"), LogLimits::default()).unwrap();
        let log = log.load(CHAIN).unwrap();
        let commit = log.hard_state.commit;
        let is_left = |entry: &&LogEntry| entry.index > checkpoint.index && entry.index <= commit;
        let left: Vec<_> = log.entries.iter().filter(is_left).collect();
        assert!(left.iter().all(|entry| entry.data.is_empty()), "{left:?}");
        assert!(node > 0 || checkpoint.header.height >= paid_at);
    }
}

#[test]
fn nodes_that_stop_together_do_not_wait_for_one_another() {
    let mut cluster = Cluster::running(3);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    let nodes: Vec<_> = cluster.nodes.iter_mut().filter_map(Option::take).collect();
    let begin = Instant::now();
    let stopping: Vec<_> =
        nodes.into_iter().map(|node| std::thread::spawn(|| node.shutdown())).collect();
    for node in stopping {
        node.join().unwrap();
    }
    // A leader that looks for a successor gives up after two seconds only.
    assert!(begin.elapsed() < Duration::from_millis(1_800), "{:?}", begin.elapsed());
}

#[test]
fn any_one_of_three_may_be_killed_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::running(3);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    let mut total = 0;
    for node in 0..3 {
        cluster.kill(node);
        for pence in 1..=5 {
            pay(&cluster, pence);
            total += pence;
        }
        cluster.start(node);
    }
    assert_eq!(paid_out(&cluster), Amount::new(total));
    cluster.wait_until_ready();
    let height = cluster.query(&Query::Books).height;
    eventually("every replica has certified everything", || {
        let heights: Vec<_> = (0..3).map(|node| certified(&cluster, node)).collect();
        heights.iter().all(|certified| *certified >= height).then_some(())
    });
}

fn certified(cluster: &Cluster, node: usize) -> BlockHeight {
    let request = NodeRequest::Query { chain: CHAIN, query: Query::Status };
    match cluster.router(node).ask(&request) {
        Ok(NodeReply::Answer(answer)) => match answer.value {
            AnswerValue::Status(status) => status.certified,
            _ => BlockHeight::new(0),
        },
        _ => BlockHeight::new(0),
    }
}

#[test]
fn all_three_may_be_killed_at_once() {
    let mut cluster = Cluster::running(3);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    pay(&cluster, 7);
    for node in 0..3 {
        cluster.kill(node);
    }
    for node in 0..3 {
        cluster.start(node);
    }
    pay(&cluster, 8);
    assert_eq!(paid_out(&cluster), Amount::new(15));
}

#[test]
fn a_leader_that_is_stopped_in_order_hands_over() {
    let mut cluster = Cluster::running(3);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    let leader = |cluster: &Cluster| {
        eventually("a leader is known", || {
            let node = cluster.nodes_of(CHAIN).next()?;
            let request = NodeRequest::Query { chain: CHAIN, query: Query::Status };
            let Ok(NodeReply::Answer(answer)) = cluster.router(node).ask(&request) else {
                return None;
            };
            let AnswerValue::Status(status) = answer.value else { return None };
            status.leader.map(usize::from)
        })
    };
    let first = leader(&cluster);
    cluster.stop(first);
    pay(&cluster, 9);
    assert_ne!(leader(&cluster), first);
}
