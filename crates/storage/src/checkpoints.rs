//! Checkpoints on RocksDB: one record per chain, and its pages beside it.
//!
//! `save` writes record and pages as one batch and returns when that batch,
//! and every block that was put before it, is on disk: see
//! [`database`](crate::database). It holds the changed pages in memory twice
//! while it does.

use rocksdb::{Direction, WriteBatch};
use tributary_ledger::Page;
use tributary_replica::store::{Checkpoint, CheckpointStore, StorageFault};
use tributary_types::ChainId;
use tributary_types::codec::{Encode, decode_exact};

use crate::database::{Database, Scan, WriteAhead};
use crate::family::Family;
use crate::fault::undecodable;
use crate::keys::{chain_start, page_key, page_of};
use crate::values::CheckpointRecord;

/// Bytes that a page takes in a batch beside its own, about.
const PAGE_OVERHEAD_BYTES: usize = 32;
/// Bytes of a checkpoint's record in a batch, about.
const RECORD_BYTES: usize = 1 << 10;

/// The checkpoints of all chains of a process.
#[derive(Clone)]
pub struct RocksCheckpoints {
    database: Database,
}

impl RocksCheckpoints {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }
}

impl CheckpointStore for RocksCheckpoints {
    fn save(
        &mut self,
        chain: ChainId,
        checkpoint: &Checkpoint,
        complete: bool,
    ) -> Result<(), StorageFault> {
        let database = &self.database;
        let pages = checkpoint.pages.iter();
        let bytes: usize = pages.map(|page| page.bytes.len() + PAGE_OVERHEAD_BYTES).sum();
        let mut batch = WriteBatch::with_capacity_bytes(bytes + RECORD_BYTES);
        if complete {
            database.delete_chain(&mut batch, Family::Pages, chain);
        }
        for page in &checkpoint.pages {
            let key = page_key(chain, page.key);
            if page.bytes.is_empty() {
                database.delete(&mut batch, Family::Pages, &key);
            } else {
                let fill = |out: &mut Vec<u8>| out.extend_from_slice(&page.bytes);
                database.put(&mut batch, Family::Pages, &key, fill);
            }
        }
        let Checkpoint { index, term, ref header, .. } = *checkpoint;
        let record = CheckpointRecord { index, term, header: header.clone() };
        database
            .put(&mut batch, Family::Checkpoints, &chain_start(chain), |out| record.encode(out));
        let action = format!("save a checkpoint of chain {chain}");
        database.write(&action, batch, WriteAhead::No)?;
        database.flush(&action)
    }

    fn load(&self, chain: ChainId) -> Result<Option<Checkpoint>, StorageFault> {
        let key = chain_start(chain);
        let record = self.database.get(Family::Checkpoints, &key, |bytes| {
            decode_exact(bytes)
                .map_err(|error| undecodable(Family::Checkpoints.describe(&key), &error))
        })?;
        let Some(CheckpointRecord { index, term, header }) = record else { return Ok(None) };
        let pages = self.pages(chain)?;
        Ok(Some(Checkpoint { index, term, header, pages }))
    }
}

impl RocksCheckpoints {
    fn pages(&self, chain: ChainId) -> Result<Vec<Page>, StorageFault> {
        let mut pages = Vec::new();
        let start = chain_start(chain);
        let take = |key: &[u8], bytes: &[u8]| {
            pages.push(Page { key: page_of(key)?, bytes: bytes.to_vec() });
            Ok(Scan::Continue)
        };
        self.database.scan(Family::Pages, chain, &start, Direction::Forward, take)?;
        Ok(pages)
    }
}
