//! A chain checked again from the bytes of its blocks, as an auditor does who
//! believes nobody: every body is decoded and hashed, every batch's signature
//! verified, everything executed, and the header compared with the chain's.
//!
//! It lacks the certificates of headers: two signatures for a whole block.

use std::hint::black_box;
use std::time::{Duration, Instant};

use tributary_chain::{Batch, Body, Header};
use tributary_ledger::Ledger;
use tributary_types::codec::{Encode as _, decode_exact};

use crate::fixture::{BLOCK_PAYMENTS, World};
use crate::{Figures, rate};

const MERCHANTS: usize = 1_000;
const BLOCKS: usize = 100;

/// Measures the audit of blocks that follow a known state.
pub fn measure(accounts: usize) -> Figures {
    let mut world = World::user_chain(accounts, MERCHANTS);
    let mut auditor = world.ledger.clone();
    let mut blocks = Vec::new();
    for _ in 0..BLOCKS {
        let body = world.uniform_payments(BLOCK_PAYMENTS);
        let bytes = body.to_bytes();
        let executed = world.ledger.execute(&body, Body::root_of_bytes(&bytes));
        blocks.push((bytes, executed.header));
    }
    drop(world);
    let mut spent = Duration::ZERO;
    for (bytes, header) in &blocks {
        let start = Instant::now();
        let holds = audit(&mut auditor, bytes, header);
        spent += start.elapsed();
        assert!(black_box(holds), "block {} of an honest chain", header.height);
    }
    Figures::from([("audited_per_second".to_owned(), rate(BLOCKS * BLOCK_PAYMENTS, spent))])
}

fn audit(ledger: &mut Ledger, bytes: &[u8], expected: &Header) -> bool {
    let Ok(body) = decode_exact::<Body>(bytes) else { return false };
    let cluster = *ledger.cluster();
    let is_good = |batch: &Batch| ledger.admit_batch(batch).is_ok() && batch.is_signed(&cluster);
    body.batches.iter().all(is_good)
        && ledger.execute(&body, Body::root_of_bytes(bytes)).header == *expected
}
