//! What became of an id that the ledger no longer remembers.
//!
//! Ids and blocks share time order: an id executes only in a block whose time
//! lies around its own. So that window of blocks is searched, outward from the
//! id's time, where it most likely stands; blocks are decoded only where its
//! 16 bytes occur. An outcome that was pending then was decided later, in a
//! late outcome of some block behind it: those are searched forward.
//!
//! The worst case is an id that the chain knows nothing of: nothing ends its
//! search before the window does. Blocks whose ids are known to be of other
//! times ([`crate::archive::id_times`]) are passed over without being read. The
//! first search of a window after a restart knows no times and reads it all: 11
//! minutes of 10,000 payments a second are 1 GiB, about 3 s at the 350 MiB/s
//! that storage's example `archive` measures. What a search has read it notes,
//! so one that is given up is shorter when it is asked for again.

use memchr::memmem::Finder;
use tributary_ledger::is_remembered;
use tributary_replica::store::StoredBlock;
use tributary_types::{BlockHeight, OutcomeCode, PaymentId, Position, TimeMs};

use crate::archive::block::Block;
use crate::archive::blocks::BlockReader;
use crate::archive::history::ReadError;
use crate::archive::id_times::IdTimes;

/// Heights behind a pending payment that are gone through at a time.
const CANDIDATES_MAX: u64 = 4_096;

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
    finder: Finder<'static>,
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
    pub fn new(reader: &'a BlockReader, id: PaymentId, is_wanted: &'a dyn Fn() -> bool) -> Self {
        let finder = Finder::new(&id.to_be_bytes()).into_owned();
        Self { reader, id, finder, is_wanted }
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

    /// Outward from the id's own time.
    fn first_outcome(&self, window: IdWindow, last: BlockHeight) -> Result<Option<Hit>, ReadError> {
        let time = self.id.time();
        let from = |time| self.reader.first_height_from(time, last);
        let window_start = time.minus_ms(window.ahead_ms);
        let Some(low) = from(window_start)? else {
            self.require_before(last.next(), window_start)?;
            return Ok(None);
        };
        self.require_before(low, window_start)?;
        let middle = from(time)?.unwrap_or(last.next());
        let end = from(time.plus_ms(window.back_ms.saturating_add(1)))?;
        let mut candidates = self.reader.candidates(low..end.unwrap_or(last.next()), &self.id);
        candidates.sort_unstable_by_key(|height| height.get().abs_diff(middle.get()));
        for height in candidates {
            if let Some(hit) = self.look(height)? {
                return Ok(Some(hit));
            }
        }
        Ok(None)
    }

    /// The late outcome that decided a pending payment, if one did by `last`.
    fn decided_after(
        &self,
        pending: BlockHeight,
        last: BlockHeight,
    ) -> Result<Option<Hit>, ReadError> {
        let mut next = pending;
        while next <= last {
            let end = BlockHeight::new(next.get().saturating_add(CANDIDATES_MAX)).min(last.next());
            for height in self.reader.candidates(next..end, &self.id) {
                let hit = self.look(height)?;
                if let Some(hit) = hit.filter(|hit| !hit.code.is_pending()) {
                    return Ok(Some(hit));
                }
            }
            next = end;
        }
        Ok(None)
    }

    /// A replica that was carried over blocks by a snapshot lacks them until they
    /// are fetched: there, "not found" would mean nothing. So the block below
    /// the window must be here, and be of a time before it; if it is of a later
    /// one, it has come since the window was looked for.
    fn require_before(&self, height: BlockHeight, time: TimeMs) -> Result<(), ReadError> {
        let below = BlockHeight::new(height.get().saturating_sub(1));
        if below == BlockHeight::new(0) || self.stored(below)?.header.time < time {
            return Ok(());
        }
        Err(ReadError::Missing { chain: self.reader.chain(), height: below })
    }

    fn look(&self, height: BlockHeight) -> Result<Option<Hit>, ReadError> {
        let stored = self.stored(height)?;
        let occurs = self.finder.find(&stored.body).is_some()
            || self.finder.find(&stored.outcomes).is_some();
        let block = Block::decode(&stored)?;
        self.reader.note_ids(height, IdTimes::of(&block));
        Ok(if occurs { self.hit_in(&block) } else { None })
    }

    fn stored(&self, height: BlockHeight) -> Result<StoredBlock, ReadError> {
        if !(self.is_wanted)() {
            return Err(ReadError::Abandoned);
        }
        let missing = ReadError::Missing { chain: self.reader.chain(), height };
        self.reader.stored(height)?.ok_or(missing)
    }

    /// The last outcome in a block that the id was used up by.
    fn hit_in(&self, block: &Block) -> Option<Hit> {
        let hits = block.outcomes_of(&self.id).filter_map(|(index, receipt)| {
            Some(Hit { position: block.position(index)?, code: receipt.code })
        });
        hits.filter(|hit| is_remembered(hit.code)).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::block::samples::{committed, pending, replica_with, stored_block};
    use tributary_types::OutcomeCode as Code;
    use tributary_wire::node::ArchivedBlock;

    const WINDOW: IdWindow = IdWindow { back_ms: 100, ahead_ms: 20 };

    fn find(reader: &BlockReader, id: PaymentId, last: u64) -> Result<Option<Position>, ReadError> {
        Search::new(reader, id, &|| true).run(WINDOW, BlockHeight::new(last))
    }

    fn position(height: u64, index: u32) -> Option<Position> {
        Position::new(BlockHeight::new(height), index)
    }

    #[test]
    fn an_id_is_found_at_every_distance_within_its_window_and_not_beyond() {
        let id = |time| PaymentId::new(TimeMs::new(time), [7; 10]);
        for block_time in [1_000, 1_040, 1_100] {
            let blocks: Vec<_> = (1..=20)
                .map(|height| {
                    let time = 900 + height * 20;
                    let ours = time == block_time;
                    let payments = if ours { vec![committed(id(1_000))] } else { vec![] };
                    stored_block(height, time, payments, vec![])
                })
                .collect();
            let expected = position((block_time - 900) / 20, 0);
            let reader = replica_with(&blocks);
            assert_eq!(find(&reader, id(1_000), 20).unwrap(), expected, "{block_time}");
            assert_eq!(find(&reader, id(600), 20).unwrap(), None);
        }
    }

    #[test]
    fn attempts_that_do_not_use_the_id_up_are_passed_over() {
        let id = PaymentId::new(TimeMs::new(1_000), [7; 10]);
        let blocks = [
            stored_block(1, 985, vec![(id, Code::FromFuture)], vec![]),
            stored_block(2, 1_000, vec![(id, Code::Unauthorized)], vec![]),
            stored_block(3, 1_050, vec![committed(id)], vec![]),
            stored_block(4, 1_060, vec![(id, Code::IdReused)], vec![]),
        ];
        assert_eq!(find(&replica_with(&blocks), id, 4).unwrap(), position(3, 0));
    }

    #[test]
    fn a_pending_payment_is_followed_to_what_decided_it_however_late() {
        let id = PaymentId::new(TimeMs::new(1_000), [7; 10]);
        let other = PaymentId::new(TimeMs::new(1_000), [8; 10]);
        let mut blocks = vec![stored_block(1, 1_000, vec![pending(id)], vec![])];
        assert_eq!(find(&replica_with(&blocks), id, 1).unwrap(), position(1, 0));
        for height in 2..=9 {
            blocks.push(stored_block(height, 5_000 + height, vec![committed(other)], vec![]));
        }
        blocks.push(stored_block(10, 9_000, vec![committed(other)], vec![(id, Code::Committed)]));
        assert_eq!(find(&replica_with(&blocks), id, 10).unwrap(), position(10, 1));
    }

    #[test]
    fn a_replica_without_the_blocks_of_the_window_says_so() {
        let id = PaymentId::new(TimeMs::new(1_000), [7; 10]);
        let reader = replica_with(&[stored_block(50, 9_000, vec![], vec![])]);
        assert!(matches!(find(&reader, id, 50), Err(ReadError::Missing { .. })));
        assert!(matches!(find(&replica_with(&[]), id, 50), Err(ReadError::Missing { .. })));
    }

    /// The blocks around the id are fetched right after the window was looked
    /// for, when what is above them seemed to be its beginning.
    #[test]
    fn blocks_that_come_during_a_search_do_not_make_it_overlook_any() {
        let id = PaymentId::new(TimeMs::new(1_000), [7; 10]);
        let block = |height: u64| {
            let payments = if height == 10 { vec![committed(id)] } else { vec![] };
            stored_block(height, 900 + 10 * height, payments, vec![])
        };
        let reader = replica_with(&(1..=5).chain(12..=20).map(block).collect::<Vec<_>>());
        let fetched: Vec<_> = (6..=11)
            .map(|height| {
                let StoredBlock { header, body, outcomes } = block(height);
                let (body, outcomes) = (body.into(), outcomes.into());
                ArchivedBlock { header, body, outcomes, certificate: None }
            })
            .collect();
        let come = || {
            reader.put_fetched(&fetched).unwrap();
            true
        };
        let during = Search::new(&reader, id, &come).run(WINDOW, BlockHeight::new(20));
        assert!(matches!(during, Err(ReadError::Missing { .. })), "{during:?}");
        assert_eq!(find(&reader, id, 20).unwrap(), position(10, 0));
    }

    #[test]
    fn blocks_whose_ids_are_of_other_times_are_read_once() {
        let id = |time| PaymentId::new(TimeMs::new(time), [7; 10]);
        let block = |height| {
            let time = 900 + height * 10;
            stored_block(height, time, vec![committed(id(time)), committed(id(time - 5))], vec![])
        };
        let reader = replica_with(&(1..=20).map(block).collect::<Vec<_>>());
        let reads = std::cell::Cell::new(0);
        let counted = || {
            reads.set(reads.get() + 1);
            true
        };
        let find = |id: PaymentId| {
            reads.set(0);
            let search = Search::new(&reader, id, &counted);
            let found = search.run(WINDOW, BlockHeight::new(20)).unwrap();
            (found, reads.get())
        };
        let unknown = PaymentId::new(TimeMs::new(997), [8; 10]);
        assert_eq!(find(unknown), (None, 13), "the window and the block before it");
        assert_eq!(find(unknown), (None, 2), "that before it, and the one with such ids");
        assert_eq!(find(id(1_000)).0, position(10, 0));
    }

    #[test]
    fn nobody_searches_for_a_caller_who_has_left() {
        let id = PaymentId::new(TimeMs::new(1_000), [7; 10]);
        let reader = replica_with(&[stored_block(1, 1_000, vec![], vec![])]);
        let search = Search::new(&reader, id, &|| false);
        let result = search.run(WINDOW, BlockHeight::new(1));
        assert!(matches!(result, Err(ReadError::Abandoned)));
    }
}
