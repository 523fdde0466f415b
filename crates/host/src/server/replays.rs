//! Replays are compared with what they repeat, before anybody hears of them.
//!
//! A chain remembers 56 bits of a content's hash. Whoever makes both contents finds
//! two that fit each other under one id within seconds (parallel collision search:
//! van Oorschot and Wiener, Journal of Cryptology 12, 1999). The second one never
//! executes, but its receipt in the block is a replay of the first one's. Both
//! contents stand in the archive: who submitted the second one hears `id_reused`.

use tributary_ledger::outcome::Subject;
use tributary_types::{Amount, BlockHeight, OutcomeCode, Position, Receipt};
use tributary_wire::node::{NodeError, Submitted};

use super::archive_reads::{ArchiveReads, Wanted};
use crate::archive::block::Block;
use crate::archive::blocks::BlockReader;
use crate::archive::history::{self, ReadError};
use crate::chain::ChainHandle;

/// One item of a batch and what its receipt says that it repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Replay {
    /// Where the outcome stands that it repeats.
    first: Position,
    /// Index of its own in the batch's block.
    own: u32,
    /// Which receipt of the batch that is.
    receipt: usize,
}

/// The outcome of a batch, with `id_reused` for every replay of other content.
///
/// # Errors
/// [`NodeError::OutcomeUnknown`] if the blocks cannot be read: the batch has been
/// executed, and the same one again finds out.
pub async fn compare(
    reads: &ArchiveReads,
    chain: &ChainHandle,
    mut submitted: Submitted,
) -> Result<Submitted, NodeError> {
    let replays = replays_of(&submitted);
    if replays.is_empty() {
        return Ok(submitted);
    }
    let (reader, height) = (chain.reader.clone(), submitted.height);
    let read = move |wanted: &Wanted| of_other_content(&reader, height, &replays, wanted);
    let other = reads.run(chain, read).await.map_err(|error| {
        tracing::warn!(chain = %chain.chain, "replays were not compared: {error}");
        NodeError::OutcomeUnknown
    })?;
    for receipt in other {
        submitted.receipts[receipt] = Receipt::refused(OutcomeCode::IdReused, Amount::ZERO);
    }
    Ok(submitted)
}

/// In the order of what they repeat, so that each block is read once.
fn replays_of(submitted: &Submitted) -> Vec<Replay> {
    let receipts = (submitted.first_index..).zip(&submitted.receipts).enumerate();
    let replays = receipts.filter_map(|(receipt, (own, it))| {
        let first = it.first()?;
        Some(Replay { first, own, receipt })
    });
    let mut replays: Vec<_> = replays.collect();
    replays.sort_unstable();
    replays
}

/// The receipts of those replays of the block at `height` that repeat something else.
fn of_other_content(
    reader: &BlockReader,
    height: BlockHeight,
    replays: &[Replay],
    wanted: &Wanted,
) -> Result<Vec<usize>, ReadError> {
    let own = history::block(reader, height)?;
    let mut other = Vec::new();
    for of_block in replays.chunk_by(|a, b| a.first.height() == b.first.height()) {
        if !wanted.is_wanted() {
            return Err(ReadError::Abandoned);
        }
        let block = history::block(reader, of_block[0].first.height())?;
        for replay in of_block {
            let repeated = subject(&block, replay.first.index());
            if repeated.is_none() || repeated != subject(&own, replay.own) {
                other.push(replay.receipt);
            }
        }
    }
    Ok(other)
}

/// What an outcome is of; `None` if the block has none at that index.
fn subject(block: &Block, index: u32) -> Option<Subject<'_>> {
    block.outcome(index).map(|(subject, _)| subject)
}

#[cfg(test)]
mod tests {
    use tributary_types::payment::Payment;
    use tributary_types::{ChainId, PaymentId, TimeMs};

    use super::*;
    use crate::archive::block::samples::{
        committed, payment, replica_with, stored_block, stored_block_of,
    };

    /// Height of the block of the batch.
    const OWN: BlockHeight = BlockHeight::new(5);

    fn id(number: u8) -> PaymentId {
        PaymentId::new(TimeMs::new(1), [number; 10])
    }

    fn at(height: u64, index: u32) -> Position {
        Position::new(BlockHeight::new(height), index).unwrap()
    }

    fn replay(first: Position) -> Receipt {
        Receipt::repeating(OutcomeCode::Committed, first)
    }

    /// Block 1 with payments 1 and 2, block 2 with a late outcome of 3, block 5 with
    /// one payment of another batch and then these, each a replay of what is named.
    fn world(again: &[(Payment, Position)]) -> (BlockReader, Vec<Replay>) {
        let refused = Receipt::refused(OutcomeCode::Malformed, Amount::ZERO);
        let items = again.iter().map(|(payment, first)| (*payment, replay(*first)));
        let items = [(payment(id(9)), refused)].into_iter().chain(items);
        let reader = replica_with(&[
            stored_block(1, 1, vec![committed(id(1)), committed(id(2))], vec![]),
            stored_block(2, 2, vec![], vec![committed(id(3))]),
            stored_block_of(5, 5, items.collect(), vec![]),
        ]);
        let replays = replays_of(&Submitted {
            chain: ChainId::new(1),
            height: OWN,
            first_index: 1,
            receipts: again.iter().map(|(_, first)| replay(*first)).collect(),
        });
        (reader, replays)
    }

    fn other(again: &[(Payment, Position)]) -> Vec<usize> {
        let (reader, replays) = world(again);
        assert_eq!(replays.len(), again.len());
        of_other_content(&reader, OWN, &replays, &Wanted::default()).unwrap()
    }

    #[test]
    fn what_was_submitted_again_is_a_replay() {
        let again = [2, 1, 3].map(|number| payment(id(number)));
        let firsts = [at(1, 1), at(1, 0), at(2, 0)];
        let again: Vec<_> = again.into_iter().zip(firsts).collect();
        assert_eq!(other(&again), Vec::<usize>::new());
    }

    #[test]
    fn other_content_under_the_same_id_is_none() {
        let more = Payment { amount: Amount::new(6), ..payment(id(2)) };
        let again = [(payment(id(1)), at(1, 0)), (more, at(1, 1)), (payment(id(3)), at(2, 0))];
        assert_eq!(other(&again), [1]);
    }

    #[test]
    fn a_replay_of_one_of_the_same_batch_is_compared_within_it() {
        let more = Payment { amount: Amount::new(6), ..payment(id(1)) };
        let again = [(more, at(5, 2)), (more, at(5, 1)), (payment(id(1)), at(5, 1))];
        assert_eq!(other(&again), [2]);
    }

    #[test]
    fn what_repeats_nothing_that_there_is_is_none() {
        assert_eq!(other(&[(payment(id(1)), at(1, 7))]), [0]);
    }

    #[test]
    fn a_block_that_is_not_here_is_missing() {
        let (reader, replays) = world(&[(payment(id(1)), at(3, 0))]);
        let found = of_other_content(&reader, OWN, &replays, &Wanted::default());
        assert!(matches!(found, Err(ReadError::Missing { .. })), "{found:?}");
    }

    #[test]
    fn only_replays_are_looked_at() {
        let receipts = vec![Receipt::refused(OutcomeCode::Committed, Amount::new(1)); 3];
        let (chain, height) = (ChainId::new(1), OWN);
        assert!(replays_of(&Submitted { chain, height, first_index: 0, receipts }).is_empty());
    }
}
