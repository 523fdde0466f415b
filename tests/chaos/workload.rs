//! Clients: payers that pay and are paid back, and readers, all of whom write
//! down what they asked and were told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::task::JoinSet;
use tributary_client::{
    AccountId, Amount, AssetId, BlockHeight, ChainId, Client, FloatPolicy, ItemResult, Outcome,
    OutcomeCode, PaymentDraft, PaymentKind, Position,
};

use crate::history::{Answer, History, Kind, Micros, PAID, Place, Read, Subject, Submission};

/// Payers, each with one request under way.
const PAYERS: usize = 12;
/// Merchants; few, so that each is paid by many.
const MERCHANTS: usize = 3;
/// Most payments of one request.
const REQUEST_PAYMENTS_MAX: usize = 6;
/// Minor units that a payer is given.
const OPENING: u128 = 1_000_000_000;
/// Largest amount of one payment, in minor units.
const AMOUNT_MAX: u128 = 500;
/// What merchants keep on each chain for refunds, in minor units.
const FLOAT: u128 = 2_000;
/// Of hundred items: refunds, and repetitions of an earlier item.
const REFUND_PERCENT: u32 = 15;
const REPEAT_PERCENT: u32 = 5;
/// An item is repeated only as long as its id cannot have expired.
const REPEAT_AFTER_MAX: Duration = Duration::from_secs(60);
/// How long a client tries before it gives up an answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// Pause between two requests of a payer, in milliseconds.
const THINKING_MS: std::ops::Range<u64> = 10..150;
/// Pause between two reads of a reader, in milliseconds.
const READ_INTERVAL_MS: u64 = 80;

/// Who pays whom.
#[derive(Debug, Clone)]
pub struct Parties {
    /// Accounts that pay.
    pub payers: Vec<AccountId>,
    /// Accounts that are paid.
    pub merchants: Vec<AccountId>,
    asset: AssetId,
}

impl Parties {
    /// Opens accounts and merchants, and gives the payers money.
    ///
    /// # Errors
    /// If anything is refused.
    pub async fn open(client: &Client) -> Result<Self> {
        let asset = client.asset("GBP".parse()?).context("the cluster has GBP")?.id;
        let float = FloatPolicy { target: Amount::new(FLOAT), low_mark: Amount::new(FLOAT / 2) };
        let mut merchants = Vec::new();
        for number in 0..MERCHANTS {
            let name = format!("shop{number}").parse()?;
            client.open_merchant(&name, asset, float).await?;
            merchants.push(client.place_merchant(&name, asset));
        }
        let mut payers = Vec::new();
        for number in 0..PAYERS {
            let name = format!("payer{number}").parse()?;
            client.open_account(&name, asset, None).await?;
            payers.push(client.place_user(&name, asset));
        }
        client.announced().await?;
        let issue = |payer: &AccountId| {
            let issuer = client.issuer(asset, client.chain_of(*payer));
            PaymentDraft::new(PaymentKind::Issue, issuer, *payer, Amount::new(OPENING), asset)
        };
        let drafts: Vec<_> = payers.iter().map(issue).collect();
        for result in client.pay(&drafts).await {
            ensure!(result?.receipt.code == OutcomeCode::Committed, "opening money is refused");
        }
        Ok(Self { payers, merchants, asset })
    }

    /// What a payer was given.
    pub const fn opening() -> u128 {
        OPENING
    }

    /// The payment that a submission says.
    pub fn draft(&self, one: &Submission) -> PaymentDraft {
        let (payer, merchant) = (self.payers[one.payer], self.merchants[one.merchant]);
        let (kind, debit, credit) = match one.kind {
            Kind::Payment => (PaymentKind::Payment, payer, merchant),
            Kind::Refund => (PaymentKind::Refund, merchant, payer),
        };
        PaymentDraft::new(kind, debit, credit, Amount::new(one.amount), self.asset).with_id(one.id)
    }
}

/// What all clients write down.
#[derive(Debug)]
pub struct Log {
    begin: Instant,
    requests: AtomicU64,
    /// Everything so far.
    pub history: Mutex<History>,
    /// Set when clients are to stop.
    pub stop: AtomicBool,
}

impl Log {
    /// An empty one.
    pub fn new() -> Self {
        Self {
            begin: Instant::now(),
            requests: AtomicU64::new(0),
            history: Mutex::default(),
            stop: AtomicBool::new(false),
        }
    }

    fn now(&self) -> Micros {
        Micros::try_from(self.begin.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn add(&self, submissions: Vec<Submission>, reads: Vec<Read>) {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.submissions.extend(submissions);
        history.reads.extend(reads);
    }
}

/// Starts every client.
pub fn start(clients: &[Client], parties: &Parties, log: &Arc<Log>, seed: u64) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let client = |number: usize| clients[number % clients.len()].with_deadline(DEADLINE);
    for payer in 0..parties.payers.len() {
        let random = SmallRng::seed_from_u64(seed.wrapping_add(payer as u64));
        tasks.spawn(pay(client(payer), parties.clone(), payer, Arc::clone(log), random));
    }
    for merchant in 0..parties.merchants.len() {
        for reader in 0..2 {
            let client = client(merchant + reader);
            let account = parties.merchants[merchant];
            tasks.spawn(read(client, Subject::Merchant(merchant), account, Arc::clone(log)));
        }
    }
    for payer in 0..parties.payers.len() {
        let client = client(payer + 1);
        let account = parties.payers[payer];
        tasks.spawn(read(client, Subject::Payer(payer), account, Arc::clone(log)));
    }
    tasks
}

async fn pay(client: Client, parties: Parties, payer: usize, log: Arc<Log>, mut random: SmallRng) {
    let mut earlier: Vec<Submission> = Vec::new();
    while !log.is_over() {
        let request = log.requests.fetch_add(1, Ordering::Relaxed);
        let count = random.random_range(1..=REQUEST_PAYMENTS_MAX);
        let mut items = Vec::new();
        let now = log.now();
        let oldest = u64::try_from(REPEAT_AFTER_MAX.as_micros()).unwrap_or(Micros::MAX);
        earlier.retain(|one| one.invoked + oldest > now);
        for index in 0..count {
            let repeated = random.random_range(0..100) < REPEAT_PERCENT && !earlier.is_empty();
            let item = if repeated {
                earlier[random.random_range(0..earlier.len())].clone()
            } else {
                fresh(payer, parties.merchants.len(), &mut random)
            };
            if items.iter().all(|other: &Submission| other.id != item.id) {
                items.push(Submission { request: (request, index), ..item });
            }
        }
        let drafts: Vec<_> = items.iter().map(|item| parties.draft(item)).collect();
        let invoked = log.now();
        let results = client.pay(&drafts).await;
        let completed = log.now();
        for (item, result) in items.iter_mut().zip(results) {
            (item.invoked, item.completed) = (invoked, completed);
            item.answer = answer(result);
        }
        earlier.extend(items.iter().cloned());
        log.add(items, Vec::new());
        let pause = random.random_range(THINKING_MS);
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
}

fn fresh(payer: usize, merchants: usize, random: &mut SmallRng) -> Submission {
    let is_refund = random.random_range(0..100) < REFUND_PERCENT;
    Submission {
        id: tributary_client::new_payment_id(),
        kind: if is_refund { Kind::Refund } else { Kind::Payment },
        payer,
        merchant: random.random_range(0..merchants),
        amount: random.random_range(1..=AMOUNT_MAX),
        request: (0, 0),
        invoked: 0,
        completed: 0,
        answer: Answer::Pending,
    }
}

/// A repeated outcome has a place of its own; its detail is the first one's.
fn first_place(outcome: &Outcome) -> Place {
    let first = u64::try_from(outcome.receipt.detail.get()).ok().filter(|_| outcome.receipt.replay);
    let limit = u64::from(Position::INDEX_LIMIT);
    let first = first.and_then(|first| {
        let index = u32::try_from(first % limit).ok()?;
        Position::new(BlockHeight::new(first / limit), index)
    });
    place(outcome.chain, first.unwrap_or(outcome.position))
}

/// A place as the history knows it.
pub fn place(chain: ChainId, position: Position) -> Place {
    (chain.get(), position.height().get(), position.index())
}

/// An answer as the history knows it.
pub fn answer(result: ItemResult) -> Answer {
    match result {
        Ok(outcome) => match outcome.receipt.code {
            OutcomeCode::Committed => Answer::Committed(first_place(&outcome)),
            code if code.is_pending() => Answer::Pending,
            code => Answer::Refused(code.to_string()),
        },
        Err(tributary_client::ItemError::Unanswered { last, .. }) => Answer::Unanswered(last),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

async fn read(client: Client, subject: Subject, account: AccountId, log: Arc<Log>) {
    while !log.is_over() {
        let invoked = log.now();
        let totals = match subject {
            Subject::Payer(_) => payer_totals(&client, account).await,
            Subject::Merchant(_) => merchant_totals(&client, account).await,
        };
        // A read without an answer says nothing; readers ask again anyway.
        if let Some(totals) = totals {
            let completed = log.now();
            log.add(Vec::new(), vec![Read { subject, invoked, completed, totals }]);
        }
        tokio::time::sleep(Duration::from_millis(READ_INTERVAL_MS)).await;
    }
}

async fn payer_totals(client: &Client, account: AccountId) -> Option<BTreeMap<&'static str, u128>> {
    let view = client.account(account).await.ok()??.value;
    Some([(PAID, view.debits.get()), ("credits", view.credits.get())].into())
}

/// On the HF chain as it knows them, and on the user chains where they happen.
async fn merchant_totals(
    client: &Client,
    account: AccountId,
) -> Option<BTreeMap<&'static str, u128>> {
    let report = client.merchant(account).await.ok()??;
    let merchant = report.merchant.value;
    let sum = |of: fn(&tributary_client::ProxyView) -> Amount| -> u128 {
        report.proxies.iter().map(|proxy| of(&proxy.value).get()).sum()
    };
    let totals = [
        ("HF debits", merchant.debits.get()),
        ("HF credits", merchant.credits.get()),
        ("settled received", merchant.received.get()),
        ("settled refunded", merchant.refunded.get()),
        ("settled payments", u128::from(merchant.payments)),
        (PAID, sum(|proxy| proxy.counters.received)),
        ("refunded", sum(|proxy| proxy.counters.refunded)),
        ("funded", sum(|proxy| proxy.counters.funded)),
        ("swept", sum(|proxy| proxy.counters.swept)),
    ];
    Some(totals.into())
}
