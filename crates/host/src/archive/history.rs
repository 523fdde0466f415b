//! The history of an account, newest first: a list that the receipts link.

use std::sync::Arc;

use thiserror::Error;
use tributary_chain::certificate::DESCENDANTS_MAX;
use tributary_ledger::outcome::Subject;
use tributary_replica::store::StorageFault;
use tributary_types::{AccountId, BlockHeight, ChainId, Position};
use tributary_wire::query::HistoryEntry;

use crate::archive::block::{Block, previous_entry};
use crate::archive::blocks::BlockReader;

/// Blocks read for one page. A page that would need more is shorter; it is
/// never empty while there are entries.
pub const BLOCKS_PER_PAGE_MAX: usize = 256;

/// Why the archive has no answer.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Disk or data are bad.
    #[error("{0}")]
    Storage(#[from] StorageFault),
    /// A snapshot carried this replica over the block, and it has not been
    /// fetched yet.
    #[error("block {height} of chain {chain} is not in this replica's archive")]
    Missing {
        /// The chain.
        chain: ChainId,
        /// The height.
        height: BlockHeight,
    },
    /// The next signed header is further away than a proof may reach.
    #[error(
        "no quorum has signed block {height} of chain {chain} or one of the {DESCENDANTS_MAX} after it"
    )]
    Uncertified {
        /// The chain.
        chain: ChainId,
        /// The height.
        height: BlockHeight,
    },
    /// The position named is no entry of that account's history.
    #[error("{position:?} is no entry in the history of {account}")]
    NotAnEntry {
        /// The position.
        position: Position,
        /// The account.
        account: AccountId,
    },
    /// The caller has left.
    #[error("the caller has left")]
    Abandoned,
}

/// The decoded block at a height.
///
/// # Errors
/// [`ReadError::Missing`] if this replica lacks it; [`ReadError::Storage`].
pub fn block(reader: &BlockReader, height: BlockHeight) -> Result<Arc<Block>, ReadError> {
    let chain = reader.chain();
    reader.block(height)?.ok_or(ReadError::Missing { chain, height })
}

/// Up to `limit` entries from `newest` on, which is an entry or
/// [`Position::NONE`].
///
/// # Errors
/// [`ReadError`].
pub fn page(
    reader: &BlockReader,
    account: &AccountId,
    newest: Position,
    limit: usize,
) -> Result<Vec<HistoryEntry>, ReadError> {
    let mut entries = Vec::new();
    let mut next = newest;
    let (mut height, mut blocks) = (None, 0);
    while entries.len() < limit && !next.is_none() {
        if height.replace(next.height()) != Some(next.height()) {
            blocks += 1;
            if blocks > BLOCKS_PER_PAGE_MAX {
                break;
            }
        }
        let (entry, previous) = entry(reader, account, next)?;
        entries.push(entry);
        next = previous;
    }
    Ok(entries)
}

/// The entry before an entry.
///
/// # Errors
/// [`ReadError`], also if `position` is no entry of that account.
pub fn before(
    reader: &BlockReader,
    account: &AccountId,
    position: Position,
) -> Result<Position, ReadError> {
    entry(reader, account, position).map(|(_, previous)| previous)
}

fn entry(
    reader: &BlockReader,
    account: &AccountId,
    position: Position,
) -> Result<(HistoryEntry, Position), ReadError> {
    let block = block(reader, position.height())?;
    let not_an_entry = || ReadError::NotAnEntry { position, account: *account };
    let (subject, receipt) = block.outcome(position.index()).ok_or_else(not_an_entry)?;
    let payment = match subject {
        Subject::Payment(record) => record.parse().map_err(|_| not_an_entry())?,
        Subject::Operation(_) => return Err(not_an_entry()),
    };
    let previous = previous_entry(&payment, receipt, account).ok_or_else(not_an_entry)?;
    if !leads_back(&block, position, previous) {
        return Err(not_an_entry());
    }
    let entry = HistoryEntry { position, time: block.header.time, payment, receipt: *receipt };
    Ok((entry, previous))
}

/// Whether a link leads back in the order of execution. Within a block that is
/// the order of the outcomes, but for late ones: what a delivery decides is
/// numbered behind the body's items and happens before them.
fn leads_back(block: &Block, position: Position, previous: Position) -> bool {
    let is_in_block = previous.height() == position.height();
    let is_later = is_in_block && block.is_late(previous.index());
    previous < position || is_later && !block.is_late(position.index())
}

#[cfg(test)]
mod tests {
    use tributary_ledger::outcome::BlockOutcomes;
    use tributary_types::codec::decode_exact;
    use tributary_types::{AccountClass, Encode as _, PaymentId, TimeMs};

    use super::*;
    use crate::archive::block::samples::{account, committed, replica_with, stored_block};

    fn at(height: u64, index: u32) -> Position {
        Position::new(BlockHeight::new(height), index).unwrap()
    }

    /// Block 1 with a payment; block 2 with two, and a late one. Each links to
    /// what is named for it.
    fn reader(links: [Position; 3]) -> BlockReader {
        let id = |number| committed(PaymentId::new(TimeMs::new(1), [number; 10]));
        let mut second = stored_block(2, 2, vec![id(2), id(3)], vec![id(4)]);
        let mut outcomes: BlockOutcomes = decode_exact(&second.outcomes).unwrap();
        outcomes.receipts[0].previous_debit = links[0];
        outcomes.receipts[1].previous_debit = links[1];
        outcomes.late[0].1.previous_debit = links[2];
        second.outcomes = outcomes.to_bytes().into();
        replica_with(&[stored_block(1, 1, vec![id(1)], vec![]), second])
    }

    fn positions(links: [Position; 3], newest: Position) -> Result<Vec<Position>, ReadError> {
        let payer = account(AccountClass::User, "payer");
        let entries = page(&reader(links), &payer, newest, 10)?;
        Ok(entries.into_iter().map(|entry| entry.position).collect())
    }

    #[test]
    fn what_a_delivery_decided_stands_before_the_items_of_its_block() {
        let found = positions([at(2, 2), at(2, 0), at(1, 0)], at(2, 1)).unwrap();
        assert_eq!(found, [at(2, 1), at(2, 0), at(2, 2), at(1, 0)]);
    }

    #[test]
    fn what_the_end_of_a_block_decided_stands_behind_its_items() {
        let found = positions([at(1, 0), at(2, 0), at(2, 1)], at(2, 2)).unwrap();
        assert_eq!(found, [at(2, 2), at(2, 1), at(2, 0), at(1, 0)]);
    }

    #[test]
    fn a_link_that_leads_nowhere_or_forward_is_refused() {
        for links in [
            [at(2, 0), at(2, 0), at(1, 0)],
            [at(2, 1), at(2, 0), at(1, 0)],
            [at(3, 0), at(2, 0), at(1, 0)],
            [at(2, 2), at(2, 0), at(2, 2)],
            [at(2, 2), at(2, 0), at(1, 1)],
        ] {
            let refused = positions(links, at(2, 1));
            assert!(matches!(refused, Err(ReadError::NotAnEntry { .. })), "{links:?}: {refused:?}");
        }
    }
}
