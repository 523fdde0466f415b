//! Submitting: repetition under the same ids, order, other routers, deadlines.

use std::time::Duration;

use tributary_chain::operation::FloatPolicy;
use tributary_client::{
    AccountClass, AccountId, AccountName, Action, Amount, Client, ItemError, PaymentDraft,
    PaymentKind, SigningKey,
};
use tributary_types::Slot;
use tributary_wire::router::{REQUEST_PAYMENTS_MAX, RouterError, RouterReply, RouterRequest};

use crate::router::{ASSET, INSTITUTION, Setup, USER_CHAINS, committed, ids};

fn account(class: AccountClass, name: &str, slot: u16) -> AccountId {
    let name: AccountName = name.parse().unwrap();
    AccountId::named(class, INSTITUTION, &name, Slot::new(slot).unwrap())
}

fn draft(slot: u16) -> PaymentDraft {
    let payer = account(AccountClass::User, "payer", slot);
    let payee = account(AccountClass::Hf, "shop", 0);
    PaymentDraft::new(PaymentKind::Payment, payer, payee, Amount::new(1), ASSET)
}

fn count(request: &RouterRequest) -> usize {
    ids(request).len()
}

/// Everything is committed.
fn commit_all(request: &RouterRequest) -> Option<RouterReply> {
    Some(RouterReply::Outcomes(vec![committed(); count(request)]))
}

#[tokio::test]
async fn what_is_overloaded_comes_again_under_the_same_ids_before_anything_later() {
    let setup = Setup::new();
    let mut round = 0;
    let (listener, router) = setup.router(move |request| {
        round += 1;
        let overloaded = Err(RouterError::Overloaded { retry_after_ms: 1 });
        let unknown = Err(RouterError::OutcomeUnknown("no leader".to_owned()));
        let mut answers = vec![committed(); count(request)];
        match round {
            1 => answers[1..].fill(overloaded),
            2 => answers[2..].fill(unknown),
            _ => {}
        }
        Some(RouterReply::Outcomes(answers))
    });
    let client = setup.client(&[&listener]).await;
    let drafts: Vec<_> = (0..6).map(draft).collect();
    let results = client.pay(&drafts).await;
    assert!(results.iter().all(Result::is_ok));
    let all: Vec<_> = drafts.iter().map(PaymentDraft::id).collect();
    let asked: Vec<_> = router.asked().iter().map(ids).collect();
    assert_eq!(asked, [&all[..], &all[1..], &all[3..]]);
}

#[tokio::test]
async fn a_whole_request_that_is_refused_for_now_comes_again() {
    let setup = Setup::new();
    let mut first = true;
    let (listener, router) = setup.router(move |request| {
        let overloaded = RouterReply::Error(RouterError::Overloaded { retry_after_ms: 1 });
        if std::mem::take(&mut first) { Some(overloaded) } else { commit_all(request) }
    });
    let client = setup.client(&[&listener]).await;
    assert!(client.pay(&[draft(0)]).await[0].is_ok());
    let asked = router.asked();
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1]);
}

#[tokio::test]
async fn many_payments_go_in_requests_of_the_largest_size_in_order() {
    let setup = Setup::new();
    let (listener, router) = setup.router(commit_all);
    let client = setup.client(&[&listener]).await;
    let drafts: Vec<_> = (0..=u16::try_from(REQUEST_PAYMENTS_MAX).unwrap()).map(draft).collect();
    assert_eq!(client.pay(&drafts).await.len(), drafts.len());
    let asked: Vec<_> = router.asked().iter().map(ids).collect();
    assert_eq!(asked.concat(), drafts.iter().map(PaymentDraft::id).collect::<Vec<_>>());
    assert_eq!([asked[0].len(), asked[1].len()], [REQUEST_PAYMENTS_MAX, 1]);
}

#[tokio::test]
async fn a_router_that_dies_is_replaced_by_another_with_the_same_ids() {
    let setup = Setup::new();
    let (first, silent) = setup.router(|_| None);
    let (second, other) = setup.router(commit_all);
    let client = setup.client(&[&first, &second]).await;
    let paying = {
        let client = client.clone();
        tokio::spawn(async move { client.pay(&[draft(0)]).await })
    };
    while silent.asked().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(first);
    assert!(paying.await.unwrap()[0].is_ok());
    assert_eq!(silent.asked(), other.asked());
}

#[tokio::test]
async fn at_the_deadline_it_is_told_whether_an_item_may_have_executed() {
    let setup = Setup::new();
    let check = async |reply: Option<RouterError>, expected: bool| {
        let (listener, _) = setup.router(move |_| reply.clone().map(RouterReply::Error));
        let client = setup.client(&[&listener]).await;
        let client = client.with_deadline(Duration::from_millis(50));
        match client.pay(&[draft(0)]).await.remove(0) {
            Err(ItemError::Unanswered { attempts: 1.., may_have_executed, .. }) => {
                assert_eq!(may_have_executed, expected);
            }
            other => panic!("{other:?}"),
        }
    };
    check(None, true).await;
    check(Some(RouterError::OutcomeUnknown("no leader".to_owned())), true).await;
    check(Some(RouterError::Overloaded { retry_after_ms: 1 }), false).await;
}

#[tokio::test]
async fn definite_errors_are_not_repeated() {
    let setup = Setup::new();
    let (listener, router) = setup.router(|_| {
        let (field, rule) = ("id".to_owned(), "no UUIDv7".to_owned());
        let malformed = Err(RouterError::Malformed { field, rule });
        let refused = Err(RouterError::Refused("unknown key".to_owned()));
        Some(RouterReply::Outcomes(vec![malformed, refused]))
    });
    let results = setup.client(&[&listener]).await.pay(&[draft(0), draft(1)]).await;
    assert!(matches!(results[0], Err(ItemError::Malformed { .. })));
    assert_eq!(results[1], Err(ItemError::Refused("unknown key".to_owned())));
    assert_eq!(router.asked().len(), 1);
}

#[tokio::test]
async fn owner_signatures_travel_with_their_payments() {
    let setup = Setup::new();
    let (listener, router) = setup.router(commit_all);
    let client = setup.client(&[&listener]).await;
    let owner = SigningKey::from_seed([4; 32]);
    let drafts = [draft(0), draft(1).signed(client.cluster(), &owner)];
    assert!(client.pay(&drafts).await.iter().all(Result::is_ok));
    let RouterRequest::Pay { payments, owner_signatures } = router.asked().remove(0) else {
        panic!("no payments");
    };
    assert_eq!(owner_signatures.0.len(), 1);
    let own = owner_signatures.0[0];
    let hash = payments.0[own.payment as usize].signing_hash(&setup.genesis.hash());
    assert!(own.payment == 1 && owner.public().verifies(&hash, &own.signature));
}

#[tokio::test]
async fn signed_batches_hold_one_chains_payments_each_and_go_unchanged() {
    let setup = Setup::new();
    let (listener, router) = setup.router(|request| match request {
        RouterRequest::Forward(batch) => {
            Some(RouterReply::Outcomes(vec![committed(); batch.0.outcome_count()]))
        }
        other => panic!("{other:?}"),
    });
    let client = setup.client(&[&listener]).await;
    let key = SigningKey::from_seed([5; 32]);
    let last = Slot::COUNT - 1;
    let batches = client.sign_batches(&key, &[draft(0), draft(last), draft(1)]).unwrap();
    let shape: Vec<_> = batches.iter().map(|batch| (batch.chain, batch.payments.len())).collect();
    assert_eq!(shape, [(USER_CHAINS[0], 2), (USER_CHAINS[1], 1)]);
    assert!(batches.iter().all(|batch| batch.is_signed(client.cluster())));
    for batch in &batches {
        assert!(client.forward(batch).await.iter().all(Result::is_ok));
    }
    let forwarded = router.asked().into_iter().map(|request| match request {
        RouterRequest::Forward(batch) => batch.0,
        other => panic!("{other:?}"),
    });
    assert_eq!(forwarded.collect::<Vec<_>>(), batches);
}

#[tokio::test]
async fn operations_name_the_accounts_that_placement_chose() {
    let setup = Setup::new();
    let (listener, router) = setup.router(|request| match request {
        RouterRequest::Operate(operations) => {
            Some(RouterReply::Outcomes(vec![committed(); operations.0.len()]))
        }
        other => panic!("{other:?}"),
    });
    let client: Client = setup.client(&[&listener]).await;
    let name: AccountName = "c17850".parse().unwrap();
    client.open_account(&name, ASSET, None).await.unwrap();
    client.open_merchant(&name, ASSET, FloatPolicy::default()).await.unwrap();
    let opened: Vec<_> = router
        .asked()
        .iter()
        .map(|request| match request {
            RouterRequest::Operate(operations) => match &operations.0[0].action {
                Action::OpenAccount(open) => open.account,
                Action::OpenMerchant(open) => open.account,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(opened, [client.place_user(&name, ASSET), client.place_merchant(&name, ASSET)]);
    assert!(opened.iter().all(|account| account.is_named(INSTITUTION, &name)));
    let classes: Vec<_> = opened.iter().map(|account| account.class()).collect();
    assert_eq!(classes, [AccountClass::User, AccountClass::Hf]);
}
