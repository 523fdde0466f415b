//! The history of an account, newest first: a list that the receipts link.

use thiserror::Error;
use tributary_ledger::outcome::Subject;
use tributary_replica::store::StorageFault;
use tributary_types::{AccountId, BlockHeight, ChainId, Position};
use tributary_wire::query::HistoryEntry;

use crate::archive::block::previous_entry;
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
    let (chain, height) = (reader.chain(), position.height());
    let block = reader.block(height)?.ok_or(ReadError::Missing { chain, height })?;
    let not_an_entry = || ReadError::NotAnEntry { position, account: *account };
    let (subject, receipt) = block.outcome(position.index()).ok_or_else(not_an_entry)?;
    let payment = match subject {
        Subject::Payment(record) => record.parse().map_err(|_| not_an_entry())?,
        Subject::Operation(_) => return Err(not_an_entry()),
    };
    let previous = previous_entry(&payment, receipt, account).ok_or_else(not_an_entry)?;
    // Links only lead back: a loop would be a page without end.
    if previous >= position {
        return Err(not_an_entry());
    }
    let entry = HistoryEntry { position, time: block.header.time, payment, receipt: *receipt };
    Ok((entry, previous))
}
