//! Checkpoints: a record for each chain in RocksDB, and its pages in files
//! beside it ([ADR 0017](../../../docs/adr/0017-pages-in-files.md)).
//!
//! `save` writes the pages that changed to new files and syncs them, and the files
//! that bodies of blocks stand in; then RocksDB replaces the record, with the table of all pages, in the same atomic
//! flush that makes every block durable that was put before: see
//! [`database`](crate::database). A crash at any moment leaves the old record or
//! the new one, and all files that it leads to. Files that no record leads to
//! are removed at the end of a `save`.

use std::collections::{BTreeMap, BTreeSet};

use rocksdb::WriteBatch;
use tributary_ledger::{Page, PageKey};
use tributary_replica::store::{Checkpoint, CheckpointStore, StorageFault};
use tributary_types::ChainId;
use tributary_types::codec::{Encode, decode_exact};

use crate::body_files::{Settled, SettledChains};
use crate::database::{Database, Scan, WriteAhead};
use crate::family::Family;
use crate::fault::undecodable;
use crate::keys::chain_start;
use crate::page_files::PageFiles;
use crate::page_table::{PagePlace, PageTable, Segment, wasteful};
use crate::values::CheckpointRecord;

/// What RocksDB has of a checkpoint.
pub(crate) type Saved = (CheckpointRecord, PageTable);

/// The checkpoints of all chains of a process.
#[derive(Clone)]
pub struct Checkpoints {
    database: Database,
    files: PageFiles,
}

impl Checkpoints {
    pub(crate) const fn new(database: Database, files: PageFiles) -> Self {
        Self { database, files }
    }

    fn saved(&self, chain: ChainId) -> Result<Option<Saved>, StorageFault> {
        let key = chain_start(chain);
        self.database.get(Family::Checkpoints, &key, |bytes| {
            decode_exact(bytes)
                .map_err(|error| undecodable(Family::Checkpoints.describe(&key), &error))
        })
    }

    /// How far body files are synced, by each chain's checkpoint.
    pub(crate) fn settled(&self) -> Result<SettledChains, StorageFault> {
        let mut settled = SettledChains::new();
        self.database.scan_all(Family::Checkpoints, |key, bytes| {
            let (record, _): Saved = decode_exact(bytes)
                .map_err(|error| undecodable(Family::Checkpoints.describe(key), &error))?;
            let (chain, height) = (record.header.chain, record.header.height);
            let next = self.database.get(Family::Places, key, |bytes| {
                decode_exact(bytes)
                    .map_err(|error| undecodable(Family::Places.describe(key), &error))
            })?;
            // Without one there were no such files yet.
            settled.insert(chain, Settled { height, next: next.unwrap_or_default() });
            Ok(Scan::Continue)
        })?;
        Ok(settled)
    }

    /// Replaces a chain's checkpoint by one of this number: the pages of the one
    /// before that stay where they stand, and those that are given.
    pub(crate) fn replace(
        &self,
        chain: ChainId,
        kept: Vec<PagePlace>,
        sequence: u64,
        checkpoint: &Checkpoint,
    ) -> Result<(), StorageFault> {
        let found = self.files.list(chain)?;
        let mut live = kept.into_iter().map(|place| (place.key, place)).collect();
        self.write_pages(chain, sequence, &checkpoint.pages, &found, &mut live)?;
        let Checkpoint { index, term, ref header, .. } = *checkpoint;
        let record = CheckpointRecord { index, term, header: header.clone() };
        let table = PageTable { sequence, pages: live.into_values().collect() };
        let wanted: BTreeSet<_> = table.pages.iter().map(PagePlace::segment).collect();
        let saved: Saved = (record, table);
        let settled_next = self.database.bodies().settle(chain, header.height)?;
        let mut batch = WriteBatch::default();
        let key = chain_start(chain);
        self.database.put(&mut batch, Family::Checkpoints, &key, |out| saved.encode(out));
        self.database.put(&mut batch, Family::Places, &key, |out| settled_next.encode(out));
        let action = format!("save a checkpoint of chain {chain}");
        self.database.write(&action, batch, WriteAhead::No)?;
        self.database.flush(&action)?;
        self.files.remove(chain, found.into_keys().filter(|segment| !wanted.contains(segment)))
    }

    /// Writes what changed, and what is to be moved out of the files that were
    /// `found`, into new ones; `live` is then where all pages stand.
    fn write_pages(
        &self,
        chain: ChainId,
        sequence: u64,
        pages: &[Page],
        found: &BTreeMap<Segment, u64>,
        live: &mut BTreeMap<PageKey, PagePlace>,
    ) -> Result<(), StorageFault> {
        let mut sections = BTreeMap::<u8, Vec<&Page>>::new();
        for page in pages {
            live.remove(&page.key);
            if !page.bytes.is_empty() {
                sections.entry(page.key.section).or_default().push(page);
            }
        }
        let bytes = |pages: &[&Page]| pages.iter().map(|page| page.bytes.len() as u64).sum();
        let fresh = sections.iter().map(|(section, pages)| (*section, bytes(pages))).collect();
        let moved = wasteful(found, live, &fresh);
        let moved = live.values().filter(|place| moved.contains(&place.segment())).copied();
        let moved = self.files.read(chain, moved)?;
        for page in &moved {
            sections.entry(page.key.section).or_default().push(page);
        }
        for (section, pages) in sections {
            let segment = Segment { section, sequence };
            let places = self.files.write(chain, segment, pages.into_iter())?;
            live.extend(places.into_iter().map(|place| (place.key, place)));
        }
        self.files.sync(chain)
    }
}

impl CheckpointStore for Checkpoints {
    fn save(
        &mut self,
        chain: ChainId,
        checkpoint: &Checkpoint,
        complete: bool,
    ) -> Result<(), StorageFault> {
        let before = self.saved(chain)?.map(|(_, table)| table).unwrap_or_default();
        let kept = if complete { Vec::new() } else { before.pages };
        self.replace(chain, kept, before.sequence + 1, checkpoint)
    }

    fn load(&self, chain: ChainId) -> Result<Option<Checkpoint>, StorageFault> {
        let Some((record, table)) = self.saved(chain)? else { return Ok(None) };
        let CheckpointRecord { index, term, header } = record;
        let pages = self.files.read(chain, table.pages.into_iter())?;
        Ok(Some(Checkpoint { index, term, header, pages }))
    }
}
