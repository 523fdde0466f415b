//! The `relay` binary: configuration in, messages carried until a signal.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use tributary_relay::{Checked, Relay, RelayConfig, health};
use tributary_service::args::exit;
use tributary_service::observe::Observer;
use tributary_service::shutdown::stop_signal;
use tributary_service::{ServiceArgs, Supervisor, runtime, settings, telemetry};

/// Carries proved messages between the chains of a cluster.
#[derive(Debug, Parser)]
#[command(name = "relay", version)]
struct Arguments {
    #[command(flatten)]
    service: ServiceArgs,
}

fn main() -> ExitCode {
    exit("relay", run(&Arguments::parse().service).map_err(|error| error.to_string()))
}

fn run(arguments: &ServiceArgs) -> Result<(), Box<dyn std::error::Error>> {
    telemetry::install_logs()?;
    let config: RelayConfig = settings::load(arguments)?;
    let checked = Checked::load(config)?;
    if arguments.check {
        return Ok(());
    }
    settings::log_effective(&checked.config);
    let runtime = runtime::builder().build()?;
    runtime.block_on(serve(&checked))
}

async fn serve(checked: &Checked) -> Result<(), Box<dyn std::error::Error>> {
    let metrics = telemetry::install_metrics()?;
    let observer = Observer::bind(checked.entry.http).await?;
    let (supervisor, mut deaths) = Supervisor::new();
    let relay = Relay::start(checked, &supervisor)?;
    let channels = relay.channels().to_vec();
    let readiness = Arc::new(move || health::missing(&channels));
    supervisor.task("http", observer.serve(readiness, Some(metrics)));
    tokio::select! {
        signal = stop_signal() => {
            tracing::info!(signal = signal?, "stopping");
            relay.stop().await;
            Ok(())
        }
        death = deaths.first() => Err(death.into()),
    }
}
