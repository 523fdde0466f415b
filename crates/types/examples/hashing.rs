//! What one core hashes and copies: BLAKE3 with a domain, one input at a time
//! and several at once, and memory to memory.
//!
//! ```text
//! cargo run --release -p tributary-types --example hashing [--json]
//! ```

use std::hint::black_box;
use std::time::{Duration, Instant};

use tributary_types::Domain;

/// Bytes of one input: a payment's record, rounded up to whole blocks.
const INPUT_BYTES: usize = 128;
/// Inputs of one round: they stay in the cache.
const INPUTS: usize = 1_024;
const ROUNDS: u32 = 500;
/// Far beyond any cache.
const COPY_BYTES: usize = 256 << 20;
const COPIES: u32 = 8;

fn main() {
    let inputs: Vec<[u8; INPUT_BYTES]> =
        (0..INPUTS).map(|number| [u8::try_from(number % 251).unwrap_or(0); INPUT_BYTES]).collect();
    let hashes = f64::from(ROUNDS) * f64::from(u32::try_from(INPUTS).unwrap_or(0));
    let alone = timed(ROUNDS, || {
        for input in &inputs {
            black_box(Domain::Account.hash(input));
        }
    });
    let joined = timed(ROUNDS, || {
        black_box(Domain::Account.hash_many(inputs.iter()));
    });
    let (from, mut to) = (vec![1_u8; COPY_BYTES], vec![2_u8; COPY_BYTES]);
    let copied = timed(COPIES, || to.copy_from_slice(black_box(&from)));
    black_box(&to);
    let alone = hashes / alone.as_secs_f64();
    let joined = hashes / joined.as_secs_f64();
    // Each byte is read once and written once.
    let bytes = 2.0 * f64::from(COPIES) * f64::from(u32::try_from(COPY_BYTES).unwrap_or(0));
    let memory = bytes / copied.as_secs_f64();
    if std::env::args().any(|word| word == "--json") {
        println!(
            "{{\"blake3_alone_per_second\":{alone:.0},\"blake3_per_second\":{joined:.0},\
             \"memory_bytes_per_second\":{memory:.0}}}"
        );
    } else {
        println!("BLAKE3 of {INPUT_BYTES} bytes, alone: {alone:.0}/s, joined: {joined:.0}/s");
        println!("memory: {:.1} GB/s", memory / 1e9);
    }
}

fn timed(rounds: u32, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..rounds {
        work();
    }
    start.elapsed()
}
