//! Payments become final, with one replica and with three.

use tributary_types::{Amount, OutcomeCode};
use tributary_wire::query::{AnswerValue, Query};

use crate::cluster::Cluster;
use crate::payments::{batch, customer, open_and_issue, transfer};

fn check_commits(replicas: u16) {
    let cluster = Cluster::running(replicas);
    let opened = cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    assert_eq!(opened.receipts.len(), 4);
    assert!(opened.receipts.iter().all(|receipt| receipt.code.is_committed()), "{opened:?}");

    let payments = vec![transfer(0, 1, 300), transfer(0, 1, 900)];
    let paid = cluster.submit(&batch(&cluster.genesis, vec![], payments));
    let codes: Vec<_> = paid.receipts.iter().map(|receipt| receipt.code).collect();
    assert_eq!(codes, [OutcomeCode::Committed, OutcomeCode::InsufficientFunds]);
    assert_eq!(paid.receipts[1].detail, Amount::new(700));

    let answer = cluster.query(&Query::Account(customer(1)));
    let AnswerValue::Account(Some(account)) = answer.value else { panic!("{answer:?}") };
    assert_eq!(account.credits, Amount::new(1_300));
    assert!(answer.height >= paid.height);
    cluster.wait_until_ready();
}

#[test]
fn a_single_replica_commits() {
    check_commits(1);
}

#[test]
fn three_replicas_commit() {
    check_commits(3);
}

#[test]
fn the_same_batch_again_is_answered_with_the_first_outcome() {
    let cluster = Cluster::running(1);
    let batch = open_and_issue(&cluster.genesis, 0..1);
    let first = cluster.submit(&batch);
    let second = cluster.submit(&batch);
    assert!(second.height > first.height);
    assert!(second.receipts.iter().all(|receipt| receipt.replay && receipt.code.is_committed()));
}
