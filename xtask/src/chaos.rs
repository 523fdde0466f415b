//! `cargo xtask chaos`: builds every program, then breaks things in a cluster of
//! them under load and checks what its clients saw. The program `chaos` of
//! `tests/` does it; this process waits for it.

use anyhow::Result;
use clap::Args;

use crate::repository::target_dir;
use crate::{command, setup};

/// Programs by which networks and clocks are disturbed, with their packages.
const TOOLS: [(&str, &str); 2] = [("tc", "iproute2"), ("faketime", "faketime")];

/// Set wherever tests run by themselves: what is missing there nobody would see.
const UNATTENDED: &str = "CI";

/// How long, and what.
#[derive(Args)]
pub struct Options {
    /// Minutes of faults
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Chooses faults and payments
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Processes speak by UNIX sockets, so that no packets can be lost
    #[arg(long)]
    shortcuts: bool,
}

/// Runs until the time is over and everything is checked.
///
/// # Errors
///
/// When the build fails, the cluster does not recover, or a rule is violated.
pub fn run(options: &Options) -> Result<()> {
    install_tools()?;
    command::run(&mut command::cargo(["build", "--release", "--locked", "--workspace", "--bins"]))?;
    let (minutes, seed) = (options.minutes.to_string(), options.seed.to_string());
    let mut chaos = command::program(target_dir()?.join("release").join("chaos"));
    chaos.args(["--minutes", &minutes, "--seed", &seed]);
    command::run(if options.shortcuts { chaos.arg("--shortcuts") } else { &mut chaos })
}

/// Installs what the faults need, and says what will be left out without it;
/// quick where all is there.
///
/// # Errors
///
/// Only in CI as root on Debian, when a package cannot be installed: a run that
/// leaves faults out would pass there, and nobody would read why.
pub fn install_tools() -> Result<()> {
    if let Err(error) = setup::install_tools(&TOOLS) {
        if std::env::var_os(UNATTENDED).is_some() && setup::can_install() {
            return Err(error.context("chaos would leave out faults"));
        }
        println!("chaos leaves out lost packets or wrong clocks: {error:#}");
    }
    if !setup::is_root() {
        println!("chaos leaves out lost packets and full disks: they need root");
    }
    Ok(())
}
