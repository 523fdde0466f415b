//! `cargo xtask chaos`: builds every program, then breaks things in a cluster of
//! them under load and checks what its clients saw. The program `chaos` of
//! `tests/` does it; this process waits for it.

use anyhow::Result;
use clap::Args;

use crate::repository::target_dir;
use crate::{command, setup};

/// Programs by which networks and clocks are disturbed, with their packages.
const TOOLS: [(&str, &str); 2] = [("tc", "iproute2"), ("faketime", "faketime")];

/// How long, and what.
#[derive(Args)]
pub struct Options {
    /// Minutes of faults
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Chooses faults and payments
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs until the time is over and everything is checked.
///
/// # Errors
///
/// When the build fails, the cluster does not recover, or a rule is violated.
pub fn run(options: &Options) -> Result<()> {
    if let Err(error) = setup::install_tools(&TOOLS) {
        println!("some faults will be left out: {error:#}");
    }
    command::run(&mut command::cargo(["build", "--release", "--locked", "--workspace", "--bins"]))?;
    let (minutes, seed) = (options.minutes.to_string(), options.seed.to_string());
    let mut chaos = command::program(target_dir()?.join("release").join("chaos"));
    command::run(chaos.args(["--minutes", &minutes, "--seed", &seed]))
}
