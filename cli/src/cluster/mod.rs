//! Clusters on this machine: created, started, watched, stopped.

mod certificates;
mod create;
mod files;
pub mod layout;
mod ports;
mod processes;
pub mod status;
mod supervisor;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use tributary_service::Topology;

use crate::arguments::{ClusterCommand, UpArguments};
use crate::output::Format;
use layout::{Layout, SUPERVISOR};

/// How long a starting cluster may take until every process is ready.
const READY_WAIT: Duration = Duration::from_secs(60);
/// How long a stopping cluster may take.
const STOP_WAIT: Duration = Duration::from_secs(60);
/// How often a condition is looked at while waiting.
const POLL: Duration = Duration::from_millis(25);

/// Runs one `cluster` verb.
///
/// # Errors
/// One sentence for the user.
pub async fn run(
    command: ClusterCommand,
    cluster: Option<PathBuf>,
    format: Format,
) -> anyhow::Result<()> {
    let directory = |dir: Option<PathBuf>| {
        dir.or(cluster.clone()).context("which cluster? Give --dir or --cluster")
    };
    match command {
        ClusterCommand::Up(arguments) => up(&directory(arguments.dir.clone())?, &arguments).await,
        ClusterCommand::Status { dir } => status::print(&directory(dir)?, format).await,
        ClusterCommand::Down { dir } => down(&directory(dir)?).await,
        ClusterCommand::Renew { processes, dir, days } => {
            certificates::renew(&directory(dir)?, &processes, days)
        }
        ClusterCommand::Supervise { dir } => supervisor::run(&dir).await,
    }
}

/// Creates the cluster if it is new, starts what is not running, waits until
/// all of it is ready.
///
/// # Errors
/// One sentence; what runs already goes on running.
pub async fn up(root: &Path, arguments: &UpArguments) -> anyhow::Result<()> {
    let layout = Layout::new(root);
    let exists = layout.topology().is_file();
    if exists {
        tracing::info!(dir = %root.display(), "exists: resuming it as it was created");
    } else {
        create::create(root, arguments)?;
    }
    let root = root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let layout = Layout::new(&root);
    if exists && running(&layout)?.is_empty() {
        ports::replace_taken(&layout).await?;
    }
    supervise_until_ready(&layout).await
}

/// Sees to it that a supervisor runs, and waits until every process is ready.
async fn supervise_until_ready(layout: &Layout) -> anyhow::Result<()> {
    let topology = Topology::load(&layout.topology())?;
    let deadline = Instant::now() + READY_WAIT;
    let mut started: Option<Child> = None;
    loop {
        if let Some(child) = &mut started {
            if child.try_wait()?.is_some() {
                bail!("the supervisor ended: {}", status::last_line(&layout.log(SUPERVISOR)));
            }
        } else if !is_supervised(layout) {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["cluster", "supervise", "--dir"]).arg(layout.root());
            started = Some(processes::spawn(layout, SUPERVISOR, command)?);
        }
        let states = status::process_states(layout, &topology).await;
        let waiting = states.iter().find(|state| !state.ready);
        if waiting.is_none() && (started.is_some() || is_supervised(layout)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            let name = waiting.map_or(SUPERVISOR, |state| state.name.as_str());
            let last_line = status::last_line(&layout.log(name));
            bail!("{name} is not ready; `cluster down` stops what runs: {last_line}");
        }
        tokio::time::sleep(POLL).await;
    }
}

fn is_supervised(layout: &Layout) -> bool {
    processes::running(&layout.pid_file(SUPERVISOR), layout.root()).is_some()
}

/// The supervisor, or if there is none the processes that it has left.
fn running(layout: &Layout) -> anyhow::Result<Vec<u32>> {
    if let Some(pid) = processes::running(&layout.pid_file(SUPERVISOR), layout.root()) {
        return Ok(vec![pid]);
    }
    let processes = layout::processes(&Topology::load(&layout.topology())?);
    let names = processes.into_iter().map(|process| process.name);
    let pids =
        names.filter_map(|name| processes::running(&layout.pid_file(&name), &layout.config(&name)));
    Ok(pids.collect())
}

/// Stops every process of a cluster, whether its supervisor lives or not.
///
/// # Errors
/// If something does not stop in time.
pub async fn down(root: &Path) -> anyhow::Result<()> {
    let root = root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let layout = Layout::new(&root);
    let deadline = Instant::now() + STOP_WAIT;
    let mut told = Vec::new();
    loop {
        let pids = running(&layout)?;
        if pids.is_empty() {
            return Ok(());
        }
        for pid in pids {
            if !told.contains(&pid) {
                processes::send(pid, Signal::SIGTERM);
                told.push(pid);
            }
        }
        if Instant::now() > deadline {
            bail!("{} did not stop within {STOP_WAIT:?}", root.display());
        }
        tokio::time::sleep(POLL).await;
    }
}
