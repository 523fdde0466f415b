//! Reading blocks and certificates of one chain, those just executed included.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tributary_chain::{Certificate, Header};
use tributary_replica::ExecutedBlock;
use tributary_replica::store::{BlockStore, StorageFault, StoredBlock};
use tributary_types::{BlockHeight, ChainId, Encode as _, PaymentId, TimeMs};
use tributary_wire::node::ArchivedBlock;

use crate::archive::block::Block;
use crate::archive::cache::BlockCache;
use crate::archive::id_times::{IdTimes, KnownTimes};
use crate::archive::verify;

/// One chain's readers share one of these. Blocks appear in it when they are
/// executed, leave [`Waiting`] when the archive has them, and are bounded
/// there by the archive's queue.
pub struct BlockReader {
    chain: ChainId,
    store: Arc<dyn BlockStore>,
    waiting: Mutex<Waiting>,
    cache: Mutex<BlockCache>,
    id_times: Mutex<KnownTimes>,
}

#[derive(Default)]
struct Waiting {
    blocks: BTreeMap<BlockHeight, Arc<ExecutedBlock>>,
    certificates: BTreeMap<BlockHeight, (Header, Certificate)>,
}

impl std::fmt::Debug for BlockReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlockReader(chain {})", self.chain)
    }
}

impl BlockReader {
    /// Reads a chain's blocks from `store`.
    #[must_use]
    pub fn new(chain: ChainId, store: Arc<dyn BlockStore>, cached_payments_max: usize) -> Self {
        let cache = Mutex::new(BlockCache::new(cached_payments_max));
        Self { chain, store, waiting: Mutex::default(), cache, id_times: Mutex::default() }
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> ChainId {
        self.chain
    }

    /// A block was executed and will be put.
    pub fn block_is_executed(&self, block: Arc<ExecutedBlock>) {
        self.waiting().blocks.insert(block.header.height, block);
    }

    /// A header was certified and its certificate will be put.
    pub fn header_is_certified(&self, header: Header, certificate: Certificate) {
        self.waiting().certificates.insert(header.height, (header, certificate));
    }

    /// The block was put.
    pub fn block_is_stored(&self, height: BlockHeight) {
        self.waiting().blocks.remove(&height);
    }

    /// The certificate was put.
    pub fn certificate_is_stored(&self, height: BlockHeight) {
        self.waiting().certificates.remove(&height);
    }

    /// Remembers how old the ids of the block at a height are.
    pub fn note_ids(&self, height: BlockHeight, times: IdTimes) {
        lock(&self.id_times).note(height, times);
    }

    /// The heights among these whose blocks can hold an outcome of `id`, as far
    /// as is known without reading them, ascending.
    pub fn candidates(&self, within: Range<BlockHeight>, id: &PaymentId) -> Vec<BlockHeight> {
        lock(&self.id_times).candidates(within, id)
    }

    /// The decoded block at a height, if this replica has it. One that a
    /// snapshot carried over blocks lacks them until they are fetched.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn block(&self, height: BlockHeight) -> Result<Option<Arc<Block>>, StorageFault> {
        if let Some(block) = lock(&self.cache).get(height) {
            return Ok(Some(block));
        }
        let Some(stored) = self.stored(height)? else { return Ok(None) };
        let block = Arc::new(Block::decode(&stored)?);
        lock(&self.cache).put(block.clone());
        Ok(Some(block))
    }

    /// The bytes of the block at a height, undecoded, past the cache: for
    /// scans that look at many blocks once.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn stored(&self, height: BlockHeight) -> Result<Option<StoredBlock>, StorageFault> {
        let waiting = self.waiting().blocks.get(&height).cloned();
        match waiting {
            Some(block) => Ok(Some(StoredBlock {
                header: block.header.clone(),
                body: block.body.clone(),
                outcomes: block.outcomes.to_bytes().into(),
            })),
            // It may have been put between the two looks, never the reverse.
            None => self.store.block(self.chain, height),
        }
    }

    /// The header at a height, if this replica has it.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn header(&self, height: BlockHeight) -> Result<Option<Header>, StorageFault> {
        let waiting = self.waiting().blocks.get(&height).map(|block| block.header.clone());
        match waiting {
            Some(header) => Ok(Some(header)),
            None => self.store.header(self.chain, height),
        }
    }

    /// The lowest certified header at `height` or above that is known here.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn certificate_from(
        &self,
        height: BlockHeight,
    ) -> Result<Option<(Header, Certificate)>, StorageFault> {
        let waiting = self.waiting().certificates.range(height..).next().map(|(_, it)| it.clone());
        // It may have been put between the two looks, never the reverse.
        let stored = self.store.certificate_from(self.chain, height)?;
        let found = waiting.into_iter().chain(stored);
        Ok(found.min_by_key(|(header, _)| header.height))
    }

    /// The lowest height up to `last` whose block time is at least `time`.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn first_height_from(
        &self,
        time: TimeMs,
        last: BlockHeight,
    ) -> Result<Option<BlockHeight>, StorageFault> {
        let waiting: Vec<_> = {
            let waiting = self.waiting();
            waiting.blocks.values().map(|block| (block.header.height, block.header.time)).collect()
        };
        let first_waiting = waiting.first().map_or(last.next(), |(height, _)| *height);
        let stored_last =
            BlockHeight::new(first_waiting.get().min(last.next().get()).saturating_sub(1));
        let stored = self.store.first_height_from(self.chain, time, stored_last)?;
        let in_waiting = || waiting.iter().find(|(height, at)| *height <= last && *at >= time);
        Ok(stored.or_else(|| in_waiting().map(|(height, _)| *height)))
    }

    /// The lowest run of heights within `within` that have no block.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn first_gap(
        &self,
        within: RangeInclusive<BlockHeight>,
    ) -> Result<Option<RangeInclusive<BlockHeight>>, StorageFault> {
        self.store.first_gap(self.chain, within)
    }

    /// Keeps verified blocks of other replicas, with their certificates.
    ///
    /// # Errors
    /// [`StorageFault`].
    pub fn put_fetched(&self, blocks: &[ArchivedBlock]) -> Result<(), StorageFault> {
        for block in blocks {
            if let Some(certificate) = &block.certificate {
                self.store.put_certificate(&block.header, certificate)?;
            }
        }
        let stored: Vec<_> = blocks.iter().map(verify::stored).collect();
        self.store.put_blocks(&stored)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        lock(&self.waiting)
    }
}

/// What the lock guards is valid after every statement, so a panic elsewhere
/// does not spoil it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
