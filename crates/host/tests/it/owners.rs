//! Owners' signatures are verified at admission and in execution, on every
//! replica; a wrong one costs its payment only.

use tributary_chain::Batch;
use tributary_chain::batch::OwnerSignature;
use tributary_chain::operation::{Action, OpenAccount, Operation};
use tributary_types::{OutcomeCode, PaymentKind, PaymentRecord, SigningKey};
use tributary_wire::Canonical;
use tributary_wire::node::{NodeError, NodeReply, NodeRequest};

use crate::cluster::{BANK, CHAIN, Cluster, POUND, bank_key};
use crate::payments::{batch, customer, fresh_id, open_and_issue, payment, transfer};

/// More than one thread verifies at a time.
const PAYMENTS: u32 = 300;

fn owner() -> SigningKey {
    SigningKey::from_seed([5; 32])
}

/// Opens customer 0 with an owner key and issues ten pounds to it.
fn open_owned(cluster: &Cluster) {
    let open = OpenAccount { account: customer(0), asset: POUND, owner: Some(owner().public()) };
    let operation = Operation { id: fresh_id(), action: Action::OpenAccount(open) };
    let issuer = tributary_types::AccountId::issuer(BANK, POUND, CHAIN);
    let issue = payment(PaymentKind::Issue, issuer, customer(0), 1_000);
    let opened = cluster.submit(&batch(&cluster.genesis, vec![operation], vec![issue]));
    assert!(opened.receipts.iter().all(|receipt| receipt.code.is_committed()), "{opened:?}");
    cluster.submit(&open_and_issue(&cluster.genesis, 1..2));
}

/// Pennies from customer 0 to 1, each signed by what `signer` gives for it.
fn signed(cluster: &Cluster, signer: impl Fn(u32) -> Option<SigningKey>) -> Batch {
    let hash = cluster.genesis.hash();
    let pennies = (0..PAYMENTS).map(|_| PaymentRecord::from(&transfer(0, 1, 1)));
    let records: Vec<_> = pennies.collect();
    let sign = |(payment, record): (u32, &PaymentRecord)| {
        let signature = signer(payment)?.sign(&record.signing_hash(&hash));
        Some(OwnerSignature { payment, signature })
    };
    let signatures = (0..).zip(&records).filter_map(sign).collect();
    Batch::sign(&hash, CHAIN, BANK, &bank_key(), vec![], records, signatures)
}

fn check_receipts(replicas: u16) {
    let cluster = Cluster::running(replicas);
    open_owned(&cluster);
    let stranger = SigningKey::from_seed([6; 32]);
    let batch = signed(&cluster, |payment| match payment {
        7 => None,
        8 | 200 => Some(stranger.clone()),
        _ => Some(owner()),
    });
    let submitted = cluster.submit(&batch);
    for (payment, receipt) in submitted.receipts.iter().enumerate() {
        let expected = match payment {
            7 => OutcomeCode::OwnerSignatureMissing,
            8 | 200 => OutcomeCode::OwnerSignatureInvalid,
            _ => OutcomeCode::Committed,
        };
        assert_eq!(receipt.code, expected, "payment {payment}");
    }
    // Every replica came to the same header, or it would have stopped.
    cluster.wait_until_ready();
}

#[test]
fn a_wrong_owner_signature_is_told_by_its_receipt() {
    check_receipts(1);
}

#[test]
fn every_replica_comes_to_the_same_verdicts() {
    check_receipts(3);
}

#[test]
fn a_node_without_a_cache_executes_the_same() {
    let mut cluster = Cluster::new(1);
    cluster.limits.remembered_signatures_max = 0;
    cluster.limits.signature_threads = 1;
    cluster.start(0);
    open_owned(&cluster);
    let submitted = cluster.submit(&signed(&cluster, |_| Some(owner())));
    assert!(submitted.receipts.iter().all(|receipt| receipt.code.is_committed()));
}

#[test]
fn a_wrong_batch_signature_is_refused_whatever_the_owners_signed() {
    let cluster = Cluster::running(1);
    open_owned(&cluster);
    let mut batch = signed(&cluster, |_| Some(owner()));
    batch.payments.pop();
    batch.owner_signatures.pop();
    let reply = cluster.router(0).ask(&NodeRequest::Submit(Canonical(batch)));
    let Ok(NodeReply::Error(NodeError::Refused(reason))) = reply else { panic!("{reply:?}") };
    assert!(reason.contains("signature"), "{reason}");
}
