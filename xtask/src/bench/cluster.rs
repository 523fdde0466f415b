//! A cluster of real processes in a directory of its own, gone at the end.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command;

/// How a cluster is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// User chains.
    pub chains: u16,
    /// Replicas of every chain.
    pub replicas: u16,
}

/// The set-up of a row unless it says otherwise.
pub const CANONICAL: Shape = Shape { chains: 3, replicas: 3 };

/// Longest that a probe of a process may take.
const HTTP_WAIT: Duration = Duration::from_secs(2);
/// Longest that something is waited for.
const CONDITION_WAIT: Duration = Duration::from_secs(120);
/// How often it is looked at whether a process serves again.
const READY_POLL: Duration = Duration::from_millis(10);
/// Bytes of a block in `stat`.
const BLOCK_BYTES: u64 = 512;
/// Directories of clusters: this, the process that made them, and a number.
const PREFIX: &str = "tributary-bench-";
/// Tells the directories of one process apart.
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A running cluster.
pub struct Cluster {
    programs: PathBuf,
    /// Holds the cluster and what its programs put beside it.
    scratch: PathBuf,
}

/// A process of the cluster.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its name.
    pub name: String,
    /// Its pid, while it runs.
    pub pid: Option<u64>,
    /// Where it answers probes.
    pub http: String,
}

impl Cluster {
    /// Creates and starts one; returns when every process is ready.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn up(programs: &Path, parent: &Path, shape: Shape, has_shortcuts: bool) -> Result<Self> {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let scratch = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir_all(&scratch).with_context(|| scratch.display().to_string())?;
        let cluster = Self { programs: programs.to_owned(), scratch };
        let mut up = cluster.tributary();
        up.args(["cluster", "up", "--relays", "2", "--settlement-interval", "200ms"]);
        up.args(["--chains", &shape.chains.to_string()]);
        up.args(["--replicas", &shape.replicas.to_string()]);
        if !has_shortcuts {
            up.arg("--no-shortcuts");
        }
        command::run(&mut up)?;
        Ok(cluster)
    }

    /// Its directory.
    pub fn directory(&self) -> PathBuf {
        self.scratch.join("cluster")
    }

    /// A call of `tributary` on this cluster.
    pub fn tributary(&self) -> Command {
        let mut tributary = command::program(self.programs.join("tributary"));
        tributary.env("TRIBUTARY_CLUSTER", self.directory());
        tributary
    }

    /// What `tributary cluster status` says.
    ///
    /// # Errors
    ///
    /// When it fails.
    pub fn status(&self) -> Result<Value> {
        let mut status = self.tributary();
        let text = command::read(status.args(["--output", "json", "cluster", "status"]))?;
        serde_json::from_str(&text).context("cluster status is no JSON")
    }

    /// Every process.
    ///
    /// # Errors
    ///
    /// As [`Cluster::status`].
    pub fn processes(&self) -> Result<Vec<Process>> {
        let status = self.status()?;
        let all = status["processes"].as_array().context("cluster status: no processes")?;
        let process = |value: &Value| Process {
            name: value["name"].as_str().unwrap_or_default().to_owned(),
            pid: value["pid"].as_u64(),
            http: value["http"].as_str().unwrap_or_default().to_owned(),
        };
        Ok(all.iter().map(process).collect())
    }

    /// The metrics of every process, one text after the other.
    ///
    /// # Errors
    ///
    /// When a process does not answer.
    pub fn metrics(&self) -> Result<String> {
        let texts = self.processes()?.into_iter().map(|process| {
            let (_, body) = get(&process.http, "/metrics").context(process.name)?;
            Ok(body)
        });
        texts.collect()
    }

    /// Bytes on disk of all nodes' data.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn disk_bytes(&self) -> Result<u64> {
        let mut bytes = 0;
        for entry in fs::read_dir(self.directory())? {
            let data = entry?.path().join("data");
            if data.is_dir() {
                bytes += disk_bytes(&data)?;
            }
        }
        Ok(bytes)
    }

    /// Kills a process as a power cut would, and tells how long it takes until
    /// it serves again.
    ///
    /// # Errors
    ///
    /// When it does not come back.
    pub fn restart_seconds(&self, name: &str) -> Result<f64> {
        let processes = self.processes()?;
        let process = processes.iter().find(|process| process.name == name);
        let process = process.with_context(|| format!("there is no process {name}"))?;
        let pid = process.pid.with_context(|| format!("{name} does not run"))?;
        kill(pid)?;
        let begin = Instant::now();
        let what = format!("{name} to serve again");
        wait_until(&what, READY_POLL, || Ok(process.is_ready()))?;
        Ok(begin.elapsed().as_secs_f64())
    }

    /// Waits until every process serves.
    ///
    /// # Errors
    ///
    /// When one does not in time.
    pub fn wait_ready(&self) -> Result<()> {
        let processes = self.processes()?;
        let all = || Ok(processes.iter().all(Process::is_ready));
        wait_until("all processes to serve", READY_POLL, all)
    }

    /// Copies what its processes logged to `folder`, in place of what is there.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or written.
    pub fn keep_logs(&self, folder: &Path) -> Result<()> {
        if folder.is_dir() {
            fs::remove_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        for entry in fs::read_dir(self.directory().join("logs"))? {
            let entry = entry?;
            fs::copy(entry.path(), folder.join(entry.file_name()))
                .with_context(|| entry.path().display().to_string())?;
        }
        Ok(())
    }

    /// Stops everything and removes the directory.
    fn down(&self) -> Result<()> {
        if self.directory().is_dir() {
            command::run(self.tributary().args(["cluster", "down"]))?;
        }
        fs::remove_dir_all(&self.scratch).with_context(|| self.scratch.display().to_string())
    }
}

impl Process {
    /// Whether it says that it serves.
    fn is_ready(&self) -> bool {
        get(&self.http, "/readyz").is_ok_and(|(status, _)| status == 200)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.down() {
            eprintln!("{} stays behind: {error:#}", self.scratch.display());
        }
    }
}

/// Stops and removes the clusters of runs that were interrupted.
///
/// # Errors
///
/// When the directory cannot be read.
pub fn sweep(programs: &Path, parent: &Path) -> Result<()> {
    for entry in fs::read_dir(parent).with_context(|| parent.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            drop(Cluster { programs: programs.to_owned(), scratch: entry.path() });
        }
    }
    Ok(())
}

/// Ends a process at once.
///
/// # Errors
///
/// When there is no such process.
pub fn kill(pid: u64) -> Result<()> {
    command::run(command::program("kill").args(["-KILL", &pid.to_string()]))
}

/// Looks at a condition until it holds.
///
/// # Errors
///
/// When it does not hold in time, or cannot be looked at.
pub fn wait_until(
    what: &str,
    poll: Duration,
    mut holds: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let begin = Instant::now();
    while !holds()? {
        if begin.elapsed() > CONDITION_WAIT {
            bail!("waited {CONDITION_WAIT:?} for {what}");
        }
        std::thread::sleep(poll);
    }
    Ok(())
}

/// Status and body of one page.
fn get(address: &str, path: &str) -> Result<(u16, String)> {
    let address = address.parse().with_context(|| format!("{address:?} is no address"))?;
    let mut stream = TcpStream::connect_timeout(&address, HTTP_WAIT)?;
    stream.set_read_timeout(Some(HTTP_WAIT))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok((status.context("no HTTP status")?, body.to_owned()))
}

/// Files come and go while a database works: one that is gone has no bytes.
fn disk_bytes(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let Ok(metadata) = entry.metadata() else { continue };
        bytes += if metadata.is_dir() {
            disk_bytes(&entry.path())?
        } else {
            metadata.blocks() * BLOCK_BYTES
        };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::BufRead;
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_page_is_read_with_its_status() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = std::io::BufReader::new(&stream);
            let mut line = String::new();
            while line != "\r\n" {
                line.clear();
                reader.read_line(&mut line).unwrap();
            }
            (&stream).write_all(b"HTTP/1.0 503 Busy\r\nA: b\r\n\r\nnot yet").unwrap();
        });
        assert_eq!(get(&address, "/readyz").unwrap(), (503, "not yet".to_owned()));
        server.join().unwrap();
    }
}
