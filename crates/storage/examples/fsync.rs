//! What a durable log write costs beside a plain `fdatasync` of the same size,
//! in one run: `cargo run --release -p tributary-storage --example fsync [DIR]`.
//! With `--json` only the plain `fdatasync` into a file that was written before
//! is measured, and its figures are one line of JSON.
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

/// Bytes of the writes that bandwidth is measured with.
const LARGE_BYTES: usize = 1 << 20;
const LARGE_SAMPLES: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut words: Vec<_> = std::env::args_os().skip(1).collect();
    let is_json = words.iter().any(|word| word == "--json");
    words.retain(|word| word != "--json");
    let parent = words.first().map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = parent.join(format!("tributary-fsync-{}", std::process::id()));
    if is_json {
        std::fs::create_dir_all(&directory)?;
        let outcome = yardstick(&directory);
        std::fs::remove_dir_all(&directory)?;
        return outcome;
    }
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

/// The plain `fdatasync` alone.
fn yardstick(directory: &Path) -> Result<(), Box<dyn Error>> {
    let run = |bytes: usize, samples: u64| -> std::io::Result<Vec<Duration>> {
        let mut file = Plain::create(&directory.join(bytes.to_string()), bytes, true)?;
        let mut times = (1..=samples)
            .map(|index| timed(|| file.write(index)))
            .collect::<Result<Vec<_>, _>>()?;
        times.sort_unstable();
        Ok(times)
    };
    let (small, large) = (run(SIZES_BYTES[0], SAMPLES)?, run(LARGE_BYTES, LARGE_SAMPLES)?);
    let ms = |times: &[Duration], percent: usize| {
        times[(times.len() - 1) * percent / 100].as_secs_f64() * 1_000.0
    };
    let bytes = f64::from(u32::try_from(LARGE_BYTES)?) * f64::from(u32::try_from(large.len())?);
    println!(
        "{{\"fdatasync_p50_ms\":{:.4},\"fdatasync_p99_ms\":{:.4},\"fdatasync_1m_p50_ms\":{:.4},\
         \"fdatasync_bytes_per_second\":{:.0}}}",
        ms(&small, 50),
        ms(&small, 99),
        ms(&large, 50),
        bytes / large.iter().sum::<Duration>().as_secs_f64(),
    );
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
        entries: vec![LogEntry { index, term: 1, kind: 0, data: vec![7; bytes].into() }],
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
