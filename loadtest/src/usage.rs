//! What the load cost: processor time and memory of every process of the
//! cluster and of the generator itself, from `/proc`.
//!
//! Processes are known by the files that `tributary cluster up` leaves in
//! `D/run`; on another machine, or without them, only the generator is seen. A
//! process that was restarted in between counts from its restart. Times are as
//! coarse as the kernel's ticks.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Serialize;

/// The generator's name among the processes.
const OWN_NAME: &str = "loadtest";
/// Ticks of a second in `/proc/PID/stat`, on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;
/// Bytes of a page in `/proc/PID/stat`, where nothing else was configured.
const PAGE_BYTES: u64 = 4_096;
/// Fields of `/proc/PID/stat` after the name, counted from the state.
const USER_TICKS: usize = 11;
const SYSTEM_TICKS: usize = 12;
const RESIDENT_PAGES: usize = 21;

/// All processes at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    processes: BTreeMap<(String, u32), Process>,
}

#[derive(Debug, Clone, Default)]
struct Process {
    ticks: u64,
    resident_bytes: u64,
    /// Name and ticks of each thread, by its id.
    threads: BTreeMap<u32, (String, u64)>,
}

/// What one process used between two moments.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Memory at the end.
    pub resident_bytes: u64,
    /// User and system time of threads of the same name.
    pub threads_cpu_seconds: BTreeMap<String, f64>,
}

impl Snapshot {
    /// Looks at the processes of the cluster in `cluster`, and at this one.
    pub fn take(cluster: &Path) -> Self {
        let mut snapshot = Self::default();
        snapshot.add(OWN_NAME, std::process::id());
        let Ok(entries) = fs::read_dir(cluster.join("run")) else { return snapshot };
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            let pid = fs::read_to_string(&path).ok().and_then(|text| text.trim().parse().ok());
            let name = path.file_stem().and_then(|name| name.to_str());
            if let (Some(pid), Some(name)) = (pid, name) {
                snapshot.add(name, pid);
            }
        }
        snapshot
    }

    /// What each process used since `earlier`, by name.
    pub fn since(&self, earlier: &Self) -> BTreeMap<String, Usage> {
        let mut used: BTreeMap<String, Usage> = BTreeMap::new();
        for (key, now) in &self.processes {
            let before = earlier.processes.get(key).cloned().unwrap_or_default();
            let usage = used.entry(key.0.clone()).or_default();
            usage.cpu_seconds += seconds(now.ticks.saturating_sub(before.ticks));
            usage.resident_bytes += now.resident_bytes;
            for (thread, (name, ticks)) in &now.threads {
                let earlier = before.threads.get(thread).map_or(0, |(_, ticks)| *ticks);
                let sum = usage.threads_cpu_seconds.entry(name.clone()).or_default();
                *sum += seconds(ticks.saturating_sub(earlier));
            }
        }
        used
    }

    fn add(&mut self, name: &str, pid: u32) {
        let folder = format!("/proc/{pid}");
        let Some(stat) = read_stat(&folder) else { return };
        let mut process = Process {
            ticks: stat.ticks,
            resident_bytes: stat.resident_bytes,
            threads: BTreeMap::new(),
        };
        let tasks = fs::read_dir(format!("{folder}/task")).into_iter().flatten();
        for task in tasks.filter_map(Result::ok) {
            let id = task.file_name().to_str().and_then(|name| name.parse().ok());
            let stat = task.path().to_str().and_then(read_stat);
            if let (Some(id), Some(stat)) = (id, stat) {
                process.threads.insert(id, (stat.name, stat.ticks));
            }
        }
        self.processes.insert((name.to_owned(), pid), process);
    }
}

struct Stat {
    name: String,
    ticks: u64,
    resident_bytes: u64,
}

fn read_stat(folder: &str) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("{folder}/stat")).ok()?)
}

/// `PID (NAME) STATE ...`: the name may hold anything, so the last `)` ends it.
fn parse_stat(text: &str) -> Option<Stat> {
    let (head, tail) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = tail.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        name,
        ticks: number(USER_TICKS)? + number(SYSTEM_TICKS)?,
        resident_bytes: number(RESIDENT_PAGES)? * PAGE_BYTES,
    })
}

#[expect(clippy::cast_precision_loss, reason = "ticks of a run are few")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / TICKS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (chain (1)) S 1 42 42 0 -1 4194560 9 0 0 0 150 50 0 0 20 0 9 0 7 \
                        1000 25 18446744073709551615 1 1 0 0 0";

    #[test]
    fn a_name_with_brackets_does_not_shift_the_fields() {
        let stat = parse_stat(STAT).unwrap();
        assert_eq!((stat.name.as_str(), stat.ticks), ("chain (1)", 200));
        assert_eq!(stat.resident_bytes, 25 * PAGE_BYTES);
    }

    #[test]
    fn this_process_is_seen_with_its_threads() {
        let snapshot = Snapshot::take(Path::new("/nowhere"));
        let used = snapshot.since(&Snapshot::default());
        assert!(used[OWN_NAME].resident_bytes > 0);
        assert!(!used[OWN_NAME].threads_cpu_seconds.is_empty());
    }

    #[test]
    fn a_restarted_process_counts_from_its_restart() {
        let process = |ticks| Process { ticks, ..Process::default() };
        let of = |pid, ticks| Snapshot {
            processes: BTreeMap::from([(("shard-1".to_owned(), pid), process(ticks))]),
        };
        let used = |now: Snapshot| now.since(&of(7, 500))["shard-1"].cpu_seconds.round();
        assert!((used(of(7, 700)) - 2.0).abs() < 1e-9);
        assert!((used(of(8, 300)) - 3.0).abs() < 1e-9);
    }
}
