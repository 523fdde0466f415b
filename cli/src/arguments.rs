//! The command line: every verb and option.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use tributary_client::{AccountName, Amount, AssetCode, PaymentId};

use crate::import::plan::Opening;
use crate::output::Format;

/// Tributary: payments over parallel chains, settled into one balance.
///
/// Results go to stdout, logs to stderr. Exit code 0: done. 1: refused or
/// failed. 2: wrong usage.
#[derive(Debug, Parser)]
#[command(name = "tributary", version, propagate_version = true)]
pub struct Arguments {
    /// Directory of the cluster to talk to.
    #[arg(long, global = true, env = "TRIBUTARY_CLUSTER", value_name = "DIR")]
    pub cluster: Option<PathBuf>,

    /// How results are written.
    #[arg(long, global = true, value_enum, default_value = "table")]
    pub output: Format,

    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a cluster on this machine.
    #[command(subcommand)]
    Cluster(ClusterCommand),
    /// Import a file of payments; repeatable, never pays twice.
    Import(ImportArguments),
    /// List all merchants with their totals and balances, in minor units.
    Merchants {
        /// First wait until everything committed by now is settled.
        #[arg(long)]
        settled: bool,
    },
    /// Show one merchant: totals, counters per chain, what is in flight.
    Merchant {
        /// Its name.
        name: AccountName,
        /// Also write a proof of its balance to this file.
        #[arg(long, value_name = "FILE")]
        proof: Option<PathBuf>,
    },
    /// Show one user account and its newest payments.
    Account {
        /// Its name.
        name: AccountName,
        /// How many payments to show.
        #[arg(long, default_value_t = 10)]
        history: u32,
    },
    /// Pay AMOUNT minor units from one account to another, by name.
    ///
    /// The kind of payment follows from what the names stand for: user to
    /// merchant is a payment, merchant to user a refund, else a transfer.
    /// ISSUER stands for the institution's issuer account: money enters from it
    /// and leaves to it.
    Pay {
        /// Who pays.
        from: AccountName,
        /// Who is paid.
        to: AccountName,
        /// Minor units (pence): digits only.
        #[arg(allow_hyphen_values = true)]
        amount: Amount,
        /// The asset, if not that of the payer.
        #[arg(long)]
        asset: Option<AssetCode>,
        /// Your own reference, at most 16 bytes.
        #[arg(long)]
        reference: Option<String>,
        /// Payment id (UUIDv7) to use; the same id never pays twice.
        #[arg(long)]
        id: Option<PaymentId>,
    },
    /// Tell what became of a payment, and where.
    Payment {
        /// Its id.
        id: PaymentId,
        /// Also write a proof of its outcome to this file.
        #[arg(long, value_name = "FILE")]
        proof: Option<PathBuf>,
    },
    /// Show every chain: leader, height, channels.
    Chains,
    /// Check the books of all chains together; exit code 1 if a penny is
    /// missing.
    Books,
    /// Check a proof offline, against the genesis file alone.
    Verify {
        /// A file written by `payment --proof` or `merchant --proof`.
        proof: PathBuf,
        /// The genesis file; by default that of --cluster.
        #[arg(long)]
        genesis: Option<PathBuf>,
    },
    /// Write the bundled sample payments as CSV to stdout.
    Sample {
        /// Number of payments and refunds.
        #[arg(long, default_value_t = 5_000)]
        payments: u64,
        /// Seed of the generator.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Start a cluster, import the sample, show balances and books.
    Demo {
        /// Verify, stop and exit instead of staying up.
        #[arg(long)]
        once: bool,
    },
    /// Print shell completions.
    Completions {
        /// For which shell.
        shell: Shell,
    },
}

/// Running a cluster on this machine.
#[derive(Debug, Subcommand)]
pub enum ClusterCommand {
    /// Create the cluster if DIR is new, start whatever is not running.
    Up(UpArguments),
    /// List every process and chain.
    Status {
        /// Directory of the cluster.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Stop every process; data stays.
    Down {
        /// Directory of the cluster.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Issue new certificates and keys; running processes use them within
    /// seconds, without a restart.
    Renew {
        /// Processes by name; if none is given, all of them, the command line's
        /// own, and the CA's certificate.
        processes: Vec<String>,
        /// Directory of the cluster.
        #[arg(long)]
        dir: Option<PathBuf>,
        /// Days for which the certificates hold, from now.
        #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
        days: u32,
    },
    /// The supervisor itself; started by `up`.
    #[command(hide = true)]
    Supervise {
        /// Directory of the cluster.
        #[arg(long)]
        dir: PathBuf,
    },
}

/// How a new cluster is laid out. Ignored, with a notice, where DIR exists.
#[derive(Debug, Clone, Args)]
pub struct UpArguments {
    /// Directory for configuration, keys, data and logs.
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// User chains, 1 to 64.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub chains: u16,
    /// Replicas of every chain: 1, 3, 5 or 7.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=7))]
    pub replicas: u16,
    /// Relays, 1 to 8.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=8))]
    pub relays: u16,
    /// How often chains settle, for example 200ms.
    #[arg(long, default_value = "200ms", value_parser = parse_duration)]
    pub settlement_interval: Duration,
    /// Processes speak QUIC only, as on machines of their own, instead of UNIX sockets.
    #[arg(long)]
    pub no_shortcuts: bool,
}

/// Importing a file.
#[derive(Debug, Clone, Args)]
pub struct ImportArguments {
    /// CSV, or gzip-compressed CSV.
    pub file: PathBuf,
    /// Opening money of each new customer in minor units, or auto: what it
    /// spends in the file.
    #[arg(long, default_value = "auto", value_name = "auto|MINOR")]
    pub opening_customers: Opening,
    /// Opening money of each new merchant in minor units, or auto: what it
    /// refunds in the file.
    #[arg(long, default_value = "auto", value_name = "auto|MINOR")]
    pub opening_merchants: Opening,
    /// Leave bad rows out and write them, with reasons, to this file.
    #[arg(long, value_name = "FILE")]
    pub skip_bad: Option<PathBuf>,
}

/// `200ms`, `1s`, `1500us`.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let wrong = || format!("{text:?} is not a duration such as 200ms or 1s");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let duration = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => return Err(wrong()),
    };
    let (shortest, longest) = (Duration::from_millis(1), Duration::from_secs(3_600));
    if (shortest..=longest).contains(&duration) {
        Ok(duration)
    } else {
        Err(format!("{text} is not between 1ms and 3600s"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(parse_duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_duration("1s"), Ok(Duration::from_secs(1)));
        for wrong in ["200", "0ms", "-1s", "1h", "3601s", ""] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }
}
