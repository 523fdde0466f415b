//! History, lookups by id and proofs, from the archive too.

use tributary_chain::operation::{Action, AssetEntry, Operation, RegistryChange};
use tributary_types::{AssetId, Position, TimeMs};
use tributary_wire::node::{NodeError, NodeReply, NodeRequest};
use tributary_wire::query::{AnswerValue, HistoryEntry, PaymentFound, Query};

use crate::cluster::{CHAIN, Cluster, HF_CHAIN, now};
use crate::payments::{
    batch, batch_for, customer, fresh_id, fresh_id_at, open_and_issue, transfer,
};

fn history(cluster: &Cluster, before: Option<Position>, limit: u32) -> Vec<HistoryEntry> {
    let query = Query::History { account: customer(0), before, limit };
    match cluster.query(&query).value {
        AnswerValue::History(entries) => entries,
        other => panic!("{other:?}"),
    }
}

fn find(cluster: &Cluster, id: tributary_types::PaymentId) -> Option<PaymentFound> {
    match cluster.query(&Query::Payment(id)).value {
        AnswerValue::Payment(found) => found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn history_is_newest_first_in_pages_and_survives_a_restart() {
    let mut cluster = Cluster::running(1);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    for round in 0..5 {
        let payments = (1..=3).map(|n| transfer(0, 1, round * 3 + n)).collect();
        cluster.submit(&batch(&cluster.genesis, vec![], payments));
    }
    for restarted in [false, true] {
        if restarted {
            cluster.kill(0);
            cluster.start(0);
        }
        let all = history(&cluster, None, 100);
        let pence: Vec<_> = all.iter().map(|entry| entry.payment.amount.get()).collect();
        let expected: Vec<u128> = (1..=15).rev().chain([1_000]).collect();
        assert_eq!(pence, expected);
        let mut paged = Vec::new();
        loop {
            let page = history(&cluster, paged.last().map(|e: &HistoryEntry| e.position), 4);
            if page.is_empty() {
                break;
            }
            assert!(page.len() <= 4);
            paged.extend(page);
        }
        assert_eq!(paged, all);
    }
}

#[test]
fn a_page_begins_only_behind_an_entry_of_that_account() {
    let cluster = Cluster::running(1);
    let opened = cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    // Index 3 is the issue to customer 1.
    let other = Position::new(opened.height, opened.first_index + 3);
    let query = Query::History { account: customer(0), before: other, limit: 9 };
    let reply = cluster.router(0).ask(&NodeRequest::Query { chain: CHAIN, query });
    assert!(matches!(reply, Ok(NodeReply::Error(NodeError::Refused(_)))), "{reply:?}");
}

#[test]
fn a_payment_is_found_by_its_id_also_after_a_restart() {
    let mut cluster = Cluster::running(1);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    let payment = transfer(0, 1, 5);
    let paid = cluster.submit(&batch(&cluster.genesis, vec![], vec![payment]));
    for restarted in [false, true] {
        if restarted {
            cluster.kill(0);
            cluster.start(0);
        }
        let found = find(&cluster, payment.id).unwrap();
        assert_eq!(found.payment, Some(payment));
        assert_eq!(found.receipt, paid.receipts[0]);
        assert_eq!(Some(found.position), Position::new(paid.height, paid.first_index));
        assert_eq!(find(&cluster, fresh_id()), None);
    }
    let long_ago = TimeMs::new(now().get() - 3_600_000);
    assert_eq!(find(&cluster, fresh_id_at(long_ago)), None);
}

#[test]
fn proofs_verify_against_the_genesis_alone() {
    let cluster = Cluster::running(3);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    let payment = transfer(0, 1, 5);
    cluster.submit(&batch(&cluster.genesis, vec![], vec![payment]));
    let AnswerValue::OutcomeProof(Some(outcome)) =
        cluster.query(&Query::ProvePayment(payment.id)).value
    else {
        panic!("no proof of the payment")
    };
    outcome.verify(&cluster.genesis).unwrap();
    let AnswerValue::StateProof(Some(state)) =
        cluster.query(&Query::ProveAccount(customer(1))).value
    else {
        panic!("no proof of the account")
    };
    state.verify(&cluster.genesis).unwrap();
    let mut forged = *state;
    forged.header.height = forged.header.height.next();
    assert!(forged.verify(&cluster.genesis).is_err());
}

#[test]
fn the_hf_chain_proves_the_routes() {
    let mut cluster = Cluster::running(1);
    cluster.start(1);
    let before = cluster.query_chain(HF_CHAIN, &Query::ProveRoutes).value;
    assert_eq!(before, AnswerValue::RoutesProof(None), "no block yet");
    let register = RegistryChange::Asset(AssetEntry {
        id: AssetId::new(2),
        code: "EUR".parse().unwrap(),
        scale: 2,
    });
    let operation = Operation { id: fresh_id(), action: Action::Register(register) };
    cluster.submit(&batch_for(HF_CHAIN, &cluster.genesis, vec![operation], vec![]));
    let AnswerValue::RoutesProof(Some(proof)) =
        cluster.query_chain(HF_CHAIN, &Query::ProveRoutes).value
    else {
        panic!("no proof of the routes")
    };
    assert_eq!(proof.verify(&cluster.genesis).unwrap(), &cluster.genesis.routes);
    let of_user_chain = cluster.query_chain(CHAIN, &Query::ProveRoutes).value;
    assert_eq!(of_user_chain, AnswerValue::RoutesProof(None));
}

#[test]
fn what_does_not_exist_has_no_proof() {
    let cluster = Cluster::running(1);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..1));
    let state = cluster.query(&Query::ProveAccount(customer(9))).value;
    assert_eq!(state, AnswerValue::StateProof(None));
    let outcome = cluster.query(&Query::ProvePayment(fresh_id())).value;
    assert_eq!(outcome, AnswerValue::OutcomeProof(None));
}
