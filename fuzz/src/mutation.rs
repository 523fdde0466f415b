//! Seeded mutations: what the smoke test feeds targets with.
//!
//! They are blind; coverage guidance is the other driver's. But they begin with
//! valid inputs and change little, so they reach far into a decoder.

use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

/// Most changes of one input.
const CHANGES_MAX: u32 = 4;
/// Numbers at which decoders take another way.
const NUMBERS: [u64; 8] =
    [0, 1, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0xffff_ffff_ffff_ffff];

/// An endless sequence of inputs, the same for the same seed and samples.
#[derive(Debug)]
pub struct Mutations {
    random: SmallRng,
    samples: Vec<Vec<u8>>,
    bytes_max: usize,
}

impl Mutations {
    /// Begins with these samples; without any, with the empty input.
    #[must_use]
    pub fn new(seed: u64, mut samples: Vec<Vec<u8>>, bytes_max: usize) -> Self {
        if samples.is_empty() {
            samples.push(Vec::new());
        }
        Self { random: SmallRng::seed_from_u64(seed), samples, bytes_max }
    }

    /// The next input.
    pub fn next_input(&mut self) -> Vec<u8> {
        let mut input = self.any_sample().clone();
        for _ in 0..self.random.random_range(1..=CHANGES_MAX) {
            self.change(&mut input);
        }
        input.truncate(self.bytes_max.max(self.samples.iter().map(Vec::len).max().unwrap_or(0)));
        input
    }

    fn any_sample(&mut self) -> &Vec<u8> {
        let number = self.random.random_range(0..self.samples.len());
        &self.samples[number]
    }

    fn change(&mut self, input: &mut Vec<u8>) {
        let at = self.random.random_range(0..=input.len());
        match self.random.random_range(0..8) {
            0 => flip(input, at, 1 << self.random.random_range(0..8)),
            1 => flip(input, at, self.random.random_range(1..=u8::MAX)),
            2 => input.insert(at, self.random.random_range(0..=u8::MAX)),
            3 => {
                let end = (at + self.random.random_range(1..=8)).min(input.len());
                input.drain(at..end);
            }
            4 => input.truncate(at),
            5 => {
                let number = NUMBERS[self.random.random_range(0..NUMBERS.len())].to_le_bytes();
                let width = [1, 2, 4, 8][self.random.random_range(0..4)];
                let end = (at + width).min(input.len());
                input[at..end].copy_from_slice(&number[..end - at]);
            }
            6 => {
                let end = (at + self.random.random_range(1..=64)).min(input.len());
                let copied = input[at..end].to_vec();
                input.splice(at..at, copied);
            }
            _ => {
                let other = self.any_sample().clone();
                let from = self.random.random_range(0..=other.len());
                input.truncate(at);
                input.extend_from_slice(&other[from..]);
            }
        }
    }
}

fn flip(input: &mut [u8], at: usize, bits: u8) {
    if let Some(byte) = input.get_mut(at) {
        *byte ^= bits;
    }
}
