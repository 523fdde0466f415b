//! The command line: which cluster, which workload, how hard.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, ValueEnum};
use serde::Serialize;
use tributary_client::AssetCode;

/// Most payments of one request; a router takes no more.
const BATCH_PAYMENTS_MAX: usize = 8_192;
/// Most requests that may be under way at once; beyond, the generator is late.
pub const IN_FLIGHT_REQUESTS_MAX: usize = 16_384;

/// Drives a cluster that is up and prints payments per second and the 99th
/// percentile of the latency in milliseconds.
///
/// With --rate requests are sent on schedule whatever the answers do, and
/// latency counts from the scheduled time. Without it, as many as possible are
/// sent with a fixed number under way.
#[derive(Debug, Parser, Serialize)]
#[command(name = "loadtest", version)]
pub struct Arguments {
    /// Directory of the cluster, as given to `tributary cluster up`.
    #[arg(long, env = "TRIBUTARY_CLUSTER", value_name = "DIR")]
    pub cluster: PathBuf,

    /// How long to drive, in seconds.
    #[arg(long = "duration", default_value_t = 10, value_name = "SECONDS")]
    pub duration_seconds: u64,

    /// Payments per second, on schedule.
    #[arg(long, conflicts_with = "max", value_name = "PAYMENTS")]
    pub rate: Option<u64>,

    /// As many payments per second as the cluster takes; the default.
    #[arg(long)]
    pub max: bool,

    /// User accounts that pay.
    #[arg(long, default_value_t = 100_000)]
    pub accounts: usize,

    /// Merchants that are paid.
    #[arg(long, default_value_t = 1_000)]
    pub merchants: usize,

    /// How many payments of a hundred go to the hot merchants.
    #[arg(long, default_value_t = 0)]
    pub hot_percent: u32,

    /// How many merchants are hot.
    #[arg(long, default_value_t = 1)]
    pub hot_count: usize,

    /// Payments of one request.
    #[arg(long, default_value_t = BATCH_PAYMENTS_MAX)]
    pub batch: usize,

    /// Connections to the routers.
    #[arg(long, default_value_t = 2)]
    pub connections: usize,

    /// Requests under way at once, over all connections (without --rate).
    #[arg(long, default_value_t = 4)]
    pub in_flight: usize,

    /// Whose signature payments carry: the institution's on the batch, or each
    /// account owner's as well.
    #[arg(long, value_enum, default_value = "institution")]
    pub signed: Signed,

    /// How many payments of a hundred are refunds by merchants.
    #[arg(long, default_value_t = 0)]
    pub refund_percent: u32,

    /// How many payments of a hundred go to a user of another chain.
    #[arg(long, default_value_t = 0)]
    pub cross_chain_percent: u32,

    /// The asset of all accounts.
    #[arg(long, default_value = "GBP")]
    pub asset: AssetCode,

    /// Seed of the workload.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// What is done before the load: open and fund everything, that and then
    /// stop, or nothing because an earlier run with the same accounts did it.
    #[arg(long, value_enum, default_value = "all")]
    pub setup: Setup,

    /// Make this many payments, signatures of owners included, before the clock
    /// starts; the load ends early when they are used up.
    #[arg(long, value_name = "PAYMENTS")]
    pub ready_made: Option<usize>,

    /// Ask once: what is refused as overloaded is counted, not repeated.
    #[arg(long)]
    pub once: bool,

    /// Measurements of the settlement lag that run beside the load.
    #[arg(long, default_value_t = 4)]
    pub lag_probes: usize,

    /// Beside the load, pay once on every user chain each so many milliseconds,
    /// and keep when each was sent and answered (with --json).
    #[arg(long, value_name = "MILLISECONDS")]
    pub probe_interval_ms: Option<u64>,

    /// Also write all figures to this file.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
}

/// What comes before the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setup {
    /// Accounts and merchants are opened and given money.
    All,
    /// The same, and nothing after it.
    Only,
    /// Nothing: they are there.
    Done,
}

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Signed {
    /// The institution, once for each batch.
    Institution,
    /// The owner of the payer's account, each payment.
    Owner,
}

impl Arguments {
    /// Checks what the parser does not.
    ///
    /// # Errors
    /// One sentence that names the argument.
    pub fn check(&self) -> Result<()> {
        if self.batch == 0 || self.batch > BATCH_PAYMENTS_MAX {
            bail!("--batch {}: must be between 1 and {BATCH_PAYMENTS_MAX}", self.batch);
        }
        if self.in_flight == 0 || self.in_flight > IN_FLIGHT_REQUESTS_MAX {
            bail!("--in-flight {}: must be between 1 and {IN_FLIGHT_REQUESTS_MAX}", self.in_flight);
        }
        if self.accounts < 2 || self.merchants == 0 {
            bail!("at least two --accounts and one of --merchants are needed");
        }
        if self.connections == 0 || self.rate == Some(0) || self.duration_seconds == 0 {
            bail!("--connections, --rate and --duration must be above zero");
        }
        if self.probe_interval_ms == Some(0) || self.ready_made == Some(0) {
            bail!("--probe-interval-ms and --ready-made must be above zero");
        }
        if self.hot_count == 0 || self.hot_count > self.merchants {
            bail!("--hot-count {}: must be between 1 and --merchants", self.hot_count);
        }
        let shares = [self.hot_percent, self.refund_percent, self.cross_chain_percent];
        if shares.iter().any(|share| *share > 100)
            || self.refund_percent + self.cross_chain_percent > 100
        {
            bail!("percentages must be at most 100, those of refunds and cross-chain together too");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(more: &[&str]) -> Result<()> {
        let all = ["loadtest", "--cluster", "d"].iter().chain(more);
        Arguments::try_parse_from(all)?.check()
    }

    #[test]
    fn the_canonical_workload_needs_a_cluster_only() {
        check(&[]).unwrap();
    }

    #[test]
    fn arguments_that_make_no_workload_are_refused_by_name() {
        for (arguments, expected) in [
            (["--batch", "0"], "--batch 0"),
            (["--batch", "8193"], "--batch 8193"),
            (["--in-flight", "0"], "--in-flight 0"),
            (["--accounts", "1"], "--accounts"),
            (["--hot-count", "2000"], "--hot-count 2000"),
            (["--refund-percent", "101"], "percentages"),
            (["--rate", "0"], "--rate"),
            (["--asset", "gbp"], "--asset"),
            (["--probe-interval-ms", "0"], "--probe-interval-ms"),
        ] {
            let error = check(&arguments).unwrap_err().to_string();
            assert!(error.contains(expected), "{arguments:?}: {error}");
        }
    }
}
