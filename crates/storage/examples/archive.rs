//! What the archive writes to disk for each byte that is put into it, how long
//! that takes, and how fast a search reads through all blocks of a chain: `cargo run --release -p tributary-storage --example archive [DIR]`.
//!
//! Three chains put full blocks in turn, with a checkpoint each time a chain
//! gathered as much as replicas do by default. Bodies are random bytes, which
//! ids, keys and hashes nearly are; outcomes are half zeros.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use tributary_chain::Header;
use tributary_ledger::{Page, PageKey};
use tributary_replica::store::{BlockStore, Checkpoint, CheckpointStore, StoredBlock};
use tributary_storage::{Database, DatabaseLimits};
use tributary_types::{BlockHeight, ChainId, Hash, TimeMs};

const CHAINS: u16 = 3;
const BLOCKS: u64 = 600;
const BODY_BYTES: usize = 1 << 20;
const OUTCOME_BYTES: usize = 200 << 10;
const CHECKPOINT_BLOCKS: u64 = 32;
const PAGES: u32 = 100;
const PAGE_BYTES: usize = 64 << 10;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let directory = parent.join(format!("tributary-archive-{}", std::process::id()));
    let before = written_bytes()?;
    let start = Instant::now();
    let mut saving = Vec::new();
    let bytes = fill(&directory, &mut saving)?;
    let written = written_bytes()? - before;
    saving.sort_unstable();
    println!("put {} MiB in {} ms", bytes >> 20, start.elapsed().as_millis());
    println!("wrote {} MiB, {:.2} bytes for each", written >> 20, ratio(written, bytes));
    println!(
        "a checkpoint took {} ms, at most {} ms",
        saving[saving.len() / 2],
        saving[saving.len() - 1]
    );
    let start = Instant::now();
    let bytes = read_back(&directory)?;
    let per_second = bytes as u128 * 1_000 / start.elapsed().as_millis().max(1);
    println!("read a chain back at {} MiB/s", per_second >> 20);
    let kept = size(&directory)?;
    println!("kept {} MiB, {:.2} bytes for each", kept >> 20, ratio(kept, bytes));
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

/// Fills a database and closes it; gives the bytes put.
fn fill(directory: &Path, saving_ms: &mut Vec<u128>) -> Result<u64, Box<dyn Error>> {
    let database = Database::open(directory, DatabaseLimits::default())?;
    let (blocks, mut checkpoints) = (database.blocks(), database.checkpoints());
    let mut bytes = 0;
    let mut state = 1_u64;
    for height in 1..=BLOCKS {
        for chain in (1..=CHAINS).map(ChainId::new) {
            let header = header(chain, height);
            let mut outcomes = random(&mut state, OUTCOME_BYTES / 2);
            outcomes.resize(OUTCOME_BYTES, 0);
            let body = random(&mut state, BODY_BYTES);
            bytes += (body.len() + outcomes.len()) as u64;
            blocks.put_blocks(&[StoredBlock {
                header: header.clone(),
                body: body.into(),
                outcomes: outcomes.into(),
            }])?;
            if height.is_multiple_of(CHECKPOINT_BLOCKS) {
                let page = |number| Page {
                    key: PageKey { section: 1, number },
                    bytes: random(&mut state, PAGE_BYTES).into(),
                };
                let pages: Vec<Page> = (0..PAGES).map(page).collect();
                bytes += u64::from(PAGES) * PAGE_BYTES as u64;
                let start = Instant::now();
                let checkpoint = Checkpoint { index: height, term: 1, header, pages };
                checkpoints.save(chain, &checkpoint, false)?;
                saving_ms.push(start.elapsed().as_millis());
            }
        }
    }
    Ok(bytes)
}

/// Reads every block of one chain, as a search for an id that is not there
/// does; gives the bytes read.
fn read_back(directory: &Path) -> Result<u64, Box<dyn Error>> {
    let database = Database::open(directory, DatabaseLimits::default())?;
    let blocks = database.blocks();
    (1..=BLOCKS).try_fold(0, |bytes, height| {
        let block = blocks.block(ChainId::new(1), BlockHeight::new(height))?;
        let block = block.ok_or("a block is gone")?;
        Ok(bytes + (block.body.len() + block.outcomes.len()) as u64)
    })
}

fn header(chain: ChainId, height: u64) -> Header {
    Header {
        chain,
        height: BlockHeight::new(height),
        parent: Hash::ZERO,
        time: TimeMs::new(height),
        validator_set: Hash::ZERO,
        body_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        state_root: Hash::ZERO,
        channels_root: Hash::ZERO,
    }
}

/// Bytes that do not compress (xorshift64).
fn random(state: &mut u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// Bytes that this process caused to be written, by the kernel's count.
fn written_bytes() -> Result<u64, Box<dyn Error>> {
    let counters = std::fs::read_to_string("/proc/self/io")?;
    let line = counters.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    Ok(line.ok_or("no write_bytes in /proc/self/io")?.parse()?)
}

fn size(directory: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(directory)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let metadata = entry.metadata()?;
        Ok(sum + if metadata.is_dir() { size(&entry.path())? } else { metadata.len() })
    })
}

#[expect(clippy::cast_precision_loss, reason = "two digits are printed")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
