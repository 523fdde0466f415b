//! The programs that host replicas: configuration in, a running node out. They
//! differ by the kind of chains that are their business.

use std::process::ExitCode;

use tributary_service::args::exit;
use tributary_service::topology::NodeRole;
use tributary_service::{ServiceArgs, settings, telemetry};

use crate::checked::Checked;
use crate::config::NodeConfig;
use crate::host::Host;

/// The whole life of a process that the topology must call a `role`: exit
/// status 0 after an orderly stop, else one sentence on standard error.
#[must_use]
pub fn main_of(role: NodeRole, arguments: &ServiceArgs) -> ExitCode {
    exit(&role.to_string(), run(role, arguments).map_err(|error| error.to_string()))
}

fn run(role: NodeRole, arguments: &ServiceArgs) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::install_logs()?;
    let config: NodeConfig = settings::load(arguments)?;
    let checked = Checked::load(config, role)?;
    if arguments.check {
        return Ok(());
    }
    settings::log_effective(&checked.config);
    let metrics = telemetry::install_metrics()?;
    Host::start(checked, Some(metrics))?.run()?;
    Ok(())
}
