//! The load itself.
//!
//! With a rate, request *k* is due at `k × batch / rate` and its latency counts
//! from then, whenever it is really sent: a cluster that stalls cannot make the
//! generator stop asking (no coordinated omission). Without one, a fixed number
//! of *lanes* have a request under way each, all the time, and latency counts
//! from sending.
//!
//! Payments are made while they are sent, which is work of the generator, or
//! before the clock starts (`--ready-made`).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tributary_client::{Client, ItemError, PaymentDraft};

use crate::arguments::{Arguments, IN_FLIGHT_REQUESTS_MAX};
use crate::driven::{Answered, Driven};
use crate::usage::Snapshot;
use crate::workload::{Mix, Parties, Workload};

/// Where requests come from, and until when.
struct Requests {
    workload: Workload,
    ready: Option<Vec<PaymentDraft>>,
    /// Payments of each.
    batch: usize,
    /// Asked once, not until there is an answer.
    once: bool,
    begin: Instant,
    end: Instant,
}

/// Drives the cluster for the time that the arguments say.
///
/// # Errors
/// If a task of the generator dies.
pub async fn drive(
    clients: Vec<Client>,
    parties: &Arc<Parties>,
    arguments: &Arguments,
) -> Result<Driven> {
    let (workload, ready) = prepare(parties, arguments);
    let before = Snapshot::take(&arguments.cluster);
    let begin = Instant::now();
    let end = begin + Duration::from_secs(arguments.duration_seconds);
    let &Arguments { batch, once, .. } = arguments;
    let requests = Requests { workload, ready, batch, once, begin, end };
    let mut driven = match arguments.rate {
        Some(rate) => at_rate(requests, &clients, rate).await?,
        None => in_lanes(requests, &clients, arguments.in_flight).await?,
    };
    driven.seconds = begin.elapsed().as_secs_f64();
    driven.usage = Snapshot::take(&arguments.cluster).since(&before);
    Ok(driven)
}

/// Sends each request when it is due.
async fn at_rate(mut requests: Requests, clients: &[Client], rate: u64) -> Result<Driven> {
    let (begin, once) = (requests.begin, requests.once);
    let permits = Arc::new(Semaphore::new(IN_FLIGHT_REQUESTS_MAX));
    let mut driven = Driven::new()?;
    let mut asking = JoinSet::new();
    let (mut sent, mut clients) = (0_u64, clients.iter().cycle());
    while let (Some(drafts), Some(client)) = (requests.next(), clients.next()) {
        let due = begin + offset(sent, rate);
        sleep_until(due.into()).await;
        let permit = Arc::clone(&permits).acquire_owned().await?;
        sent += drafts.len() as u64;
        let client = client.clone();
        asking.spawn(async move {
            let answered = ask(&client, &drafts, Some(due), once).await;
            drop(permit);
            answered
        });
        while let Some(answered) = asking.try_join_next() {
            driven.add(begin, answered?)?;
        }
    }
    while let Some(answered) = asking.join_next().await {
        driven.add(begin, answered?)?;
    }
    Ok(driven)
}

/// Sends the next request of each lane when the one before is answered.
async fn in_lanes(requests: Requests, clients: &[Client], lanes: usize) -> Result<Driven> {
    let (begin, once) = (requests.begin, requests.once);
    let requests = Arc::new(Mutex::new(requests));
    let driven = Arc::new(Mutex::new(Driven::new()?));
    let mut running = JoinSet::new();
    for client in clients.iter().cycle().take(lanes) {
        let client = client.clone();
        let (requests, driven) = (Arc::clone(&requests), Arc::clone(&driven));
        running.spawn(async move {
            while let Some(drafts) = next(&requests) {
                let answered = ask(&client, &drafts, None, once).await;
                driven.lock().unwrap_or_else(PoisonError::into_inner).add(begin, answered)?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    let mut driven = driven.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::replace(&mut *driven, Driven::new()?))
}

/// The next request of any lane.
fn next(requests: &Mutex<Requests>) -> Option<Vec<PaymentDraft>> {
    requests.lock().unwrap_or_else(PoisonError::into_inner).next()
}

/// The sequence of payments, and those that are made before the clock starts.
fn prepare(parties: &Arc<Parties>, arguments: &Arguments) -> (Workload, Option<Vec<PaymentDraft>>) {
    let mix = Mix {
        hot_percent: arguments.hot_percent,
        hot_count: arguments.hot_count,
        refund_percent: arguments.refund_percent,
        cross_chain_percent: arguments.cross_chain_percent,
    };
    let mut workload = Workload::new(Arc::clone(parties), mix, arguments.seed);
    let ready = arguments.ready_made.map(|count| workload.next(count));
    (workload, ready)
}

impl Requests {
    /// The payments of the next request, unless the time is over or those that
    /// were made before are used up.
    fn next(&mut self) -> Option<Vec<PaymentDraft>> {
        if Instant::now() >= self.end {
            return None;
        }
        let drafts = match &mut self.ready {
            Some(ready) => ready.split_off(ready.len().saturating_sub(self.batch)),
            None => self.workload.next(self.batch),
        };
        (!drafts.is_empty()).then_some(drafts)
    }
}

/// When payment `number` is due after the begin.
fn offset(number: u64, rate: u64) -> Duration {
    let nanoseconds = u128::from(number) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

async fn ask(
    client: &Client,
    drafts: &[PaymentDraft],
    due: Option<Instant>,
    once: bool,
) -> Answered {
    let sent = Instant::now();
    let results = if once { client.pay_once(drafts).await } else { client.pay(drafts).await };
    let code = |result: Result<tributary_client::Outcome, ItemError>| {
        result.map(|outcome| outcome.receipt.code.as_str())
    };
    let codes = results.into_iter().map(code).collect();
    Answered { due: due.unwrap_or(sent), sent, at: Instant::now(), codes }
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
}
