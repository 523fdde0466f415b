//! The `hf-aggregator` binary: hosts a replica of the HF chain. Everything it does is `host`; this
//! program only says which kind of chains are its business.

use std::process::ExitCode;

use clap::Parser;
use tributary_host::program::main_of;
use tributary_service::ServiceArgs;
use tributary_service::topology::NodeRole;

/// Hosts a replica of the HF chain
#[derive(Debug, Parser)]
#[command(name = "hf-aggregator", version)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    main_of(NodeRole::HfAggregator, &Arguments::parse().service)
}
