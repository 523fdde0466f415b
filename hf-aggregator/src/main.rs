//! The `hf-aggregator` binary: hosts a replica of the HF chain. Everything it does is `host`; this
//! program only says which kind of chains are its business.

use std::process::ExitCode;

use clap::Parser;
use tributary_host::{Checked, Host, NodeConfig};
use tributary_service::args::exit;
use tributary_service::topology::NodeRole;
use tributary_service::{ServiceArgs, settings, telemetry};

/// What the topology must say of this node.
const ROLE: NodeRole = NodeRole::HfAggregator;

/// Hosts a replica of the HF chain
#[derive(Debug, Parser)]
#[command(name = "hf-aggregator", version)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    exit("hf-aggregator", run(&Arguments::parse().service).map_err(|error| error.to_string()))
}

fn run(arguments: &ServiceArgs) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::install_logs()?;
    let config: NodeConfig = settings::load(arguments)?;
    let checked = Checked::load(config, ROLE)?;
    if arguments.check {
        return Ok(());
    }
    settings::log_effective(&checked.config);
    let metrics = telemetry::install_metrics()?;
    Host::start(checked, Some(metrics))?.run()?;
    Ok(())
}
