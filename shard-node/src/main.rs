//! The `shard-node` binary: hosts replicas of user chains. Everything it does is `host`; this
//! program only says which kind of chains are its business.

use std::process::ExitCode;

use clap::Parser;
use tributary_host::program::main_of;
use tributary_service::ServiceArgs;
use tributary_service::topology::NodeRole;

/// Hosts replicas of user chains
#[derive(Debug, Parser)]
#[command(name = "shard-node", version)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    main_of(NodeRole::ShardNode, &Arguments::parse().service)
}
