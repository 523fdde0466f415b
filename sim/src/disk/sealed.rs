//! Bytes beside their checksum, as a disk holds them.
//!
//! What was written and what is read may differ: a bit flips, or a crash tears
//! a write that was not synced. Checkers ask for what was written; a process
//! reads what is there, and hears if that is not what the checksum says.

use thiserror::Error;

use crate::prng::Prng;

/// Bytes of a checksum.
const CHECKSUM_BYTES: usize = 8;

/// Bytes that are there and wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{0} is corrupt: wrong checksum")]
pub struct Corrupt(pub &'static str);

/// See the module head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    bytes: Vec<u8>,
    /// How what is there differs from what was written.
    damage: Option<Damage>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// A bit of these bytes, or of the checksum after them.
    Flipped { byte: usize, mask: u8 },
    /// Zeros from here on, where the file was filled ahead.
    Torn { from: usize },
}

impl Sealed {
    /// Bytes with the checksum that they have; it is computed when it matters.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self { bytes, damage: None }
    }

    /// What was written, whatever is there now.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// What is there, if the checksum holds; `what` is its name.
    ///
    /// # Errors
    /// [`Corrupt`] if it does not.
    pub fn read(&self, what: &'static str) -> Result<Vec<u8>, Corrupt> {
        let mut bytes = self.bytes.clone();
        let Some(damage) = self.damage else { return Ok(bytes) };
        let mut expected = checksum(&bytes);
        match damage {
            Damage::Flipped { byte, mask } => {
                let place = bytes.iter_mut().chain(&mut expected).nth(byte);
                place.into_iter().for_each(|byte| *byte ^= mask);
            }
            Damage::Torn { from } => bytes.iter_mut().skip(from).for_each(|byte| *byte = 0),
        }
        if checksum(&bytes) == expected { Ok(bytes) } else { Err(Corrupt(what)) }
    }

    /// One bit flips.
    pub fn flip_bit(&mut self, prng: &mut Prng) {
        let byte = prng.index(self.bytes.len() + CHECKSUM_BYTES);
        self.damage = Some(Damage::Flipped { byte, mask: 1 << prng.below(8) });
    }

    /// A crash leaves the first bytes only, or all of them.
    pub fn tear(&mut self, prng: &mut Prng) {
        self.damage = Some(Damage::Torn { from: prng.index(self.bytes.len() + 1) });
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_is_noticed_and_what_was_written_is_still_known() {
        let whole = Sealed::new(vec![7; 5]);
        assert_eq!(whole.read("entry"), Ok(vec![7; 5]));
        for byte in 0..5 + CHECKSUM_BYTES {
            for bit in 0..8 {
                let damage = Some(Damage::Flipped { byte, mask: 1 << bit });
                let flipped = Sealed { damage, ..whole.clone() };
                assert_eq!(flipped.read("entry"), Err(Corrupt("entry")));
                assert_eq!(flipped.written(), [7; 5]);
            }
        }
    }

    #[test]
    fn a_torn_write_is_noticed_unless_nothing_of_it_is_missing() {
        let torn = |from| Sealed { damage: Some(Damage::Torn { from }), ..Sealed::new(vec![7; 5]) };
        assert_eq!(torn(4).read("write"), Err(Corrupt("write")));
        assert_eq!(torn(5).read("write"), Ok(vec![7; 5]));
    }
}
