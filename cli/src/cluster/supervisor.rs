//! The supervisor: keeps every process of a cluster running.
//!
//! It is the only one that starts processes. It holds `D/lock`, so there is at
//! most one. A killed process is started again within [`POLL_MS`] plus its
//! back-off; one that keeps dying is tried less and less often. If the
//! supervisor itself is killed, its processes live on and the next one adopts
//! them by pid.

use std::fs::File;
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tributary_service::Topology;

use super::layout::{Layout, Process, ProcessRole, SUPERVISOR, processes};
use super::processes;

/// How often processes are looked at.
const POLL_MS: u64 = 100;
/// How long a killed supervisor may take to let go of the lock.
const LOCK_WAIT_MS: u64 = 5_000;
/// Wait before the first restart of a process that ran for a while.
const RESTART_DELAY_MS_MIN: u64 = 100;
/// Longest wait between restarts of a process that keeps dying.
const RESTART_DELAY_MS_MAX: u64 = 10_000;
/// A process that ran this long is not considered to keep dying.
const STABLE_MS: u64 = 5_000;
/// How often stopping processes are looked at.
const STOP_POLL_MS: u64 = 10;
/// How long processes may take to stop before they are killed.
const STOP_WAIT_MS: u64 = 15_000;

/// Runs until SIGTERM or SIGINT, then stops every process.
///
/// # Errors
/// If another supervisor holds the directory.
pub async fn run(root: &Path) -> anyhow::Result<()> {
    let layout = Layout::new(root);
    let topology = Topology::load(&layout.topology())?;
    let lock = File::create(layout.lock()).context("cannot create the lock file")?;
    let mut poll = tokio::time::interval(Duration::from_millis(POLL_MS));
    let deadline = Instant::now() + Duration::from_millis(LOCK_WAIT_MS);
    while lock.try_lock().is_err() {
        if Instant::now() > deadline {
            bail!("{} is in use: another supervisor runs", root.display());
        }
        poll.tick().await;
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut watched: Vec<_> =
        processes(&topology).into_iter().map(|process| Watched::adopt(&layout, process)).collect();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = poll.tick() => watched.iter_mut().for_each(|process| process.look(&layout)),
        }
    }
    stop_all(&mut watched, &layout).await;
    remove_pid_file(&layout, SUPERVISOR);
    drop(lock);
    Ok(())
}

/// Routers and relays first, so that nodes stop without work under way.
async fn stop_all(watched: &mut [Watched], layout: &Layout) {
    let mut poll = tokio::time::interval(Duration::from_millis(STOP_POLL_MS));
    let is_edge = |role| matches!(role, ProcessRole::Router | ProcessRole::Relay);
    for edge in [true, false] {
        let mut group: Vec<_> =
            watched.iter_mut().filter(|one| is_edge(one.process.role) == edge).collect();
        for process in &group {
            process.signal(Signal::SIGTERM);
        }
        let deadline = Instant::now() + Duration::from_millis(STOP_WAIT_MS);
        while group.iter_mut().any(|process| process.is_running(layout)) {
            if Instant::now() > deadline {
                for process in &group {
                    tracing::warn!(name = process.process.name, "did not stop in time, killed");
                    process.signal(Signal::SIGKILL);
                }
            }
            poll.tick().await;
        }
        for process in group {
            remove_pid_file(layout, &process.process.name);
        }
    }
}

fn remove_pid_file(layout: &Layout, name: &str) {
    let path = layout.pid_file(name);
    if let Err(error) = std::fs::remove_file(&path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "cannot remove pid file");
    }
}

/// One process under supervision.
struct Watched {
    process: Process,
    state: State,
    /// Wait before the next start.
    delay: Duration,
}

enum State {
    /// Started by this supervisor.
    Own { child: Child, since: Instant },
    /// Started by an earlier one, known by pid.
    Adopted { pid: u32 },
    /// Not running; to be started at this moment.
    Down { start_at: Instant },
}

impl Watched {
    fn adopt(layout: &Layout, process: Process) -> Self {
        let found =
            processes::running(&layout.pid_file(&process.name), &layout.config(&process.name));
        let state = match found {
            Some(pid) => State::Adopted { pid },
            None => State::Down { start_at: Instant::now() },
        };
        let delay = Duration::from_millis(RESTART_DELAY_MS_MIN);
        Self { process, state, delay }
    }

    fn signal(&self, signal: Signal) {
        match &self.state {
            State::Own { child, .. } => processes::send(child.id(), signal),
            State::Adopted { pid } => processes::send(*pid, signal),
            State::Down { .. } => {}
        }
    }

    fn is_running(&mut self, layout: &Layout) -> bool {
        match &mut self.state {
            State::Own { child, .. } => matches!(child.try_wait(), Ok(None)),
            State::Adopted { pid } => {
                let name = &self.process.name;
                processes::running(&layout.pid_file(name), &layout.config(name)) == Some(*pid)
            }
            State::Down { .. } => false,
        }
    }

    /// Notices an end, starts what is due.
    fn look(&mut self, layout: &Layout) {
        if self.is_running(layout) {
            return;
        }
        match &self.state {
            State::Own { since, .. } => {
                let longest = Duration::from_millis(RESTART_DELAY_MS_MAX);
                let stable = since.elapsed() > Duration::from_millis(STABLE_MS);
                self.delay = if stable {
                    Duration::from_millis(RESTART_DELAY_MS_MIN)
                } else {
                    (self.delay * 2).min(longest)
                };
                tracing::warn!(name = self.process.name, delay = ?self.delay, "ended; starting again");
                self.state = State::Down { start_at: Instant::now() + self.delay };
            }
            State::Adopted { .. } => self.state = State::Down { start_at: Instant::now() },
            State::Down { start_at } if Instant::now() >= *start_at => self.start(layout),
            State::Down { .. } => {}
        }
    }

    fn start(&mut self, layout: &Layout) {
        match processes::start(layout, &self.process) {
            Ok(child) => {
                tracing::info!(name = self.process.name, pid = child.id(), "started");
                self.state = State::Own { child, since: Instant::now() };
            }
            Err(error) => {
                tracing::error!(name = self.process.name, "{error:#}");
                self.delay = Duration::from_millis(RESTART_DELAY_MS_MAX);
                self.state = State::Down { start_at: Instant::now() + self.delay };
            }
        }
    }
}
