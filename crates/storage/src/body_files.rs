//! The files that bodies and outcomes of blocks stand in, as they are, one behind
//! the other ([ADR 0019](../../../docs/adr/0019-bodies-in-files.md)).
//!
//! ```text
//! database/bodies/CHAIN/SEQUENCE
//! ```
//!
//! Each save of a chain's checkpoint ends the chain's file; what is put later goes
//! to the next. So a file's number says whether it was synced before the checkpoint
//! that a process starts from. What follows that one is thrown away at the start, as
//! it is executed again.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tributary_chain::Header;
use tributary_replica::store::{StorageFault, StoredBlock};
use tributary_types::{BlockHeight, ChainId, canonical};

use crate::directory::{create_durably, sync_directory};
use crate::family::Family;
use crate::fault::{corrupt, io_fault, read_fault};
use crate::keys::height_key;
use crate::new_file::{FileReader, NewFile};
use crate::values;

/// What a block must have to stand in a file, in bytes: less is put together with
/// others by RocksDB.
const BLOCK_BYTES_MIN: usize = 4 << 10;

/// Where body and outcomes of a block stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BodyPlace {
    /// Number of the file.
    sequence: u64,
    /// Where the body begins in it, in bytes. The outcomes follow it.
    offset: u64,
    body_bytes: u64,
    outcomes_bytes: u64,
    /// CRC-32C of the block's key in the database, body and outcomes.
    checksum: u32,
}
canonical!(BodyPlace {
    sequence: u64,
    offset: u64,
    body_bytes: u64,
    outcomes_bytes: u64,
    checksum: u32,
});

/// How far a chain's files are synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Settled {
    /// Height of the last checkpoint.
    pub(crate) height: BlockHeight,
    /// Number of the first file that was not synced before it.
    pub(crate) next: u64,
}

/// Those of the chains of a database.
pub(crate) type SettledChains = BTreeMap<ChainId, Settled>;

/// The body files of all chains of a database.
pub(crate) struct BodyFiles {
    directory: PathBuf,
    chains: Mutex<BTreeMap<ChainId, ChainFiles>>,
}

#[derive(Default)]
struct ChainFiles {
    settled: Settled,
    /// Number [`Settled::next`].
    open: Option<NewFile>,
}

impl BodyFiles {
    /// Those in a directory that is created when it is needed.
    pub(crate) fn new(directory: PathBuf) -> Self {
        Self { directory, chains: Mutex::default() }
    }

    /// Chains that have files.
    pub(crate) fn chains(&self) -> Result<Vec<ChainId>, StorageFault> {
        Ok(numbers_in(&self.directory)?.into_iter().map(ChainId::new).collect())
    }

    /// Goes on from checkpoints: removes the files that were not synced before
    /// them. Nothing may lead there any more.
    pub(crate) fn resume(&self, settled: SettledChains) -> Result<(), StorageFault> {
        for chain in self.chains()? {
            let next = settled.get(&chain).map_or(0, |settled| settled.next);
            remove_from(&self.of_chain(chain), next)?;
        }
        let chains =
            settled.into_iter().map(|(chain, settled)| (chain, ChainFiles { settled, open: None }));
        *self.lock() = chains.collect();
        Ok(())
    }

    /// Appends what belongs here of these blocks; tells for each where it stands.
    /// It can be read at once, and is synced with the chain's next checkpoint.
    ///
    /// A block up to the last checkpoint is not executed again if a crash takes it,
    /// so RocksDB keeps it, which loses it together with all that leads to it.
    pub(crate) fn append(
        &self,
        blocks: &[StoredBlock],
    ) -> Result<Vec<Option<BodyPlace>>, StorageFault> {
        let mut chains = self.lock();
        let places = blocks.iter().map(|block| {
            let chain = block.header.chain;
            let files = chains.entry(chain).or_default();
            let is_small = block.body.len() + block.outcomes.len() < BLOCK_BYTES_MIN;
            if is_small || block.header.height <= files.settled.height {
                return Ok(None);
            }
            self.append_one(chain, files, block).map(Some)
        });
        let places = places.collect::<Result<_, _>>()?;
        for (chain, files) in chains.iter_mut() {
            let sequence = files.settled.next;
            if let Some(file) = &mut files.open {
                file.publish().map_err(|error| self.write_fault(*chain, sequence, &error))?;
            }
        }
        Ok(places)
    }

    fn append_one(
        &self,
        chain: ChainId,
        files: &mut ChainFiles,
        StoredBlock { header, body, outcomes }: &StoredBlock,
    ) -> Result<BodyPlace, StorageFault> {
        let sequence = files.settled.next;
        let mut append = || {
            let file = match &mut files.open {
                Some(file) => file,
                none => {
                    create_durably(&self.of_chain(chain))?;
                    none.insert(NewFile::create(&self.path(chain, sequence))?)
                }
            };
            let offset = file.append(body)?;
            file.append(outcomes)?;
            Ok(BodyPlace {
                sequence,
                offset,
                body_bytes: body.len() as u64,
                outcomes_bytes: outcomes.len() as u64,
                checksum: checksum(header, body, outcomes),
            })
        };
        append().map_err(|error| self.write_fault(chain, sequence, &error))
    }

    /// Reads and verifies body and outcomes of a block.
    pub(crate) fn read(
        &self,
        header: &Header,
        place: &BodyPlace,
    ) -> Result<(Bytes, Bytes), StorageFault> {
        let path = self.path(header.chain, place.sequence);
        let read = || -> io::Result<(Bytes, Bytes)> {
            let bytes = |length: u64| usize::try_from(length).map_err(io::Error::other);
            let body_bytes = bytes(place.body_bytes)?;
            let length = body_bytes.saturating_add(bytes(place.outcomes_bytes)?);
            let mut file = FileReader::open(&path, 0)?;
            let (body, outcomes) = file.read(place.offset, length)?.split_at(body_bytes);
            Ok((Bytes::copy_from_slice(body), Bytes::copy_from_slice(outcomes)))
        };
        let (body, outcomes) = read().map_err(|error| read_fault(&path, &error))?;
        if checksum(header, &body, &outcomes) != place.checksum {
            let key = height_key(header.chain, header.height);
            return Err(corrupt(Family::Blocks.describe(&key), "checksum does not match"));
        }
        Ok((body, outcomes))
    }

    /// Makes durable what was appended for a chain, for a checkpoint at a height;
    /// gives [`Settled::next`], which becomes durable with that checkpoint.
    pub(crate) fn settle(&self, chain: ChainId, height: BlockHeight) -> Result<u64, StorageFault> {
        let mut chains = self.lock();
        let files = chains.entry(chain).or_default();
        let sequence = files.settled.next;
        if let Some(file) = files.open.take() {
            let finished = file.finish().and_then(|()| sync_directory(&self.of_chain(chain)));
            finished.map_err(|error| self.write_fault(chain, sequence, &error))?;
            files.settled.next += 1;
        }
        files.settled.height = height;
        Ok(files.settled.next)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ChainId, ChainFiles>> {
        // A file that somebody left half appended to is as good as before.
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_chain(&self, chain: ChainId) -> PathBuf {
        self.directory.join(chain.to_string())
    }

    fn path(&self, chain: ChainId, sequence: u64) -> PathBuf {
        self.of_chain(chain).join(sequence.to_string())
    }

    fn write_fault(&self, chain: ChainId, sequence: u64, error: &io::Error) -> StorageFault {
        io_fault(format!("write {}", self.path(chain, sequence).display()), error)
    }
}

/// CRC-32C over a block's key in the database, body and outcomes.
fn checksum(header: &Header, body: &[u8], outcomes: &[u8]) -> u32 {
    let key = height_key(header.chain, header.height);
    crc32c::crc32c_append(values::checksum(&key, body), outcomes)
}

/// Removes the files of a chain from a number on.
fn remove_from(directory: &Path, next: u64) -> Result<(), StorageFault> {
    let found = numbers_in::<u64>(directory)?;
    found.into_iter().filter(|sequence| *sequence >= next).try_for_each(|sequence| {
        let path = directory.join(sequence.to_string());
        fs::remove_file(&path)
            .map_err(|error| io_fault(format!("remove {}", path.display()), &error))
    })
}

/// What is named by a number in a directory; nothing if there is none. Whatever
/// else lies there is not ours.
fn numbers_in<N: FromStr>(directory: &Path) -> Result<Vec<N>, StorageFault> {
    let list = || -> io::Result<Vec<N>> {
        let entries = match fs::read_dir(directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let names = entries.map(|entry| Ok(entry?.file_name()));
        let names = names.collect::<io::Result<Vec<_>>>()?;
        Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
    };
    list().map_err(|error| io_fault(format!("list directory {}", directory.display()), &error))
}
