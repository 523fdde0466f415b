//! What an earlier version wrote becomes what this one reads, once, when a
//! database is opened.
//!
//! Format 1 had the pages of checkpoints in a column family, `pages`. They are
//! written to files, chain by chain, each in a step of its own that a crash
//! leaves done or undone; then the family goes, and last the format is noted. So
//! whoever begins again finds some chains done.
//!
//! Format 2 had no files of bodies. All of its blocks stand in RocksDB and stay there.

use rocksdb::Direction;
use tributary_ledger::Page;
use tributary_replica::store::{Checkpoint, StorageFault};
use tributary_types::ChainId;
use tributary_types::codec::decode_exact;

use crate::checkpoints::{Checkpoints, Saved};
use crate::database::{Database, Scan};
use crate::family::Family;
use crate::fault::{corrupt, undecodable};
use crate::keys::{chain_start, page_of};
use crate::values::CheckpointRecord;

/// Moves the pages of all checkpoints to files.
///
/// # Errors
/// [`StorageFault`]; nothing is lost.
pub(crate) fn pages_to_files(
    database: &Database,
    checkpoints: &Checkpoints,
) -> Result<(), StorageFault> {
    for (chain, record) in old_checkpoints(database)? {
        let CheckpointRecord { index, term, header } = record;
        let pages = old_pages(database, chain)?;
        let checkpoint = Checkpoint { index, term, header, pages };
        checkpoints.replace(chain, Vec::new(), 1, &checkpoint)?;
    }
    Ok(())
}

/// The checkpoints whose pages are not in files yet.
fn old_checkpoints(database: &Database) -> Result<Vec<(ChainId, CheckpointRecord)>, StorageFault> {
    let mut found = Vec::new();
    database.scan_all(Family::Checkpoints, |key, bytes| {
        let chain = <[u8; 2]>::try_from(key).map(u16::from_be_bytes);
        let chain = chain.map_err(|_| corrupt(format!("key {key:02x?}"), "not a chain"))?;
        if decode_exact::<Saved>(bytes).is_err() {
            let record = decode_exact(bytes)
                .map_err(|error| undecodable(Family::Checkpoints.describe(key), &error))?;
            found.push((ChainId::new(chain), record));
        }
        Ok(Scan::Continue)
    })?;
    Ok(found)
}

fn old_pages(database: &Database, chain: ChainId) -> Result<Vec<Page>, StorageFault> {
    let mut pages = Vec::new();
    let start = chain_start(chain);
    database.scan(Family::OldPages, chain, &start, Direction::Forward, |key, bytes| {
        pages.push(Page { key: page_of(key)?, bytes: bytes.to_vec().into() });
        Ok(Scan::Continue)
    })?;
    Ok(pages)
}
