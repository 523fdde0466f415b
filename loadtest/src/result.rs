//! What was measured, for people and for programs.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use serde::Serialize;

use crate::arguments::Arguments;
use crate::driven::{Driven, PERIOD_MS};
use crate::probe::Probe;
use crate::usage::Usage;

const _: () = assert!(PERIOD_MS == 100, "a field's name says so");

/// All figures of one run.
#[derive(Debug, Serialize)]
pub struct LoadResult<'a> {
    config: &'a Arguments,
    /// Committed payments per second, from first request to last answer.
    payments_per_second: f64,
    /// Of committed payments.
    latency_ms: Percentiles,
    /// From committed to credited on the HF chain.
    settlement_ms: Percentiles,
    /// Payments by outcome.
    outcomes: &'a BTreeMap<String, u64>,
    /// From asking to being refused as overloaded.
    refusal_ms: Percentiles,
    /// Committed payments in each 100 ms.
    committed_per_100_ms: &'a [u64],
    /// Longest that the generator sent a request after it was due.
    generator_late_ms_max: f64,
    seconds: f64,
    /// What each process used while the load ran, by name.
    processes: &'a BTreeMap<String, Usage>,
    /// The single payments beside the load.
    probes: &'a [Probe],
    books: &'static str,
}

/// What was measured beside the load.
#[derive(Debug, Default)]
pub struct Beside {
    /// Settlement lags in seconds, ascending.
    pub lags_seconds: Vec<f64>,
    /// Single payments.
    pub probes: Vec<Probe>,
}

/// A distribution, in milliseconds.
#[derive(Debug, Serialize)]
struct Percentiles {
    samples: u64,
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl<'a> LoadResult<'a> {
    /// The figures of a run.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub fn of(
        config: &'a Arguments,
        driven: &'a Driven,
        beside: &'a Beside,
        balanced: bool,
    ) -> Self {
        Self {
            config,
            payments_per_second: driven.latency.len() as f64 / driven.seconds,
            latency_ms: Percentiles::of(&driven.latency),
            settlement_ms: Percentiles::of_sorted(&beside.lags_seconds),
            outcomes: &driven.outcomes,
            refusal_ms: Percentiles::of(&driven.refusal),
            committed_per_100_ms: &driven.committed_per_period,
            generator_late_ms_max: driven.late_microseconds_max as f64 / 1_000.0,
            seconds: driven.seconds,
            processes: &driven.usage,
            probes: &beside.probes,
            books: if balanced { "balanced" } else { "do not balance" },
        }
    }

    /// Prints the two numbers and what stands behind them; writes the file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn show(&self, json: Option<&Path>) -> Result<()> {
        println!("{:.0} payments/s, p99 {:.1} ms", self.payments_per_second, self.latency_ms.p99);
        let line = |name: &str, of: &Percentiles| {
            let Percentiles { samples, p50, p90, p99, p999, max } = of;
            println!(
                "{name}: p50 {p50:.1} ms, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, \
                 max {max:.1}; {samples} samples"
            );
        };
        line("latency", &self.latency_ms);
        line("settlement", &self.settlement_ms);
        if self.refusal_ms.samples > 0 {
            line("overloaded", &self.refusal_ms);
        }
        for (outcome, count) in self.outcomes {
            println!("{outcome}: {count}");
        }
        if self.config.rate.is_some() {
            println!("generator: at most {:.1} ms late", self.generator_late_ms_max);
        }
        if let Some(path) = json {
            let context = || format!("cannot write {}", path.display());
            let text = serde_json::to_string_pretty(self)?;
            std::fs::write(path, text + "\n").with_context(context)?;
        }
        Ok(())
    }
}

impl Percentiles {
    /// Of samples in microseconds.
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn of(samples: &Histogram<u64>) -> Self {
        let ms = |quantile| samples.value_at_quantile(quantile) as f64 / 1_000.0;
        Self {
            samples: samples.len(),
            p50: ms(0.5),
            p90: ms(0.9),
            p99: ms(0.99),
            p999: ms(0.999),
            max: samples.max() as f64 / 1_000.0,
        }
    }

    /// Of samples in seconds, ascending (nearest rank).
    fn of_sorted(seconds: &[f64]) -> Self {
        let at = |permille: usize| {
            let rank = (seconds.len() * permille).div_ceil(1_000).max(1);
            seconds.get(rank - 1).map_or(0.0, |seconds| seconds * 1_000.0)
        };
        let samples = seconds.len() as u64;
        Self { samples, p50: at(500), p90: at(900), p99: at(990), p999: at(999), max: at(1_000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::float_cmp, reason = "whole numbers are exact")]
    fn percentiles_are_of_the_nearest_rank() {
        let samples: Vec<_> = (1..=200).map(f64::from).collect();
        let found = Percentiles::of_sorted(&samples);
        assert_eq!((found.p50, found.p99, found.max), (100_000.0, 198_000.0, 200_000.0));
        assert_eq!(Percentiles::of_sorted(&[]).p99, 0.0);
        assert_eq!(Percentiles::of_sorted(&[0.5]).p50, 500.0);
    }
}
