//! The files that pages of checkpoints stand in: one for each segment (see
//! [`page_table`](crate::page_table)), written once from begin to end past the
//! page cache, and synced before any table leads to it.
//!
//! ```text
//! database/pages/CHAIN/SECTION-SEQUENCE
//! ```
//!
//! A file is the bytes of its pages, one behind the other. What is to be known
//! of them stands in the table, with a checksum for each.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use tributary_ledger::page::PAGE_BYTES_MAX;
use tributary_ledger::{Page, PageKey};
use tributary_replica::store::StorageFault;
use tributary_types::ChainId;

use crate::directory::{create_durably, sync_directory};
use crate::fault::{corrupt, io_fault, read_fault};
use crate::keys::page_key;
use crate::new_file::{FileReader, NewFile, READ_AHEAD_BYTES};
use crate::page_table::{PagePlace, Segment};
use crate::values::checksum;

/// The page files of all chains of a database.
#[derive(Debug, Clone)]
pub(crate) struct PageFiles {
    directory: PathBuf,
}

impl PageFiles {
    /// Those in a directory that is created when it is needed.
    pub(crate) const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// All segments of a chain with their size in bytes.
    pub(crate) fn list(&self, chain: ChainId) -> Result<BTreeMap<Segment, u64>, StorageFault> {
        let path = self.of_chain(chain);
        let failed = |error| io_fault(format!("list directory {}", path.display()), &error);
        create_durably(&path).map_err(failed)?;
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // Whatever else lies there is not ours.
            if let Some(segment) = entry.file_name().to_str().and_then(segment_of) {
                found.insert(segment, entry.metadata().map_err(failed)?.len());
            }
        }
        Ok(found)
    }

    /// Writes pages of one section as a segment; tells where each stands. They
    /// are durable once [`PageFiles::sync`] has returned.
    pub(crate) fn write<'a>(
        &self,
        chain: ChainId,
        segment: Segment,
        pages: impl Iterator<Item = &'a Page>,
    ) -> Result<Vec<PagePlace>, StorageFault> {
        let path = self.path(chain, segment);
        let write = || -> io::Result<Vec<PagePlace>> {
            let mut file = NewFile::create(&path)?;
            let (mut places, mut room) = (Vec::new(), Vec::new());
            for Page { key, bytes } in pages {
                let (key, bytes) = (*key, bytes.read(&mut room));
                let offset = file.append(bytes)?;
                let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
                let checksum = checksum(&page_key(chain, key), bytes);
                places.push(PagePlace {
                    key,
                    sequence: segment.sequence,
                    offset,
                    length,
                    checksum,
                });
            }
            file.finish()?;
            Ok(places)
        };
        write().map_err(|error| io_fault(format!("write {}", path.display()), &error))
    }

    /// Makes the names of a chain's segments durable.
    pub(crate) fn sync(&self, chain: ChainId) -> Result<(), StorageFault> {
        let path = self.of_chain(chain);
        sync_directory(&path)
            .map_err(|error| io_fault(format!("sync directory {}", path.display()), &error))
    }

    /// Reads and verifies pages, ascending by key.
    pub(crate) fn read(
        &self,
        chain: ChainId,
        places: impl Iterator<Item = PagePlace>,
    ) -> Result<Vec<Page>, StorageFault> {
        let mut by_segment = BTreeMap::<Segment, Vec<PagePlace>>::new();
        places.for_each(|place| by_segment.entry(place.segment()).or_default().push(place));
        let mut pages = Vec::new();
        for (segment, mut places) in by_segment {
            let path = self.path(chain, segment);
            places.sort_unstable_by_key(|place| place.offset);
            let failed = |error| read_fault(&path, &error);
            let mut file = FileReader::open(&path, READ_AHEAD_BYTES).map_err(failed)?;
            for place in places {
                if place.length as usize > PAGE_BYTES_MAX {
                    let reason = format!("{} bytes, at most {PAGE_BYTES_MAX}", place.length);
                    return Err(corrupt(describe(chain, place.key), reason));
                }
                let bytes = file.read(place.offset, place.length as usize).map_err(failed)?;
                if checksum(&page_key(chain, place.key), bytes) != place.checksum {
                    return Err(corrupt(describe(chain, place.key), "checksum does not match"));
                }
                pages.push(Page { key: place.key, bytes: bytes.to_vec().into() });
            }
        }
        pages.sort_unstable_by_key(|page| page.key);
        Ok(pages)
    }

    /// Removes segments of a chain.
    pub(crate) fn remove(
        &self,
        chain: ChainId,
        mut segments: impl Iterator<Item = Segment>,
    ) -> Result<(), StorageFault> {
        segments.try_for_each(|segment| {
            let path = self.path(chain, segment);
            fs::remove_file(&path)
                .map_err(|error| io_fault(format!("remove {}", path.display()), &error))
        })
    }

    fn of_chain(&self, chain: ChainId) -> PathBuf {
        self.directory.join(chain.to_string())
    }

    fn path(&self, chain: ChainId, Segment { section, sequence }: Segment) -> PathBuf {
        self.of_chain(chain).join(format!("{section}-{sequence}"))
    }
}

fn segment_of(name: &str) -> Option<Segment> {
    let (section, sequence) = name.split_once('-')?;
    Some(Segment { section: section.parse().ok()?, sequence: sequence.parse().ok()? })
}

fn describe(chain: ChainId, key: PageKey) -> String {
    format!("page {} of section {} of chain {chain}", key.number, key.section)
}
