//! Checkpoints on RocksDB: one record per chain, and its pages beside it.
//!
//! `save` writes record and pages as one batch and returns when that batch,
//! and every block that was put before it, is on disk: see
//! [`database`](crate::database). It holds the changed pages in memory twice
//! while it does.

use rocksdb::{Direction, WriteBatch};
use tributary_chain::Header;
use tributary_ledger::Page;
use tributary_ledger::page::PageKey;
use tributary_replica::store::{Checkpoint, CheckpointStore, StorageFault};
use tributary_types::ChainId;
use tributary_types::codec::{Decode, Encode, Reader, decode_exact};

use crate::database::{Database, Scan, WriteAhead};
use crate::family::{Family, chain_start};
use crate::fault::{corrupt, undecodable};

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
        let mut batch = WriteBatch::default();
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
        database.put(&mut batch, Family::Checkpoints, &chain_start(chain), |out| {
            checkpoint.index.encode(out);
            checkpoint.term.encode(out);
            checkpoint.header.encode(out);
        });
        let action = format!("save a checkpoint of chain {chain}");
        database.write(&action, batch, WriteAhead::No)?;
        database.flush(&action)
    }

    fn load(&self, chain: ChainId) -> Result<Option<Checkpoint>, StorageFault> {
        let key = chain_start(chain);
        let record = self.database.get(Family::Checkpoints, &key, |bytes| {
            decode_record(bytes)
                .map_err(|error| undecodable(Family::Checkpoints.describe(&key), &error))
        })?;
        let Some((index, term, header)) = record else { return Ok(None) };
        let pages = self.pages(chain)?;
        Ok(Some(Checkpoint { index, term, header, pages }))
    }
}

impl RocksCheckpoints {
    fn pages(&self, chain: ChainId) -> Result<Vec<Page>, StorageFault> {
        let mut pages = Vec::new();
        let start = chain_start(chain);
        let take = |key: &[u8], bytes: &[u8]| {
            pages.push(Page { key: parse_page_key(key)?, bytes: bytes.to_vec() });
            Ok(Scan::Continue)
        };
        self.database.scan(Family::Pages, chain, &start, Direction::Forward, take)?;
        Ok(pages)
    }
}

fn decode_record(bytes: &[u8]) -> Result<(u64, u64, Header), tributary_types::DecodeError> {
    let mut reader = Reader::new(bytes);
    let (index, term) = (u64::decode(&mut reader)?, u64::decode(&mut reader)?);
    let header = reader.take(reader.remaining(), "header")?;
    Ok((index, term, decode_exact(header)?))
}

/// Big-endian, so that pages are stored in their own order.
fn page_key(chain: ChainId, page: PageKey) -> [u8; 7] {
    let mut key = [0; 7];
    key[..2].copy_from_slice(&chain_start(chain));
    key[2] = page.section;
    key[3..].copy_from_slice(&page.number.to_be_bytes());
    key
}

fn parse_page_key(key: &[u8]) -> Result<PageKey, StorageFault> {
    match <[u8; 7]>::try_from(key) {
        Ok([_, _, section, number @ ..]) => {
            Ok(PageKey { section, number: u32::from_be_bytes(number) })
        }
        Err(_) => Err(corrupt(format!("key {key:02x?}"), "not a chain and a page")),
    }
}
