//! What became of an id that the ledger no longer remembers.
//!
//! Ids and blocks share time order: an id executes only in a block whose time
//! lies around its own. So that window of blocks is searched, outward from the
//! id's time, where it most likely stands; blocks are decoded only where its
//! 16 bytes occur. An outcome that was pending then was decided later, in a
//! late outcome of some block behind it: those are searched forward.

use memchr::memmem::Finder;
use tributary_replica::store::StoredBlock;
use tributary_types::{BlockHeight, OutcomeCode, PaymentId, Position};

use crate::archive::block::Block;
use crate::archive::blocks::BlockReader;
use crate::archive::history::ReadError;

/// How far an id's time may lie from the time of the block that executes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdWindow {
    /// Behind block time, in milliseconds.
    pub back_ms: u64,
    /// Ahead of block time, in milliseconds.
    pub ahead_ms: u64,
}

/// One search. `is_wanted` is asked between blocks, so that nobody searches
/// for a caller who has left.
pub struct Search<'a> {
    reader: &'a BlockReader,
    id: PaymentId,
    finder: Finder<'a>,
    is_wanted: &'a dyn Fn() -> bool,
}

/// What one block says about the id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Hit {
    position: Position,
    code: OutcomeCode,
}

impl<'a> Search<'a> {
    /// A search for `id`.
    #[must_use]
    pub fn new(
        reader: &'a BlockReader,
        id: &'a PaymentId,
        is_wanted: &'a dyn Fn() -> bool,
    ) -> Self {
        Self { reader, id: *id, finder: Finder::new(id.as_bytes()), is_wanted }
    }

    /// The latest outcome of the id in blocks up to `last`, if it has any.
    ///
    /// # Errors
    /// [`ReadError`]; also [`ReadError::Abandoned`].
    pub fn run(&self, window: IdWindow, last: BlockHeight) -> Result<Option<Position>, ReadError> {
        let Some(first) = self.first_outcome(window, last)? else { return Ok(None) };
        if !first.code.is_pending() {
            return Ok(Some(first.position));
        }
        let decided = self.decided_after(first.position.height(), last)?;
        Ok(Some(decided.unwrap_or(first).position))
    }

    /// Outward from the id's own time. An attempt that was refused because of
    /// the id itself is the outcome only if there is no other.
    fn first_outcome(&self, window: IdWindow, last: BlockHeight) -> Result<Option<Hit>, ReadError> {
        let time = self.id.time();
        let from = |time| self.reader.first_height_from(time, last);
        let Some(low) = from(time.minus_ms(window.ahead_ms))? else { return Ok(None) };
        let middle = from(time)?.unwrap_or(last.next()).get();
        let end = from(time.plus_ms(window.back_ms.saturating_add(1)))?;
        let end = end.unwrap_or(last.next()).get();
        let (mut down, mut up) = (middle, middle);
        let mut weak: Option<Hit> = None;
        while down > low.get() || up < end {
            let above = (up < end).then_some(up);
            let below = (down > low.get()).then(|| down - 1);
            for height in [above, below].into_iter().flatten() {
                match self.look(BlockHeight::new(height))? {
                    Some(hit) if is_decisive(hit.code) => return Ok(Some(hit)),
                    Some(hit) => weak = weak.filter(|w| w.position > hit.position).or(Some(hit)),
                    None => {}
                }
            }
            up = end.min(up + 1);
            down = low.get().max(down.saturating_sub(1));
        }
        Ok(weak)
    }

    /// The late outcome that decided a pending payment, if one did by `last`.
    fn decided_after(
        &self,
        pending: BlockHeight,
        last: BlockHeight,
    ) -> Result<Option<Hit>, ReadError> {
        for height in pending.get()..=last.get() {
            let stored = self.stored(BlockHeight::new(height))?;
            if self.finder.find(&stored.outcomes).is_none() {
                continue;
            }
            let hit = self.hit_in(&Block::decode(&stored)?);
            if let Some(hit) = hit.filter(|hit| !hit.code.is_pending()) {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    fn look(&self, height: BlockHeight) -> Result<Option<Hit>, ReadError> {
        let stored = self.stored(height)?;
        let occurs = self.finder.find(&stored.body).is_some()
            || self.finder.find(&stored.outcomes).is_some();
        if !occurs {
            return Ok(None);
        }
        Ok(self.hit_in(&Block::decode(&stored)?))
    }

    fn stored(&self, height: BlockHeight) -> Result<StoredBlock, ReadError> {
        if !(self.is_wanted)() {
            return Err(ReadError::Abandoned);
        }
        let missing = ReadError::Missing { chain: self.reader.chain(), height };
        self.reader.stored(height)?.ok_or(missing)
    }

    /// The last decisive outcome of the id in a block, else the last one.
    fn hit_in(&self, block: &Block) -> Option<Hit> {
        let hits = block.outcomes_of(&self.id).filter_map(|(index, receipt)| {
            Some(Hit { position: block.position(index)?, code: receipt.code })
        });
        let hits: Vec<_> = hits.collect();
        let decisive = hits.iter().rfind(|hit| is_decisive(hit.code));
        decisive.or(hits.last()).copied()
    }
}

/// Whether an outcome uses its id up. The others say only that this attempt
/// was none: the id may have an outcome of its own.
const fn is_decisive(code: OutcomeCode) -> bool {
    !matches!(code, OutcomeCode::IdReused | OutcomeCode::Expired | OutcomeCode::FromFuture)
}
