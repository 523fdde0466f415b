//! The bytes of a message while it is written.

use postcard::Result;
use postcard::ser_flavors::Flavor;

/// What most messages fit into: a payment, or an answer to one.
const BYTES_USUAL: usize = 256;
/// What room is left behind a long part, as a share of it: what follows one is
/// short, and must not have all that is there copied to make room.
const REST_SHARE: usize = 16;

/// Memory that grows by what comes, and a little more.
pub(crate) struct Growing(Vec<u8>);

impl Growing {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(BYTES_USUAL))
    }
}

impl Flavor for Growing {
    type Output = Vec<u8>;

    fn try_extend(&mut self, data: &[u8]) -> Result<()> {
        if data.len() > self.0.capacity() - self.0.len() {
            self.0.reserve(data.len() + data.len() / REST_SHARE);
        }
        self.0.extend_from_slice(data);
        Ok(())
    }

    fn try_push(&mut self, data: u8) -> Result<()> {
        self.0.push(data);
        Ok(())
    }

    fn finalize(self) -> Result<Vec<u8>> {
        Ok(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_follows_a_long_part_finds_room() {
        let mut growing = Growing::new();
        growing.try_push(1).unwrap();
        growing.try_extend(&[2; 100_000]).unwrap();
        let capacity = growing.0.capacity();
        growing.try_extend(&[3; 1_000]).unwrap();
        growing.try_push(4).unwrap();
        assert_eq!(growing.0.capacity(), capacity);
        let bytes = growing.finalize().unwrap();
        assert_eq!((bytes.len(), bytes[0], bytes[100_000], bytes[101_001]), (101_002, 1, 2, 4));
    }
}
