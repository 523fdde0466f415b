//! What a durable log write costs beside a plain `fdatasync` of the same size,
//! in one run: `cargo run --release -p tributary-storage --example fsync [DIR]`.
//!
//! The yardsticks are a file that grows and one that was written before
//! (preallocated). The three take turns, so that what else the machine does
//! hits them alike. The log compacts and purges as a node does, so its figures
//! include new files and the reuse of old ones.

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
    for bytes in SIZES_BYTES {
        std::fs::create_dir_all(&directory)?;
        measure(&directory, bytes)?;
        std::fs::remove_dir_all(&directory)?;
    }
    Ok(())
}

fn measure(directory: &Path, bytes: usize) -> Result<(), Box<dyn Error>> {
    let mut growing = Plain::create(&directory.join("growing"), bytes, false)?;
    let mut preallocated = Plain::create(&directory.join("preallocated"), bytes, true)?;
    let mut log = RaftEngineLog::open(&directory.join("log"), LogLimits::default())?;
    let maintainer = log.maintainer();
    let mut times = [const { Vec::new() }; 3];
    for index in 1..=SAMPLES {
        times[0].push(timed(|| growing.write(index))?);
        times[1].push(timed(|| preallocated.write(index))?);
        let write = log_write(index, bytes);
        times[2].push(timed(|| log.write(vec![write]).map_err(std::io::Error::other))?);
        if index % ENTRIES_KEPT == 0 {
            black_box(maintainer.maintain()?);
        }
    }
    println!("\n{} KiB, log of {} MiB on disk", bytes >> 10, log.bytes_on_disk() >> 20);
    println!("{:<26}{:>9}{:>9}{:>9}", "", "p50 µs", "p99 µs", "max µs");
    let names = ["fdatasync, growing", "fdatasync, preallocated", "LogStore::write"];
    for (name, mut times) in names.into_iter().zip(times) {
        times.sort_unstable();
        let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_micros();
        println!("{name:<26}{:>9}{:>9}{:>9}", at(50), at(99), at(100));
    }
    Ok(())
}

fn timed(work: impl FnOnce() -> std::io::Result<()>) -> std::io::Result<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn log_write(index: u64, bytes: usize) -> LogWrite {
    LogWrite {
        chain: ChainId::new(1),
        entries: vec![LogEntry { index, term: 1, kind: 0, data: vec![7; bytes] }],
        hard_state: Some(HardState { term: 1, vote: 1, commit: index - 1 }),
        compact_to: index
            .is_multiple_of(ENTRIES_KEPT)
            .then_some(index.saturating_sub(ENTRIES_KEPT)),
    }
}

/// A yardstick file.
struct Plain {
    file: File,
    content: Vec<u8>,
    /// Where it starts over, if it does.
    length: Option<u64>,
}

impl Plain {
    fn create(path: &Path, bytes: usize, preallocated: bool) -> std::io::Result<Self> {
        let file = File::create(path)?;
        if preallocated {
            for offset in (0..FILE_BYTES).step_by(1 << 20) {
                file.write_all_at(&[1; 1 << 20], offset)?;
            }
            file.sync_all()?;
        }
        let length = preallocated.then_some(FILE_BYTES);
        Ok(Self { file, content: vec![7; bytes], length })
    }

    fn write(&mut self, number: u64) -> std::io::Result<()> {
        let bytes = self.content.len() as u64;
        let offset = number * bytes;
        let offset = self.length.map_or(offset, |length| offset % (length - bytes));
        self.file.write_all_at(&self.content, offset)?;
        self.file.sync_data()
    }
}
