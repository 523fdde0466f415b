//! Processes by pid: start, signal, recognise.
//!
//! A pid file alone proves nothing, because pids are reused. A process counts
//! as ours only while the kernel shows our program and configuration path in
//! its command line (`/proc/PID/cmdline`).

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::layout::{Layout, Process};

/// How far nodes stand back behind routers on the machine that they share, so
/// that what is refused hears it at once (docs/PERFORMANCE.md).
const NODE_NICENESS: &str = "5";
/// How nodes ask for huge pages where the system gives them to who asks: a variable
/// that glibc reads when a program starts (its manual, "Memory Allocation Tunables").
const NODE_MEMORY: (&str, &str) = ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1");

/// The program of a role, beside the running `tributary`.
///
/// # Errors
/// If it is not there.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find the running program")?;
    let path = own.with_file_name(name);
    if !path.is_file() {
        bail!("{} is missing: build the whole workspace", path.display());
    }
    Ok(path)
}

/// Starts one process of the cluster, detached from the terminal, with its
/// stderr and stdout appended to its log.
///
/// # Errors
/// If the program or the log cannot be opened.
pub fn start(layout: &Layout, process: &Process) -> anyhow::Result<Child> {
    let program = program(process.role.program())?;
    let mut command = if process.role.is_node() { node(&program) } else { Command::new(program) };
    command.arg("--config").arg(layout.config(&process.name));
    spawn(layout, &process.name, command)
}

/// A call of a node's program that lets others go first (coreutils' `nice`, which
/// becomes the program), with huge pages unless the caller says how it is with
/// memory.
fn node(program: &Path) -> Command {
    let mut command = Command::new("nice");
    command.args(["-n", NODE_NICENESS]).arg(program);
    let (name, value) = NODE_MEMORY;
    if std::env::var_os(name).is_none() {
        command.env(name, value);
    }
    command
}

/// Starts `command` in a process group of its own and writes its pid file.
///
/// # Errors
/// If the log cannot be opened or the program cannot be started.
pub fn spawn(layout: &Layout, name: &str, mut command: Command) -> anyhow::Result<Child> {
    let path = layout.log(name);
    let log = File::options()
        .append(true)
        .create(true)
        .open(&path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let child = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let pid_file = layout.pid_file(name);
    fs::write(&pid_file, child.id().to_string())
        .with_context(|| format!("cannot write {}", pid_file.display()))?;
    Ok(child)
}

/// The pid of a running process of the cluster, if its pid file names one that
/// runs with `argument` in its command line.
pub fn running(pid_file: &Path, argument: &Path) -> Option<u32> {
    let pid: u32 = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    let command_line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let wanted = argument.as_os_str().as_encoded_bytes();
    command_line.split(|byte| *byte == 0).any(|part| part == wanted).then_some(pid)
}

/// Sends a signal; a process that is gone already is no error.
pub fn send(pid: u32, signal: Signal) {
    let Ok(pid) = i32::try_from(pid) else { return };
    if let Err(error) = kill(Pid::from_raw(pid), signal)
        && error != nix::errno::Errno::ESRCH
    {
        tracing::warn!(pid, %signal, %error, "cannot send signal");
    }
}
