//! Logs and metrics of a process.
//!
//! Logs go to standard error; `RUST_LOG` filters them (default `info`).
//! Metrics are kept in memory and rendered in the Prometheus text format by
//! whoever holds the [`MetricsHandle`]; names end in their unit.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use thiserror::Error;
use tracing_subscriber::EnvFilter;

/// Upper bounds of every histogram, in seconds: 0.1 ms to 60 s, about three
/// per power of ten.
pub const LATENCY_BUCKETS_SECONDS: [f64; 19] = [
    0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5,
    1.0, 2.0, 5.0, 20.0, 60.0,
];

/// Upper bounds of histograms whose names end in `_count`: payments of a block.
pub const COUNT_BUCKETS: [f64; 10] =
    [1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0, 2_048.0, 4_096.0, 8_192.0, 16_384.0];

/// Filter of log lines when `RUST_LOG` is not set.
const LOG_FILTER_DEFAULT: &str = "info";

/// Telemetry could not be installed.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// `RUST_LOG` is no filter.
    #[error("RUST_LOG: {0}")]
    Filter(String),
    /// Another logger or recorder is installed already.
    #[error("telemetry: {0}")]
    Installed(String),
}

/// Renders what the process has measured.
#[derive(Debug, Clone)]
pub struct MetricsHandle(PrometheusHandle);

impl MetricsHandle {
    /// All metrics in the Prometheus text format.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.render()
    }

    /// Folds samples into buckets, so that memory stays bounded when nobody
    /// asks for the metrics; call it every few seconds.
    pub fn upkeep(&self) {
        self.0.run_upkeep();
    }
}

/// Installs the process's logger. Call once, first.
///
/// # Errors
/// [`TelemetryError`].
pub fn install_logs() -> Result<(), TelemetryError> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(text) => text.parse().map_err(|error| TelemetryError::Filter(format!("{error}")))?,
        Err(_) => EnvFilter::new(LOG_FILTER_DEFAULT),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .try_init()
        .map_err(|error| TelemetryError::Installed(error.to_string()))
}

/// Installs the process's metrics recorder. Call once, before anything is
/// measured.
///
/// # Errors
/// [`TelemetryError::Installed`].
pub fn install_metrics() -> Result<MetricsHandle, TelemetryError> {
    let installed = |error: metrics_exporter_prometheus::BuildError| {
        TelemetryError::Installed(error.to_string())
    };
    let counts = metrics_exporter_prometheus::Matcher::Suffix("_count".to_owned());
    PrometheusBuilder::new()
        .set_buckets(&LATENCY_BUCKETS_SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(counts, &COUNT_BUCKETS))
        .and_then(PrometheusBuilder::install_recorder)
        .map(MetricsHandle)
        .map_err(installed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_ascend() {
        assert!(LATENCY_BUCKETS_SECONDS.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(COUNT_BUCKETS.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn what_is_measured_is_rendered_in_buckets() {
        let handle = install_metrics().unwrap();
        metrics::histogram!("sample_latency_seconds").record(0.004);
        let text = handle.render();
        assert!(text.contains("sample_latency_seconds_bucket{le=\"0.005\"} 1"), "{text}");
        assert!(text.contains("sample_latency_seconds_bucket{le=\"0.003\"} 0"), "{text}");
        assert!(matches!(install_metrics(), Err(TelemetryError::Installed(_))));
    }
}
