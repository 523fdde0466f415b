//! The load itself.
//!
//! With a rate, request *k* is due at `k × batch / rate` and its latency counts
//! from then, whenever it is really sent: a cluster that stalls cannot make the
//! generator stop asking (no coordinated omission). Without one, a fixed number
//! of requests is kept under way and latency counts from sending.

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
use crate::workload::{Mix, Parties, Workload};

/// Longest latency that is told apart, in microseconds: ten minutes.
const LATENCY_MICROSECONDS_MAX: u64 = 600_000_000;
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
    /// Committed payments in each second of the run.
    pub committed_per_second: Vec<u64>,
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
    let in_flight = arguments.rate.map_or(arguments.in_flight, |_| IN_FLIGHT_REQUESTS_MAX);
    let permits = Arc::new(Semaphore::new(in_flight));
    let (begin, length) = (Instant::now(), Duration::from_secs(arguments.duration_seconds));
    let mut driven = Driven::new()?;
    let mut asking = JoinSet::new();
    let mut sent = 0_u64;
    while begin.elapsed() < length {
        let due = arguments.rate.map(|rate| begin + offset(sent, rate));
        let drafts = workload.next(arguments.batch);
        if let Some(due) = due {
            sleep_until(due.into()).await;
        }
        let permit = Arc::clone(&permits).acquire_owned().await?;
        let number = usize::try_from(sent)? / arguments.batch;
        let client = clients[number % clients.len()].clone();
        asking.spawn(ask(client, drafts, due, permit));
        sent += arguments.batch as u64;
        while let Some(answered) = asking.try_join_next() {
            driven.add(begin, answered?)?;
        }
    }
    while let Some(answered) = asking.join_next().await {
        driven.add(begin, answered?)?;
    }
    driven.seconds = begin.elapsed().as_secs_f64();
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
) -> Answered {
    let sent = Instant::now();
    let results = client.pay(&drafts).await;
    drop(permit);
    let code = |result: Result<tributary_client::Outcome, ItemError>| {
        result.map(|outcome| outcome.receipt.code.as_str())
    };
    let codes = results.into_iter().map(code).collect();
    Answered { due: due.unwrap_or(sent), sent, at: Instant::now(), codes }
}

impl Driven {
    fn new() -> Result<Self> {
        let latency = Histogram::new_with_max(LATENCY_MICROSECONDS_MAX, LATENCY_DIGITS);
        Ok(Self {
            seconds: 0.0,
            outcomes: BTreeMap::new(),
            latency: latency.context("the histogram's limits")?,
            committed_per_second: Vec::new(),
            late_microseconds_max: 0,
        })
    }

    fn add(&mut self, begin: Instant, answered: Answered) -> Result<()> {
        let Answered { due, sent, at, codes } = answered;
        let microseconds = |duration: Duration| u64::try_from(duration.as_micros());
        let late = microseconds(sent.saturating_duration_since(due))?;
        self.late_microseconds_max = self.late_microseconds_max.max(late);
        let mut committed = 0;
        for code in codes {
            let name = match code {
                Ok("committed") => {
                    committed += 1;
                    "committed".to_owned()
                }
                Ok(code) => code.to_owned(),
                Err(ItemError::Malformed { field, .. }) => format!("malformed {field}"),
                Err(ItemError::Refused(_)) => "refused".to_owned(),
                Err(ItemError::Unanswered { .. }) => "unanswered".to_owned(),
            };
            *self.outcomes.entry(name).or_default() += 1;
        }
        let taken = microseconds(at.saturating_duration_since(due))?;
        self.latency.saturating_record_n(taken, committed);
        let second = usize::try_from(at.saturating_duration_since(begin).as_secs())?;
        if self.committed_per_second.len() <= second {
            self.committed_per_second.resize(second + 1, 0);
        }
        self.committed_per_second[second] += committed;
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
        assert_eq!(driven.committed_per_second, [0, 2]);
        assert_eq!(driven.outcomes["insufficient_funds"], 1);
    }
}
