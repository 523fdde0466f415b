//! The column families of the database and the layout of their keys.
//!
//! Keys are big-endian, so that they sort as their numbers do. Bodies of blocks
//! are large and never change: they lie in blob files, which compaction leaves
//! alone. That writes each of their bytes once instead of three times.

use rocksdb::{BlockBasedOptions, Cache, DBCompressionType, Options};
use tributary_replica::store::StorageFault;
use tributary_types::{BlockHeight, ChainId};

use crate::fault::corrupt;

/// Values above this go to blob files, which compaction never rewrites.
const BLOB_BYTES_MIN: u64 = 4 << 10;
const BLOB_FILE_BYTES_MAX: u64 = 128 << 20;

/// The column families. Every key begins with the chain, big-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// chain → the last checkpoint, without its pages.
    Checkpoints,
    /// chain, section, number → a page of the last checkpoint.
    Pages,
    /// chain, height → a header; small, for searching by time.
    Headers,
    /// chain, height → body and outcomes.
    Blocks,
    /// chain, height → a header with its certificate.
    Certificates,
}

impl Family {
    pub(crate) const ALL: [Self; 5] =
        [Self::Checkpoints, Self::Pages, Self::Headers, Self::Blocks, Self::Certificates];

    /// Its name in RocksDB, and in faults.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Checkpoints => "checkpoints",
            Self::Pages => "pages",
            Self::Headers => "headers",
            Self::Blocks => "blocks",
            Self::Certificates => "certificates",
        }
    }

    /// Names a value in a fault.
    pub(crate) fn describe(self, key: &[u8]) -> String {
        let chain = key.get(..2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        let chain = chain.unwrap_or_default();
        let rest = key.get(2..).unwrap_or_default();
        match (self, <[u8; 8]>::try_from(rest)) {
            (Self::Headers | Self::Blocks | Self::Certificates, Ok(height)) => {
                format!("{} of chain {chain} at {}", self.name(), u64::from_be_bytes(height))
            }
            (Self::Checkpoints, _) => format!("checkpoint of chain {chain}"),
            _ => format!("{} of chain {chain}, key {rest:02x?}", self.name()),
        }
    }

    /// How RocksDB keeps it.
    pub(crate) fn options(self, cache: &Cache) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_cache_index_and_filter_blocks(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        if self == Self::Blocks {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_blob_file_size(BLOB_FILE_BYTES_MAX);
            options.set_blob_compression_type(DBCompressionType::Lz4);
        }
        options
    }
}

/// The key of something at a height.
pub(crate) fn height_key(chain: ChainId, height: BlockHeight) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&chain_start(chain));
    key[2..].copy_from_slice(&height.get().to_be_bytes());
    key
}

/// The height in such a key.
pub(crate) fn height_of(key: &[u8]) -> Result<BlockHeight, StorageFault> {
    let height = key.get(2..).and_then(|rest| rest.try_into().ok()).map(u64::from_be_bytes);
    height
        .map(BlockHeight::new)
        .ok_or_else(|| corrupt(format!("key {key:02x?}"), "not a chain and a height"))
}

/// Before all keys of a chain; the key of its checkpoint.
pub(crate) fn chain_start(chain: ChainId) -> [u8; 2] {
    chain.get().to_be_bytes()
}

/// After all keys of a chain: one byte longer than the longest and all ones.
pub(crate) fn chain_end(chain: ChainId) -> [u8; 11] {
    let mut end = [0xff; 11];
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
}
