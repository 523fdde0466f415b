//! The books: what each chain holds and has sent, and the proof that no penny
//! is missing over all chains.
//!
//! Every chain's own books balance per asset. Between two chains, what each has
//! on its control account about the other sums to what is in flight between
//! them: messages that one has sent and the other has not received. A
//! [`BooksReport`] holds both, so reports of all chains prove the whole cluster
//! without stopping it, provided that no report is older than a message that
//! another has received already; [`BooksError::Inconsistent`] says to read
//! again.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::{Amount, AssetId, BlockHeight, ChainId, TimeMs};

use crate::balance::Balance;

/// One chain's books and what its channels hold, as of one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BooksReport {
    /// The chain.
    pub chain: ChainId,
    /// The block.
    pub height: BlockHeight,
    /// Its time.
    pub time: TimeMs,
    /// Ascending by asset.
    pub assets: Vec<AssetBooks>,
    /// Ascending by peer.
    pub channels: Vec<ChannelBooks>,
}

/// All accounts of one asset on one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetBooks {
    /// The asset.
    pub asset: AssetId,
    /// Everything that ever went out of an account.
    pub debits: Balance,
    /// Everything that ever came into an account; equal to `debits`.
    pub credits: Balance,
    /// Held by users.
    pub users: Balance,
    /// Held by proxies (user chain).
    pub proxies: Balance,
    /// Held by HF accounts (HF chain).
    pub merchants: Balance,
    /// Balance of the issuers; negative: what they brought in.
    pub issuers: Balance,
    /// Balance of the control accounts.
    pub control: Balance,
}

/// One channel pair, seen from one end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelBooks {
    /// The other end.
    pub peer: ChainId,
    /// Number of the last message sent to the peer.
    pub sent: u64,
    /// Number of the last one known to be received there.
    pub acknowledged: u64,
    /// Number of the last message received from the peer.
    pub received: u64,
    /// Balance of the control account about the peer, ascending by asset.
    pub control: Vec<(AssetId, Balance)>,
    /// Unacknowledged messages that carry money, in order.
    pub carried: Vec<CarriedMoney>,
    /// Transfers sent to the peer whose answer has not come, in order.
    pub transfers: Vec<(AssetId, Amount)>,
    /// Unacknowledged answers to the peer's transfers, in order: number of the
    /// message, and whether it refuses and so carries the money back.
    pub answers: Vec<(u64, bool)>,
}

/// Money inside one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarriedMoney {
    /// Number of the message; a statement has several entries.
    pub sequence: u64,
    /// What.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
}

/// What [`check_books`] found, over all chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BooksSummary {
    /// Ascending by asset.
    pub assets: Vec<AssetSummary>,
}

/// One asset over all chains. What the issuers brought in is what everyone
/// holds and what is in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssetSummary {
    /// The asset.
    pub asset: AssetId,
    /// Brought in by issuers, net.
    pub issued: Balance,
    /// Held by users.
    pub users: Balance,
    /// Held by proxies.
    pub proxies: Balance,
    /// Held by HF accounts.
    pub merchants: Balance,
    /// Between chains.
    pub in_flight: Balance,
}

/// Why reports do not prove the books.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BooksError {
    /// The reports are not of one moment: read them again.
    #[error(
        "report of chain {chain} at height {height} is older than what chain {peer} knows of it: read again"
    )]
    Inconsistent {
        /// The chain whose report is too old.
        chain: ChainId,
        /// Of which block it is.
        height: BlockHeight,
        /// The chain that knows more.
        peer: ChainId,
    },
    /// A chain that others have channels with has no report.
    #[error("no report of chain {0}")]
    Missing(ChainId),
    /// Two reports of one chain.
    #[error("two reports of chain {0}")]
    Duplicate(ChainId),
    /// Debits and credits of one chain differ.
    #[error("chain {chain}, asset {asset}: debits {debits}, credits {credits}")]
    Unbalanced {
        /// The chain.
        chain: ChainId,
        /// The asset.
        asset: AssetId,
        /// Sum of all debits.
        debits: Balance,
        /// Sum of all credits.
        credits: Balance,
    },
    /// The control accounts of two chains do not sum to what is in flight.
    #[error(
        "chains {first} and {second}, asset {asset}: control accounts hold {control}, in flight is {in_flight}"
    )]
    Missed {
        /// One end.
        first: ChainId,
        /// The other end.
        second: ChainId,
        /// The asset.
        asset: AssetId,
        /// Sum of both control accounts.
        control: Balance,
        /// Carried by messages that are sent and not received.
        in_flight: Balance,
    },
    /// Everything together does not sum to zero.
    #[error("asset {asset}: all chains together are off by {difference}")]
    Conservation {
        /// The asset.
        asset: AssetId,
        /// What is missing, or too much.
        difference: Balance,
    },
}

/// Proves the books of a whole cluster from one report of each chain.
///
/// # Errors
/// [`BooksError::Inconsistent`] if a report is too old to be compared with
/// another one; every other error means that money is missing.
pub fn check_books(reports: &[BooksReport]) -> Result<BooksSummary, BooksError> {
    let _ = reports;
    unimplemented!()
}
