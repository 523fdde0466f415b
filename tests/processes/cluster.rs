//! A cluster under test, driven through the command line only.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

/// How long a cluster may take until it serves.
const READY_WAIT: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
pub const POLL: Duration = Duration::from_millis(50);

/// The `tributary` program: beside the test binary's own directory.
pub fn program() -> PathBuf {
    let own = std::env::current_exe().expect("the test binary has a path");
    let path = own.ancestors().nth(2).expect("target directory").join("tributary");
    assert!(path.is_file(), "{} is missing: run `cargo xtask test`", path.display());
    path
}

/// Waits until `condition` holds.
pub fn wait_until(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::park_timeout(POLL);
    }
}

/// A running cluster; stopped when dropped.
pub struct Cluster {
    /// Where the cluster lies; inside `_scratch`.
    path: PathBuf,
    _scratch: tempfile::TempDir,
}

impl Cluster {
    /// Creates and starts a cluster; on return it is ready.
    pub fn up(options: &[&str]) -> Self {
        let scratch = scratch();
        let cluster = Self { path: scratch.path().join("cluster"), _scratch: scratch };
        cluster.start(options);
        cluster
    }

    /// The cluster that lies in `scratch`, which is not started yet.
    pub fn in_directory(scratch: tempfile::TempDir) -> Self {
        Self { path: scratch.path().join("cluster"), _scratch: scratch }
    }

    /// `cluster up` on this directory.
    pub fn start(&self, options: &[&str]) {
        let mut arguments = vec!["cluster", "up", "--dir", self.dir()];
        arguments.extend_from_slice(options);
        let output = Command::new(program()).args(&arguments).output().expect("tributary runs");
        assert!(output.status.success(), "cluster up: {}", text(&output.stderr));
    }

    /// `cluster down` on this directory.
    pub fn stop(&self) {
        let output = self.run_raw(&["cluster", "down"]);
        assert!(output.status.success(), "cluster down: {}", text(&output.stderr));
    }

    /// The cluster's directory.
    pub fn dir(&self) -> &str {
        shown(&self.path)
    }

    /// The cluster's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command on this cluster, not yet started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.env("TRIBUTARY_CLUSTER", &self.path).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run_raw(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("tributary runs")
    }

    /// Runs a command that must succeed; its stdout.
    pub fn run(&self, arguments: &[&str]) -> String {
        let output = self.run_raw(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", self.failure(&output));
        text(&output.stdout)
    }

    /// Runs a command that must fail with exit code 1; its stderr.
    pub fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run_raw(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", self.failure(&output));
        text(&output.stderr) + &text(&output.stdout)
    }

    /// Runs a command that must succeed; its stdout as JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut with_format = vec!["--output", "json"];
        with_format.extend_from_slice(arguments);
        serde_json::from_str(&self.run(&with_format)).expect("stdout is JSON")
    }

    /// Starts a command in the background.
    pub fn spawn(&self, arguments: &[&str]) -> Child {
        self.command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tributary starts")
    }

    /// `cluster status` as JSON.
    pub fn status(&self) -> Value {
        self.json(&["cluster", "status"])
    }

    /// Names of the processes whose name begins with `prefix`.
    pub fn processes(&self, prefix: &str) -> Vec<String> {
        let status = self.status();
        let processes = status["processes"].as_array().expect("processes");
        let names = processes.iter().filter_map(|process| process["name"].as_str());
        names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect()
    }

    /// The pid in a process's pid file, if there is one.
    pub fn pid(&self, name: &str) -> Option<i32> {
        let path = self.path.join("run").join(format!("{name}.pid"));
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    }

    /// Sends a signal to a process of the cluster; one that is being restarted
    /// gets it when it runs.
    pub fn signal(&self, name: &str, signal: Signal) {
        wait_until(&format!("{name} is signalled"), READY_WAIT, || {
            self.pid(name).is_some_and(|pid| kill(Pid::from_raw(pid), signal).is_ok())
        });
    }

    /// Waits until every process says that it is ready.
    pub fn wait_ready(&self) {
        wait_until("every process is ready", READY_WAIT, || {
            let status = self.status();
            let processes = status["processes"].as_array().expect("processes");
            processes.iter().all(|process| process["ready"] == true)
        });
    }

    /// The process that leads a chain now.
    pub fn leader(&self, chain: u64) -> Option<String> {
        let status = self.status();
        let chains = status["chains"].as_array().expect("chains");
        let found = chains.iter().find(|entry| entry["chain"] == chain)?;
        found["leader"].as_str().map(str::to_owned)
    }

    fn failure(&self, output: &Output) -> String {
        let logs = self.path.join("logs");
        let mut message = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
        for entry in std::fs::read_dir(logs).into_iter().flatten().flatten() {
            let content = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let tail: Vec<_> = content.lines().rev().take(8).collect();
            message += &format!("\n--- {}\n", entry.path().display());
            for line in tail.iter().rev() {
                message += &format!("{line}\n");
            }
        }
        message
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = self.run_raw(&["cluster", "down"]).status.success();
        if stopped {
            return;
        }
        for entry in std::fs::read_dir(self.path.join("run")).into_iter().flatten().flatten() {
            let name = entry.path().file_stem().map(|stem| stem.to_string_lossy().into_owned());
            if let Some(pid) = name.and_then(|name| self.pid(&name)) {
                // It may have ended in this moment; then there is nothing to kill.
                kill(Pid::from_raw(pid), Signal::SIGKILL).ok();
            }
        }
    }
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A directory for files of a test, outside the cluster's.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir().expect("temporary directory")
}

/// Path as text.
pub fn shown(path: &Path) -> &str {
    path.to_str().expect("temporary paths are UTF-8")
}
