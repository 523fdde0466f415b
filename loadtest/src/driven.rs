//! What a load came to: outcomes and latencies, answer by answer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tributary_client::ItemError;

use crate::usage::Usage;

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
#[derive(Debug)]
pub struct Answered {
    /// When it was to be sent.
    pub due: Instant,
    /// When it was.
    pub sent: Instant,
    /// When its answer had come.
    pub at: Instant,
    /// What became of each payment.
    pub codes: Vec<Result<&'static str, ItemError>>,
}

impl Driven {
    /// Nothing yet.
    ///
    /// # Errors
    /// If the histograms' limits are wrong.
    pub fn new() -> Result<Self> {
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

    /// Adds an answer to a load that began then.
    ///
    /// # Errors
    /// If a duration or count is larger than there can be.
    pub fn add(&mut self, begin: Instant, answered: Answered) -> Result<()> {
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
