//! Reads: every chain asked, pages, settlement, and the state of the cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tributary_client::{
    AccountClass, AccountName, AccountStatus, Amount, BlockHeight, BooksReport, ChainId,
    ChannelStatus, FloatPolicy, MerchantView, OutcomeCode, PaymentId, Position, Receipt,
    ReplicaStatus, ResolveError, SettledError, SettlementStatus, TimeMs, Verdict,
};
use tributary_ledger::Balance;
use tributary_ledger::books::ChannelBooks;
use tributary_types::{AccountId, Slot};
use tributary_wire::query::{Answer, AnswerValue, PAGE_ENTRIES_MAX, PaymentFound, Query};
use tributary_wire::router::{RouterError, RouterReply, RouterRequest};

use crate::router::{ASSET, HF_CHAIN, INSTITUTION, Setup, USER_CHAINS, answer, read};

fn merchant(number: u32) -> MerchantView {
    let name: AccountName = format!("m{number}").parse().unwrap();
    let slot = Slot::new(0).unwrap();
    MerchantView {
        account: AccountId::named(AccountClass::Hf, INSTITUTION, &name, slot),
        name,
        asset: ASSET,
        status: AccountStatus::Open,
        float: FloatPolicy::default(),
        debits: Amount::ZERO,
        credits: Amount::ZERO,
        available: Amount::ZERO,
        balance: Balance::default(),
        received: Amount::ZERO,
        refunded: Amount::ZERO,
        payments: 0,
        chains: Vec::new(),
        last: Position::NONE,
    }
}

#[tokio::test]
async fn an_id_is_asked_of_every_chain() {
    let setup = Setup::new();
    let (listener, router) =
        setup.router(|request| answer(read(request).0, 7, AnswerValue::Payment(None)));
    let client = setup.client(&[&listener]).await;
    let id = PaymentId::new(TimeMs::new(7), [0; 10]);
    let report = client.payment(id).await.unwrap();
    let until = TimeMs::new(7 + setup.genesis.parameters.id_window_back_ms);
    let chains = vec![USER_CHAINS[0], USER_CHAINS[1], HF_CHAIN];
    assert_eq!(report.verdict, Verdict::NotSeen { until, chains: chains.clone() });
    let mut asked: Vec<_> = router.asked().iter().map(|request| read(request).0).collect();
    asked.sort_unstable();
    assert_eq!(asked, chains);
}

#[tokio::test]
async fn pending_payments_are_followed_to_their_end_on_their_chain() {
    let setup = Setup::new();
    let mut questions = 0;
    let (listener, router) = setup.router(move |request| {
        questions += 1;
        let (chain, query) = read(request);
        let Query::Payment(id) = query else {
            panic!("{query:?}");
        };
        let code = match (questions, id.time().get()) {
            (1..300, _) => OutcomeCode::AwaitingFunds,
            (_, 50) => OutcomeCode::InsufficientFunds,
            _ => OutcomeCode::Committed,
        };
        let receipt = Receipt::refused(code, Amount::ZERO);
        let (position, time) = (Position::NONE, id.time());
        let found = PaymentFound { payment: None, receipt, position, time };
        answer(chain, 1, AnswerValue::Payment(Some(found)))
    });
    let client = setup.client(&[&listener]).await;
    let id = |number| PaymentId::new(TimeMs::new(number), [0; 10]);
    let pending: Vec<_> = (0..100).map(|number| (id(number), USER_CHAINS[1])).collect();
    let finals = client.finals(&pending).await.unwrap();
    let times: Vec<_> = finals.iter().map(|located| located.time.get()).collect();
    assert_eq!(times, (0..100).collect::<Vec<_>>());
    let refused = finals.iter().filter(|located| located.receipt.code.is_refused());
    assert_eq!(refused.map(|located| located.time.get()).collect::<Vec<_>>(), [50]);
    assert!(router.asked().iter().all(|request| read(request).0 == USER_CHAINS[1]));
    let client = client.with_deadline(Duration::ZERO);
    assert_eq!(client.finals(&[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn what_the_hf_chain_sent_is_announced_once_every_user_chain_received_it() {
    let setup = Setup::new();
    let questions = Arc::new(AtomicUsize::new(0));
    let asked = Arc::clone(&questions);
    let (listener, _) = setup.router(move |request| {
        let questions = asked.fetch_add(1, Ordering::Relaxed) + 1;
        let (chain, _) = read(request);
        let channel = |peer, sent, received| ChannelStatus {
            peer,
            sent,
            acknowledged: 0,
            received,
            frozen: None,
        };
        let channels = if chain == HF_CHAIN {
            USER_CHAINS.map(|peer| channel(peer, 7, 0)).to_vec()
        } else {
            vec![channel(HF_CHAIN, 0, if questions < 4 { 6 } else { 7 })]
        };
        answer(chain, 1, AnswerValue::Channels(channels))
    });
    let client = setup.client(&[&listener]).await;
    client.announced().await.unwrap();
    let before = questions.load(Ordering::Relaxed);
    assert_eq!(client.announced().await, Ok(()));
    let each_once = 1 + USER_CHAINS.len();
    assert_eq!(questions.load(Ordering::Relaxed) - before, each_once, "nothing is waited for");
}

#[tokio::test]
async fn a_chain_that_has_no_leader_is_asked_again() {
    let setup = Setup::new();
    let mut first = true;
    let (listener, _) = setup.router(move |request| {
        let leaderless = RouterError::OutcomeUnknown("no leader".to_owned());
        if std::mem::take(&mut first) {
            return Some(RouterReply::Error(leaderless));
        }
        answer(read(request).0, 7, AnswerValue::Channels(Vec::new()))
    });
    let client = setup.client(&[&listener]).await;
    assert_eq!(client.channels(HF_CHAIN).await.unwrap().value, []);
}

#[tokio::test]
async fn a_name_that_no_chain_knows_is_unknown() {
    let setup = Setup::new();
    let (listener, _) = setup.router(|request| {
        let (chain, query) = read(request);
        let value = match query {
            Query::Account(_) => AnswerValue::Account(None),
            Query::Merchant(_) => AnswerValue::Merchant(Some(merchant(1))),
            other => panic!("{other:?}"),
        };
        answer(chain, 1, value)
    });
    let client = setup.client(&[&listener]).await;
    let name: AccountName = "m1".parse().unwrap();
    assert_eq!(client.resolve_user(&name).await, Err(ResolveError::Unknown(name)));
    let account = client.place_merchant(&name, ASSET);
    assert_eq!(client.resolve_merchant(&name).await, Ok(account));
    assert_eq!(client.resolve_any(&name).await, Ok(account));
}

#[tokio::test]
async fn merchants_come_in_pages() {
    let setup = Setup::new();
    let total = PAGE_ENTRIES_MAX + 5;
    let (listener, router) = setup.router(move |request| match read(request) {
        (chain, Query::Merchants { from, limit }) => {
            let page = (*from..total.min(from + limit)).map(merchant).collect();
            answer(chain, 1, AnswerValue::Merchants(page))
        }
        other => panic!("{other:?}"),
    });
    let client = setup.client(&[&listener]).await;
    let merchants = client.merchants().collect().await.unwrap();
    assert_eq!(merchants, (0..total).map(merchant).collect::<Vec<_>>());
    assert_eq!(router.asked().len(), 2);
}

/// A user chain that settles after two questions, and an HF chain that has
/// received everything after three.
fn settling() -> impl FnMut(&RouterRequest) -> Option<RouterReply> + Send {
    let (mut settlements, mut channels) = (0, 0);
    move |request| match read(request) {
        (chain, Query::Settlement) => {
            settlements += u32::from(chain == USER_CHAINS[0]);
            let behind = chain == USER_CHAINS[0] && settlements < 3;
            let status = SettlementStatus {
                unsettled_since: behind.then(|| BlockHeight::new(4)),
                sent_sequence_to_hf: if behind { 1 } else { 2 },
                ..SettlementStatus::default()
            };
            answer(chain, 5, AnswerValue::Settlement(status))
        }
        (HF_CHAIN, Query::Channels) => {
            channels += 1;
            let received = if channels < 4 { 1 } else { 2 };
            let channel =
                |peer| ChannelStatus { peer, sent: 0, acknowledged: 0, received, frozen: None };
            answer(HF_CHAIN, 9, AnswerValue::Channels(USER_CHAINS.map(channel).to_vec()))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn settled_waits_for_the_statement_and_for_its_arrival() {
    let setup = Setup::new();
    let (listener, router) = setup.router(settling());
    setup.client(&[&listener]).await.settled().await.unwrap();
    let asked = router.asked();
    let count = |wanted: &Query| asked.iter().filter(|request| read(request).1 == wanted).count();
    assert_eq!(count(&Query::Settlement), 4);
    assert_eq!(count(&Query::Channels), 5);
}

#[tokio::test]
async fn settled_says_at_its_deadline_what_is_missing() {
    let setup = Setup::new();
    let (listener, _) = setup.router(|request| match read(request) {
        (chain, Query::Settlement) => {
            let unsettled_since = Some(BlockHeight::new(4));
            let status = SettlementStatus { unsettled_since, ..SettlementStatus::default() };
            answer(chain, 5, AnswerValue::Settlement(status))
        }
        other => panic!("{other:?}"),
    });
    let client = setup.client(&[&listener]).await.with_deadline(Duration::from_millis(30));
    match client.settled().await {
        Err(SettledError::Deadline { chain, waited_ms: 30.., missing }) => {
            assert_eq!(chain, USER_CHAINS[0]);
            assert_eq!(missing, "payments since block 4 are not in a statement");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_leader_of_a_chain_is_that_of_the_highest_term() {
    let setup = Setup::new();
    let status = |validator, leader, term, height| {
        let certified = BlockHeight::new(height - 1);
        let value = AnswerValue::Status(ReplicaStatus { validator, leader, term, certified });
        let (height, time) = (BlockHeight::new(height), TimeMs::new(height));
        (HF_CHAIN, validator, Some(Answer { chain: HF_CHAIN, height, time, value }))
    };
    let replicas = vec![status(0, Some(0), 3, 9), status(1, Some(1), 4, 8), (HF_CHAIN, 2, None)];
    let (listener, _) = setup.router(move |_| Some(RouterReply::Cluster(replicas.clone())));
    let chains = setup.client(&[&listener]).await.chains().await.unwrap();
    let ids: Vec<_> = chains.iter().map(|chain| chain.chain).collect();
    assert_eq!(ids, [USER_CHAINS[0], USER_CHAINS[1], HF_CHAIN]);
    let hf = &chains[2];
    assert_eq!((hf.leader, hf.term), (Some(1), 4));
    assert_eq!((hf.height, hf.certified), (BlockHeight::new(9), BlockHeight::new(8)));
    assert_eq!(hf.replicas.len(), 3);
    assert_eq!(chains[0].leader, None);
}

fn books(chain: ChainId, peer: ChainId, sent: u64, received: u64) -> BooksReport {
    let control = Vec::new();
    let (carried, transfers, answers) = (Vec::new(), Vec::new(), Vec::new());
    let channel = ChannelBooks {
        peer,
        sent,
        acknowledged: 0,
        received,
        control,
        carried,
        transfers,
        answers,
    };
    let (height, time) = (BlockHeight::new(1), TimeMs::new(1));
    BooksReport { chain, height, time, assets: Vec::new(), channels: vec![channel] }
}

#[tokio::test]
async fn a_report_that_is_older_than_what_another_chain_knows_is_read_again() {
    let setup = Setup::new();
    let (first, second) = (USER_CHAINS[0], USER_CHAINS[1]);
    let mut reads_of_first = 0;
    let (listener, router) = setup.router(move |request| {
        let (chain, _) = read(request);
        reads_of_first += u64::from(chain == first);
        let report = match chain {
            HF_CHAIN => BooksReport { channels: Vec::new(), ..books(HF_CHAIN, first, 0, 0) },
            chain if chain == first => books(first, second, reads_of_first, 0),
            chain => books(chain, first, 0, 3),
        };
        answer(chain, 1, AnswerValue::Books(Box::new(report)))
    });
    let summary = setup.client(&[&listener]).await.books().await.unwrap();
    assert_eq!(summary.assets, []);
    let asked: Vec<_> = router.asked().iter().map(|request| read(request).0).collect();
    assert_eq!(asked.len(), 5);
    assert_eq!(asked[3..], [first, first]);
}
