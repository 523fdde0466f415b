//! Bytes of memory of an open account and of a remembered id: what the process
//! grew by, divided by how many there are.
//!
//! Opening leaves ids behind too, so block time passes the window first, which
//! forgets them; with `GLIBC_TUNABLES=glibc.malloc.mmap_threshold=65536` their
//! memory leaves the process. It lacks what a node holds beside its ledger.
//!
//! Ids come at about 100,000 a second, as one of three chains takes them at full
//! load, and other ids have come before at the same rate: the window makes room
//! for as many as there were in the span of time before.

use std::error::Error;

use tributary_types::Hash;

use crate::Figures;
use crate::fixture::{BLOCK_PAYMENTS, USER_CHAIN, World, assert_committed};

const MERCHANTS: usize = 1_000;
const BLOCKS: usize = 128;
/// Blocks before those that are counted: several buckets of the window.
const BLOCKS_BEFORE: usize = 96;
/// Between two full blocks, in ms of block time, beside the fixture's own.
const PAUSE_MS: u64 = 60;
/// Longer than the id window reaches, in ms of block time.
const WINDOW_PASSED_MS: u64 = 1_200_000;
/// Bytes of a page in `/proc/self/statm`.
const PAGE_BYTES: u64 = 4_096;

/// Measures both.
///
/// # Errors
/// If the kernel does not tell how large the process is.
pub fn measure(accounts: usize) -> Result<Figures, Box<dyn Error>> {
    let mut world = World::user_chain(0, MERCHANTS);
    assert_eq!(world.ledger.chain(), USER_CHAIN);
    let before = resident_bytes()?;
    world.open_users(accounts);
    world.pass_ms(WINDOW_PASSED_MS);
    // One block whose working memory is then there for all others.
    pay(&mut world, 1);
    // The list of ids is the fixture's own.
    let own = size_of_val(world.users.as_slice()) as u64;
    let opened = resident_bytes()?;
    pay(&mut world, BLOCKS_BEFORE);
    let before_counted = resident_bytes()?;
    pay(&mut world, BLOCKS);
    let remembered = resident_bytes()?;
    let payments = BLOCKS * BLOCK_PAYMENTS;
    Ok(Figures::from([
        ("account_bytes".to_owned(), per(opened.saturating_sub(before + own), accounts)),
        (
            "remembered_id_bytes".to_owned(),
            per(remembered.saturating_sub(before_counted), payments),
        ),
    ]))
}

/// Executes full blocks.
fn pay(world: &mut World, blocks: usize) {
    for _ in 0..blocks {
        world.pass_ms(PAUSE_MS);
        let body = world.uniform_payments(BLOCK_PAYMENTS);
        assert_committed(&world.ledger.execute(&body, Hash::ZERO));
    }
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = statm.split_whitespace().nth(1).ok_or("no resident size")?.parse()?;
    Ok(pages * PAGE_BYTES)
}

#[expect(clippy::cast_precision_loss, reason = "sizes of memory")]
fn per(bytes: u64, count: usize) -> f64 {
    bytes as f64 / count.max(1) as f64
}
