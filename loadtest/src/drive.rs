//! The load itself.
//!
//! With a rate, request *k* is due at `k × batch / rate` and its latency counts
//! from then, whenever it is really sent: a cluster that stalls cannot make the
//! generator stop asking (no coordinated omission). Without one, a fixed number
//! of requests is kept under way and latency counts from sending.
//!
//! Payments are made while they are sent, which is work of the generator, or
//! before the clock starts (`--ready-made`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tributary_client::{Client, ItemError, PaymentDraft};

use crate::arguments::{Arguments, IN_FLIGHT_REQUESTS_MAX};
use crate::usage::{Snapshot, Usage};
use crate::workload::{Mix, Parties, Workload};

/// Length of the periods whose committed payments are counted.
pub const PERIOD_MS: u64 = 100;

/// Longest latency that is told apart, in microseconds: ten minutes.
const LATENCY_MICROSECONDS_MAX: u64 = 600_000_000;
/// How the client tells that an item was refused because of too much load.
const OVERLOADED: &str = "overloaded";
/// Significant digits of latencies.
const LATENCY_DIGITS: u8 = 3;

/// What the load came to.
#[derive(Debug)]
pub struct Driven {
    /// From the first request to the last answer, in seconds.
    pub seconds: f64,
    /// Payments by outcome, or by why there is none.
    pub outcomes: BTreeMap<String, u64>,
    /// Of committed payments, in microseconds.
    pub latency: Histogram<u64>,
    /// From asking to being refused as overloaded, in microseconds (`--once`).
    pub refusal: Histogram<u64>,
    /// Committed payments in each period of [`PERIOD_MS`].
    pub committed_per_period: Vec<u64>,
    /// What each process used, by name.
    pub usage: BTreeMap<String, Usage>,
    /// Longest that a request was sent after it was due, in microseconds: if
    /// this is large the generator was the limit.
    pub late_microseconds_max: u64,
}

/// How one request ended.
struct Answered {
    due: Instant,
    sent: Instant,
    at: Instant,
    codes: Vec<Result<&'static str, ItemError>>,
}

/// Drives the cluster for the time that the arguments say.
///
/// # Errors
/// If a task of the generator dies.
pub async fn drive(
    clients: Vec<Client>,
    parties: &Parties,
    arguments: &Arguments,
) -> Result<Driven> {
    let mix = Mix {
        hot_percent: arguments.hot_percent,
        hot_count: arguments.hot_count,
        refund_percent: arguments.refund_percent,
        cross_chain_percent: arguments.cross_chain_percent,
    };
    let mut workload = Workload::new(parties, mix, arguments.seed);
    let mut ready = arguments.ready_made.map(|count| workload.next(count));
    let mut next = |count: usize| match &mut ready {
        Some(ready) => ready.split_off(ready.len().saturating_sub(count)),
        None => workload.next(count),
    };
    let in_flight = arguments.rate.map_or(arguments.in_flight, |_| IN_FLIGHT_REQUESTS_MAX);
    let permits = Arc::new(Semaphore::new(in_flight));
    let before = Snapshot::take(&arguments.cluster);
    let (begin, length) = (Instant::now(), Duration::from_secs(arguments.duration_seconds));
    let mut driven = Driven::new()?;
    let mut asking = JoinSet::new();
    let mut sent = 0_u64;
    while begin.elapsed() < length {
        let due = arguments.rate.map(|rate| begin + offset(sent, rate));
        let drafts = next(arguments.batch);
        if drafts.is_empty() {
            break;
        }
        if let Some(due) = due {
            sleep_until(due.into()).await;
        }
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let number = usize::try_from(sent)? / arguments.batch;
        let client = clients[number % clients.len()].clone();
        sent += drafts.len() as u64;
        asking.spawn(ask(client, drafts, due, permit, arguments.once));
        while let Some(answered) = asking.try_join_next() {
            driven.add(begin, answered?)?;
        }
    }
    while let Some(answered) = asking.join_next().await {
        driven.add(begin, answered?)?;
    }
    driven.seconds = begin.elapsed().as_secs_f64();
    driven.usage = Snapshot::take(&arguments.cluster).since(&before);
    Ok(driven)
}

/// When payment `number` is due after the begin.
fn offset(number: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(number) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

async fn ask(
    client: Client,
    drafts: Vec<PaymentDraft>,
    due: Option<Instant>,
    permit: OwnedSemaphorePermit,
    once: bool,
) -> Answered {
    let sent = Instant::now();
    let results = if once { client.pay_once(&drafts).await } else { client.pay(&drafts).await };
    drop(permit);
    let code = |result: Result<tributary_client::Outcome, ItemError>| {
        result.map(|outcome| outcome.receipt.code.as_str())
    };
    let codes = results.into_iter().map(code).collect();
    Answered { due: due.unwrap_or(sent), sent, at: Instant::now(), codes }
}

impl Driven {
    fn new() -> Result<Self> {
        let histogram = || {
            let histogram = Histogram::new_with_max(LATENCY_MICROSECONDS_MAX, LATENCY_DIGITS);
            histogram.context("the histogram's limits")
        };
        Ok(Self {
            seconds: 0.0,
            outcomes: BTreeMap::new(),
            latency: histogram()?,
            refusal: histogram()?,
            committed_per_period: Vec::new(),
            usage: BTreeMap::new(),
            late_microseconds_max: 0,
        })
    }

    fn add(&mut self, begin: Instant, answered: Answered) -> Result<()> {
        let Answered { due, sent, at, codes } = answered;
        let microseconds = |duration: Duration| u64::try_from(duration.as_micros());
        let late = microseconds(sent.saturating_duration_since(due))?;
        self.late_microseconds_max = self.late_microseconds_max.max(late);
        let (mut committed, mut overloaded) = (0, 0);
        for run in codes.chunk_by(PartialEq::eq) {
            let count = u64::try_from(run.len())?;
            let name = match &run[0] {
                Ok("committed") => {
                    committed += count;
                    "committed".to_owned()
                }
                Ok(code) => (*code).to_owned(),
                Err(ItemError::Malformed { field, .. }) => format!("malformed {field}"),
                Err(ItemError::Refused(_)) => "refused".to_owned(),
                Err(ItemError::Unanswered { last, .. }) if last == OVERLOADED => {
                    overloaded += count;
                    last.clone()
                }
                Err(ItemError::Unanswered { .. }) => "unanswered".to_owned(),
            };
            *self.outcomes.entry(name).or_default() += count;
        }
        let taken = microseconds(at.saturating_duration_since(due))?;
        self.latency.saturating_record_n(taken, committed);
        let heard = microseconds(at.saturating_duration_since(sent))?;
        self.refusal.saturating_record_n(heard, overloaded);
        let elapsed_ms = at.saturating_duration_since(begin).as_millis();
        let period = usize::try_from(elapsed_ms / u128::from(PERIOD_MS))?;
        if self.committed_per_period.len() <= period {
            self.committed_per_period.resize(period + 1, 0);
        }
        self.committed_per_period[period] += committed;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payments_are_due_evenly_and_rounding_never_adds_up() {
        assert_eq!(offset(0, 3), Duration::ZERO);
        assert_eq!(offset(3, 3), Duration::from_secs(1));
        assert_eq!(offset(400_000 * 3_600, 400_000), Duration::from_secs(3_600));
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due() {
        let begin = Instant::now();
        let mut driven = Driven::new().unwrap();
        let at = begin + Duration::from_millis(1_500);
        let sent = begin + Duration::from_millis(200);
        let codes = vec![Ok("committed"), Ok("insufficient_funds"), Ok("committed")];
        driven.add(begin, Answered { due: begin, sent, at, codes }).unwrap();
        assert_eq!(driven.latency.len(), 2);
        assert_eq!(driven.latency.max() / 1_000, 1_500);
        assert_eq!(driven.late_microseconds_max, 200_000);
        assert_eq!(driven.committed_per_period.len(), 16);
        assert_eq!(driven.committed_per_period[15], 2);
        assert_eq!(driven.outcomes["insufficient_funds"], 1);
    }

    #[test]
    fn a_refusal_counts_from_when_it_was_asked_for() {
        let begin = Instant::now();
        let mut driven = Driven::new().unwrap();
        let (sent, at) = (begin + Duration::from_millis(500), begin + Duration::from_millis(502));
        let overloaded = ItemError::Unanswered {
            attempts: 1,
            last: OVERLOADED.to_owned(),
            may_have_executed: false,
        };
        driven.add(begin, Answered { due: begin, sent, at, codes: vec![Err(overloaded)] }).unwrap();
        assert_eq!((driven.latency.len(), driven.refusal.max() / 1_000), (0, 2));
        assert_eq!(driven.outcomes["overloaded"], 1);
    }
}
