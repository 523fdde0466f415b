//! What a durable log write costs beside a plain `fdatasync` of the same size,
//! in one run: `cargo run --release -p tributary-storage --example fsync [DIR]`.
//!
//! The yardsticks are a file that grows and one that was written before
//! (preallocated). The log runs with its default limits, compacting and purging
//! as a node does, so that its figures include new files and reuse of old ones.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tributary_replica::store::{HardState, LogEntry, LogStore, LogWrite};
use tributary_storage::{LogLimits, RaftEngineLog};
use tributary_types::ChainId;

const SAMPLES: u64 = 2_000;
const SIZES_BYTES: [usize; 2] = [4 << 10, 700 << 10];
/// Entries that stay in the log, as between two checkpoints.
const ENTRIES_KEPT: u64 = 20;
/// The yardstick file starts over at this length, as a ring of log files does.
const FILE_BYTES: u64 = 64 << 20;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = parent.join(format!("tributary-fsync-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    println!("{:<34}{:>10}{:>10}{:>10}", "", "p50 µs", "p99 µs", "max µs");
    for bytes in SIZES_BYTES {
        let kib = bytes >> 10;
        print(&format!("fdatasync, growing file, {kib} KiB"), plain(&directory, bytes, false)?);
        print(&format!("fdatasync, preallocated, {kib} KiB"), plain(&directory, bytes, true)?);
        print(&format!("LogStore::write, {kib} KiB"), log(&directory, bytes)?);
    }
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

fn plain(directory: &Path, bytes: usize, preallocate: bool) -> std::io::Result<Vec<Duration>> {
    let path = directory.join("plain");
    let file = File::create(&path)?;
    if preallocate {
        file.write_all_at(&vec![1; usize::try_from(FILE_BYTES).unwrap_or(usize::MAX)], 0)?;
        file.sync_all()?;
    }
    let content = vec![7; bytes];
    let times = (0..SAMPLES)
        .map(|number| {
            let offset = number * bytes as u64;
            let offset = if preallocate { offset % (FILE_BYTES - bytes as u64) } else { offset };
            let start = Instant::now();
            file.write_all_at(&content, offset)?;
            file.sync_data()?;
            Ok(start.elapsed())
        })
        .collect();
    std::fs::remove_file(path)?;
    times
}

fn log(directory: &Path, bytes: usize) -> Result<Vec<Duration>, Box<dyn Error>> {
    let home = directory.join(format!("log-{bytes}"));
    let mut log = RaftEngineLog::open(&home, LogLimits::default())?;
    let maintainer = log.maintainer();
    let mut times = Vec::new();
    // The first round fills files for reuse; the second is a node in service.
    for index in 1..=2 * SAMPLES {
        let entry = LogEntry { index, term: 1, kind: 0, data: vec![7; bytes] };
        let write = LogWrite {
            chain: ChainId::new(1),
            entries: vec![entry],
            hard_state: Some(HardState { term: 1, vote: 1, commit: index - 1 }),
            compact_to: (index % ENTRIES_KEPT == 0).then_some(index.saturating_sub(ENTRIES_KEPT)),
        };
        let start = Instant::now();
        log.write(vec![write])?;
        if index > SAMPLES {
            times.push(start.elapsed());
        }
        if index % ENTRIES_KEPT == 0 {
            black_box(maintainer.maintain()?);
        }
    }
    println!("  log of {} MiB on disk", log.bytes_on_disk() >> 20);
    Ok(times)
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
    println!("{what:<34}{:>10}{:>10}{:>10}", at(50), at(99), at(100));
}
