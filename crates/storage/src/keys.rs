//! The layout of the database's keys. They are big-endian, so that they sort as
//! their numbers do, and every one begins with the chain.

use tributary_ledger::page::PageKey;
use tributary_replica::store::StorageFault;
use tributary_types::{BlockHeight, ChainId};

use crate::fault::corrupt;

/// Bytes of the key of something at a height.
pub(crate) const HEIGHT_KEY_BYTES: usize = 10;
/// Bytes of the key of a page.
pub(crate) const PAGE_KEY_BYTES: usize = 7;

/// The key of something at a height.
pub(crate) fn height_key(chain: ChainId, height: BlockHeight) -> [u8; HEIGHT_KEY_BYTES] {
    let mut key = [0; HEIGHT_KEY_BYTES];
    key[..2].copy_from_slice(&chain_start(chain));
    key[2..].copy_from_slice(&height.get().to_be_bytes());
    key
}

/// The height in such a key.
pub(crate) fn height_of(key: &[u8]) -> Result<BlockHeight, StorageFault> {
    match <[u8; HEIGHT_KEY_BYTES]>::try_from(key) {
        Ok([_, _, height @ ..]) => Ok(BlockHeight::new(u64::from_be_bytes(height))),
        Err(_) => Err(corrupt(format!("key {key:02x?}"), "not a chain and a height")),
    }
}

/// What names a page of a chain in its checksum; its key in format 1.
pub(crate) fn page_key(chain: ChainId, page: PageKey) -> [u8; PAGE_KEY_BYTES] {
    let mut key = [0; PAGE_KEY_BYTES];
    key[..2].copy_from_slice(&chain_start(chain));
    key[2] = page.section;
    key[3..].copy_from_slice(&page.number.to_be_bytes());
    key
}

/// The page in such a key.
pub(crate) fn page_of(key: &[u8]) -> Result<PageKey, StorageFault> {
    match <[u8; PAGE_KEY_BYTES]>::try_from(key) {
        Ok([_, _, section, number @ ..]) => {
            Ok(PageKey { section, number: u32::from_be_bytes(number) })
        }
        Err(_) => Err(corrupt(format!("key {key:02x?}"), "not a chain and a page")),
    }
}

/// Before all keys of a chain; the key of its checkpoint.
pub(crate) fn chain_start(chain: ChainId) -> [u8; 2] {
    chain.get().to_be_bytes()
}

/// After all keys of a chain: one byte longer than the longest and all ones.
pub(crate) fn chain_end(chain: ChainId) -> [u8; HEIGHT_KEY_BYTES + 1] {
    let mut end = [0xff; HEIGHT_KEY_BYTES + 1];
    end[..2].copy_from_slice(&chain_start(chain));
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_sort_by_chain_then_height_and_stay_inside_their_chain() {
        let key = |chain, height| height_key(ChainId::new(chain), BlockHeight::new(height));
        assert!(key(1, u64::MAX) < key(2, 0));
        assert!(key(1, 255) < key(1, 256));
        for chain in [0, 1, u16::MAX].map(ChainId::new) {
            assert!(chain_start(chain)[..] < height_key(chain, BlockHeight::new(0))[..]);
            assert!(height_key(chain, BlockHeight::new(u64::MAX))[..] < chain_end(chain)[..]);
        }
        assert_eq!(height_of(&key(3, 77)).unwrap(), BlockHeight::new(77));
    }

    #[test]
    fn a_key_of_another_length_is_named() {
        let page = PageKey { section: 4, number: 70_000 };
        let key = page_key(ChainId::new(3), page);
        assert_eq!(page_of(&key).unwrap(), page);
        assert!(page_of(&key[..6]).unwrap_err().to_string().contains("not a chain and a page"));
        assert!(height_of(&key).unwrap_err().to_string().contains("not a chain and a height"));
    }
}
