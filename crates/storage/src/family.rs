//! The column families of the database.
//!
//! Bodies of blocks never change. The large ones that are not in files beside
//! RocksDB (`body_files.rs`) lie in blob files, which compaction leaves alone. That
//! writes each of their bytes once instead of three times.

use rocksdb::{BlockBasedOptions, Cache, ChecksumType, DBCompressionType, Options};

/// Values above this go to blob files, which compaction never rewrites.
const BLOB_BYTES_MIN: u64 = 4 << 10;
const BLOB_FILE_BYTES_MAX: u64 = 128 << 20;
/// LZ4's acceleration for blobs, in RocksDB's notation. Of bodies, half of which
/// is random, eight steps at once make the same size in two thirds of the time.
const BLOB_COMPRESSION: &str = "blob_compression_opts={level=-8}";

/// The column families; [`keys`](crate::keys) lays out their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// chain → the last checkpoint, with the table of its pages.
    Checkpoints,
    /// chain, height → a header; small, for searching by time.
    Headers,
    /// chain, height → body and outcomes, if they stand in no file.
    Blocks,
    /// chain → how far its body files are synced; chain, height → where in them
    /// body and outcomes of a block stand.
    Places,
    /// chain, height → a header with its certificate.
    Certificates,
    /// chain, section, number → a page of the last checkpoint; only in format 1.
    OldPages,
}

impl Family {
    /// Those of the format that is written.
    pub(crate) const ALL: [Self; 5] =
        [Self::Checkpoints, Self::Headers, Self::Blocks, Self::Places, Self::Certificates];

    /// Those that have something of each block.
    pub(crate) const OF_BLOCKS: [Self; 3] = [Self::Headers, Self::Blocks, Self::Places];

    /// Its name in RocksDB, and in faults.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Checkpoints => "checkpoints",
            Self::Headers => "headers",
            Self::Blocks => "blocks",
            Self::Places => "places",
            Self::Certificates => "certificates",
            Self::OldPages => "pages",
        }
    }

    /// Names a value in a fault.
    pub(crate) fn describe(self, key: &[u8]) -> String {
        let chain = key.get(..2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        let chain = chain.unwrap_or_default();
        let rest = key.get(2..).unwrap_or_default();
        match (self, <[u8; 8]>::try_from(rest)) {
            (Self::Headers | Self::Blocks | Self::Places | Self::Certificates, Ok(height)) => {
                format!("{} of chain {chain} at {}", self.name(), u64::from_be_bytes(height))
            }
            (Self::Checkpoints, _) => format!("checkpoint of chain {chain}"),
            _ => format!("{} of chain {chain}, key {rest:02x?}", self.name()),
        }
    }

    /// How RocksDB keeps it.
    ///
    /// # Errors
    /// RocksDB's, if it does not know an option.
    pub(crate) fn options(self, cache: &Cache) -> Result<Options, rocksdb::Error> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        // A portable build computes CRC-32C, the default, without instructions for it.
        table.set_checksum_type(ChecksumType::XXH3);
        table.set_cache_index_and_filter_blocks(true);
        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        if self == Self::Blocks {
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_BYTES_MIN);
            options.set_blob_file_size(BLOB_FILE_BYTES_MAX);
            options.set_blob_compression_type(DBCompressionType::Lz4);
            options = options.get_options_from_string(BLOB_COMPRESSION)?;
        }
        Ok(options)
    }
}
