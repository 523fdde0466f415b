//! The cluster that chaos happens to: real processes in a scratch directory,
//! started from a copy of the programs so that a build under way changes
//! nothing.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tributary_service::Topology;

use crate::clocks;

/// What is copied.
const PROGRAMS: [&str; 5] = ["tributary", "shard-node", "hf-aggregator", "router", "relay"];
/// Last lines of each log that are shown when a run fails.
const LOG_LINES_SHOWN: usize = 5;

/// A running cluster; stopped when dropped.
pub struct Cluster {
    /// Where everything lies; removed in the end unless it is kept.
    scratch: tempfile::TempDir,
    /// Who listens where.
    pub topology: Topology,
    /// Data of a node with a file system of its own.
    pub confined: Option<PathBuf>,
    /// Whether the scratch directory stays in the end.
    is_kept: bool,
    /// Whether the clocks of nodes can be moved.
    pub has_clocks: bool,
}

impl Cluster {
    /// Creates a cluster from the programs in a folder, and starts it.
    ///
    /// # Errors
    /// If a program is missing, or the cluster is not ready in time.
    pub fn up(programs: &Path, has_shortcuts: bool) -> Result<Self> {
        let scratch = tempfile::tempdir()?;
        for name in PROGRAMS {
            let from = programs.join(name);
            std::fs::copy(&from, scratch.path().join(name))
                .with_context(|| format!("{} is missing", from.display()))?;
        }
        let library = clocks::library();
        match &library {
            Some(library) => clocks::wrap(scratch.path(), library)?,
            None => eprintln!("no clock offsets: libfaketime is not installed"),
        }
        let (topology, has_clocks) = (Topology::default(), library.is_some());
        let mut cluster = Self { scratch, topology, confined: None, is_kept: false, has_clocks };
        let ways: &[&str] = if has_shortcuts { &[] } else { &["--no-shortcuts"] };
        cluster.tributary(&[&["up"], ways].concat())?;
        cluster.topology = Topology::load(&cluster.directory().join("topology.toml"))?;
        Ok(cluster)
    }

    /// Starts whatever does not run, and waits until it is ready.
    ///
    /// # Errors
    /// If that takes too long.
    pub fn start(&self) -> Result<()> {
        self.tributary(&["up"])
    }

    /// Stops everything in order.
    ///
    /// # Errors
    /// If that takes too long.
    pub fn stop(&self) -> Result<()> {
        self.tributary(&["down"])
    }

    /// Gives a process a new certificate and key, while it runs.
    ///
    /// # Errors
    /// If they cannot be issued.
    pub fn renew(&self, name: &str) -> Result<()> {
        self.tributary(&["renew", name])
    }

    /// Sets how far the clock of a node is off.
    ///
    /// # Errors
    /// If that cannot be written down.
    pub fn set_clock(&self, node: &str, offset_ms: i64) -> Result<()> {
        clocks::set(&self.directory().join(node), offset_ms)
    }

    fn tributary(&self, arguments: &[&str]) -> Result<()> {
        let program = self.scratch.path().join("tributary");
        let directory = self.directory();
        let mut command = Command::new(program);
        let output = command.arg("cluster").args(arguments).arg("--dir").arg(directory).output();
        let output = output.context("tributary does not start")?;
        let reason = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cluster {arguments:?}: {reason}");
        Ok(())
    }

    /// The cluster's directory.
    pub fn directory(&self) -> PathBuf {
        self.scratch.path().join("cluster")
    }

    /// Names of all processes.
    pub fn processes(&self) -> Vec<String> {
        let Topology { nodes, routers, relays } = &self.topology;
        let nodes = nodes.iter().map(|node| node.name.clone());
        let routers = routers.iter().map(|router| router.name.clone());
        nodes.chain(routers).chain(relays.iter().map(|relay| relay.name.clone())).collect()
    }

    /// The process with a name, by the supervisor's record. It may have ended.
    pub fn pid(&self, name: &str) -> Option<i32> {
        let path = self.directory().join("run").join(format!("{name}.pid"));
        std::fs::read_to_string(path).ok().and_then(|text| text.trim().parse().ok())
    }

    /// Sends a signal; whether there was a process to get it.
    pub fn signal(&self, name: &str, signal: Signal) -> bool {
        self.pid(name).is_some_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
    }

    /// The last lines of every log.
    pub fn logs(&self) -> String {
        let mut shown = String::new();
        for name in self.processes() {
            let path = self.directory().join("logs").join(format!("{name}.log"));
            let text = std::fs::read_to_string(path).unwrap_or_default();
            let lines: Vec<_> = text.lines().rev().take(LOG_LINES_SHOWN).collect();
            shown += &format!("--- {name}\n");
            lines.iter().rev().for_each(|line| shown += &format!("{line}\n"));
        }
        shown
    }

    /// Keeps everything when the cluster is stopped: data, keys and logs. Where
    /// it lies.
    pub fn keep(&mut self) -> PathBuf {
        self.scratch.disable_cleanup(true);
        self.is_kept = true;
        self.directory()
    }

    /// Moves the data out of its file system if it is to be kept, and unmounts
    /// that.
    fn release(&self, data: &Path) -> Result<()> {
        let kept = data.with_file_name("data-kept");
        if self.is_kept {
            run(Command::new("cp").arg("-a").arg(data).arg(&kept))?;
        }
        run(Command::new("umount").arg(data))?;
        if self.is_kept {
            std::fs::remove_dir(data)?;
            std::fs::rename(kept, data)?;
        }
        Ok(())
    }

    /// Moves a node's data into a file system of its own, of so many MiB. The
    /// cluster must be stopped.
    ///
    /// # Errors
    /// If the system does not permit it.
    pub fn confine(&mut self, node: &str, size_mib: u32) -> Result<()> {
        let data = self.directory().join(node).join("data");
        let outside = self.directory().join(node).join("data-before");
        std::fs::rename(&data, &outside)?;
        std::fs::create_dir(&data)?;
        let size = format!("size={size_mib}m");
        let mount = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        run(Command::new("mount").args(mount).arg(&data))?;
        self.confined = Some(data.clone());
        run(Command::new("cp").arg("-a").arg(outside.join(".")).arg(&data))
    }
}

/// Runs a tool of the system that must succeed.
///
/// # Errors
/// What it says.
pub fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            eprintln!("{error:#}; killing what is left");
            for name in self.processes() {
                self.signal(&name, Signal::SIGKILL);
            }
        }
        if let Some(data) = &self.confined
            && let Err(error) = self.release(data)
        {
            eprintln!("{error:#}");
        }
    }
}
