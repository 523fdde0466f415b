//! Latencies inside of the processes, from the histograms that they publish.
//!
//! Buckets are about three to a power of ten; a percentile is read off the line
//! between the bounds of its bucket, so it is right to a factor of two or so.

use std::collections::BTreeMap;

/// Metrics of one stage each, in the order in which a payment meets them.
const STAGES: [(&str, &str); 6] = [
    ("router: request to reply", "router_request_seconds"),
    ("router: batch to outcomes", "router_batch_seconds"),
    ("leader: batch to receipts", "tributary_commit_latency_seconds"),
    ("log: write and sync", "tributary_log_sync_seconds"),
    ("execution to certificate", "tributary_certify_latency_seconds"),
    ("statement to acknowledgement", "tributary_settlement_latency_seconds"),
];

/// One stage over one load, all processes and chains together.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// For people.
    pub name: &'static str,
    /// Samples.
    pub samples: f64,
    /// Milliseconds.
    pub p50: f64,
    /// Milliseconds.
    pub p99: f64,
}

/// Cumulative counts by upper bound, in nanoseconds so that they have an order.
type Buckets = BTreeMap<u64, f64>;

/// The stages between two texts of metrics; those without samples are left out.
pub fn between(before: &str, after: &str) -> Vec<Stage> {
    let stages = STAGES.iter().filter_map(|(name, metric)| {
        let (before, mut after) = (buckets(before, metric), buckets(after, metric));
        for (bound, count) in &mut after {
            // Counters of a process that was restarted begin again.
            *count = (*count - before.get(bound).copied().unwrap_or(0.0)).max(0.0);
        }
        let samples = after.values().copied().fold(0.0, f64::max);
        let ms = |share: f64| percentile(&after, samples * share) * 1_000.0;
        (samples > 0.0).then(|| Stage { name, samples, p50: ms(0.5), p99: ms(0.99) })
    });
    stages.collect()
}

/// The buckets of a histogram, summed over processes and labels.
fn buckets(text: &str, metric: &str) -> Buckets {
    let mut buckets = Buckets::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix(metric).and_then(|rest| rest.strip_prefix("_bucket{"))
        else {
            continue;
        };
        let Some((labels, count)) = rest.rsplit_once("} ") else { continue };
        let bound = labels.split("le=\"").nth(1).and_then(|rest| rest.split('"').next());
        let (Some(bound), Ok(count)) = (bound.and_then(nanoseconds), count.parse::<f64>()) else {
            continue;
        };
        *buckets.entry(bound).or_default() += count;
    }
    buckets
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounds are small")]
fn nanoseconds(bound: &str) -> Option<u64> {
    match bound {
        "+Inf" => Some(u64::MAX),
        bound => bound.parse::<f64>().ok().map(|seconds| (seconds * 1e9).round() as u64),
    }
}

/// Seconds below which `rank` samples lie.
#[expect(clippy::cast_precision_loss, reason = "bounds are small")]
fn percentile(buckets: &Buckets, rank: f64) -> f64 {
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, count) in buckets {
        if *bound == u64::MAX {
            break;
        }
        let upper = *bound as f64 / 1e9;
        if *count >= rank {
            let share = if *count > below { (rank - below) / (*count - below) } else { 1.0 };
            return lower + (upper - lower) * share;
        }
        (lower, below) = (upper, *count);
    }
    lower
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "tributary_log_sync_seconds_bucket{le=\"0.001\"} 10\n\
        tributary_log_sync_seconds_bucket{le=\"0.002\"} 10\n\
        tributary_log_sync_seconds_bucket{le=\"+Inf\"} 10\n";
    const AFTER: &str = "# TYPE tributary_log_sync_seconds histogram\n\
        tributary_log_sync_seconds_bucket{le=\"0.001\"} 60\n\
        tributary_log_sync_seconds_bucket{le=\"0.002\"} 110\n\
        tributary_log_sync_seconds_bucket{le=\"+Inf\"} 110\n\
        tributary_log_sync_seconds_sum 1\n";

    #[test]
    fn only_what_came_in_between_counts() {
        let stages = between(BEFORE, AFTER);
        assert_eq!(stages.len(), 1);
        let stage = &stages[0];
        assert_eq!((stage.name, stage.samples.round()), ("log: write and sync", 100.0));
        assert!((stage.p50 - 1.0).abs() < 1e-9 && (stage.p99 - 1.98).abs() < 1e-9, "{stage:?}");
    }

    #[test]
    fn processes_and_labels_are_summed() {
        let text = "m_bucket{chain=\"1\",le=\"0.5\"} 3\nm_bucket{chain=\"2\",le=\"0.5\"} 4\n";
        assert_eq!(buckets(text, "m"), Buckets::from([(500_000_000, 7.0)]));
    }
}
