//! The archive on RocksDB: blocks and certificates by height.
//!
//! Header and rest of a block are apart, so that a search by time reads no
//! bodies. What an executed block is large by stands in a file beside RocksDB
//! (`body_files.rs`), which has its place then. Blocks become durable with the next
//! checkpoint; certificates go through the write-ahead log (see
//! [`database`](crate::database) for why).

use std::ops::RangeInclusive;

use bytes::Bytes;
use rocksdb::{Direction, WriteBatch};
use tributary_chain::{Certificate, Header};
use tributary_replica::store::{BlockStore, StorageFault, StoredBlock};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{BlockHeight, ChainId, TimeMs};

use crate::body_files::SettledChains;
use crate::database::{Database, Scan, WriteAhead};
use crate::family::Family;
use crate::fault::{corrupt, undecodable};
use crate::keys::{height_key, height_of};
use crate::search::{self, GapSearch};
use crate::values;

/// The archive of all chains of a process.
#[derive(Clone)]
pub struct RocksBlocks {
    database: Database,
}

impl RocksBlocks {
    pub(crate) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Forgets the blocks that may have lost their bodies: those above the last
    /// checkpoint of chains that have body files. They are executed again.
    pub(crate) fn forget_unsettled(&self, settled: SettledChains) -> Result<(), StorageFault> {
        let mut batch = WriteBatch::default();
        for chain in self.database.bodies().chains()? {
            let height = settled.get(&chain).map(|settled| settled.height).unwrap_or_default();
            let start = height_key(chain, height.next());
            for family in Family::OF_BLOCKS {
                self.database.remove_from(&mut batch, family, chain, &start);
            }
        }
        self.database.write("forget blocks", batch, WriteAhead::No)?;
        self.database.bodies().resume(settled)
    }

    /// The first certified header from `height` on in a direction.
    fn certified(
        &self,
        chain: ChainId,
        height: BlockHeight,
        direction: Direction,
    ) -> Result<Option<(Header, Certificate)>, StorageFault> {
        let (mut found, start) = (None, height_key(chain, height));
        self.database.scan(Family::Certificates, chain, &start, direction, |key, bytes| {
            found = Some(decode_certified(key, bytes)?);
            Ok(Scan::Stop)
        })?;
        Ok(found)
    }
}

impl BlockStore for RocksBlocks {
    fn put_blocks(&self, blocks: &[StoredBlock]) -> Result<(), StorageFault> {
        let database = &self.database;
        let places = database.bodies().append(blocks)?;
        let mut batch = WriteBatch::default();
        for (block, place) in blocks.iter().zip(places) {
            let key = height_key(block.header.chain, block.header.height);
            database.put(&mut batch, Family::Headers, &key, |out| block.header.encode(out));
            match place {
                Some(place) => {
                    database.put(&mut batch, Family::Places, &key, |out| place.encode(out));
                }
                None => database.put(&mut batch, Family::Blocks, &key, |out| {
                    values::put_parts(&block.body, &block.outcomes, out);
                }),
            }
        }
        database.write("put blocks", batch, WriteAhead::No)
    }

    fn put_certificate(
        &self,
        header: &Header,
        certificate: &Certificate,
    ) -> Result<(), StorageFault> {
        let mut batch = WriteBatch::default();
        let key = height_key(header.chain, header.height);
        self.database.put(&mut batch, Family::Certificates, &key, |out| {
            header.encode(out);
            certificate.encode(out);
        });
        self.database.write("put a certificate", batch, WriteAhead::Yes)
    }

    fn block(
        &self,
        chain: ChainId,
        height: BlockHeight,
    ) -> Result<Option<StoredBlock>, StorageFault> {
        let Some(header) = self.header(chain, height)? else { return Ok(None) };
        let key = height_key(chain, height);
        let place = self.database.get(Family::Places, &key, |bytes| {
            decode_exact(bytes).map_err(|error| undecodable(Family::Places.describe(&key), &error))
        })?;
        let found = match place {
            Some(place) => Some(self.database.bodies().read(&header, &place)?),
            None => self.database.get(Family::Blocks, &key, |bytes| {
                let parts = values::parts(bytes);
                let (body, outcomes) =
                    parts.map_err(|error| undecodable(Family::Blocks.describe(&key), &error))?;
                Ok((Bytes::copy_from_slice(body), Bytes::copy_from_slice(outcomes)))
            })?,
        };
        let (body, outcomes) = found.ok_or_else(|| {
            corrupt(Family::Blocks.describe(&key), "missing, though its header is here")
        })?;
        Ok(Some(StoredBlock { header, body, outcomes }))
    }

    fn header(&self, chain: ChainId, height: BlockHeight) -> Result<Option<Header>, StorageFault> {
        let key = height_key(chain, height);
        self.database.get(Family::Headers, &key, |bytes| decode_header(&key, bytes))
    }

    fn certificate_from(
        &self,
        chain: ChainId,
        height: BlockHeight,
    ) -> Result<Option<(Header, Certificate)>, StorageFault> {
        self.certified(chain, height, Direction::Forward)
    }

    fn last_certificate(
        &self,
        chain: ChainId,
    ) -> Result<Option<(Header, Certificate)>, StorageFault> {
        self.certified(chain, BlockHeight::new(u64::MAX), Direction::Reverse)
    }

    fn first_height_from(
        &self,
        chain: ChainId,
        time: TimeMs,
        last: BlockHeight,
    ) -> Result<Option<BlockHeight>, StorageFault> {
        search::first_height_from(time, last, |height| {
            let mut found = None;
            let start = height_key(chain, height);
            self.database.scan(
                Family::Headers,
                chain,
                &start,
                Direction::Forward,
                |key, bytes| {
                    found = Some((height_of(key)?, decode_header(key, bytes)?.time));
                    Ok(Scan::Stop)
                },
            )?;
            Ok(found)
        })
    }

    fn first_gap(
        &self,
        chain: ChainId,
        within: RangeInclusive<BlockHeight>,
    ) -> Result<Option<RangeInclusive<BlockHeight>>, StorageFault> {
        let mut search = GapSearch::new(&within);
        let start = height_key(chain, *within.start());
        self.database.scan(Family::Headers, chain, &start, Direction::Forward, |key, _| {
            Ok(if search.is_over_at(height_of(key)?) { Scan::Stop } else { Scan::Continue })
        })?;
        Ok(search.gap())
    }
}

fn decode_header(key: &[u8], bytes: &[u8]) -> Result<Header, StorageFault> {
    decode_exact(bytes).map_err(|error| undecodable(Family::Headers.describe(key), &error))
}

fn decode_certified(key: &[u8], bytes: &[u8]) -> Result<(Header, Certificate), StorageFault> {
    decode_exact(bytes).map_err(|error| undecodable(Family::Certificates.describe(key), &error))
}
