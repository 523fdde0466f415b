//! The proof that no penny is missing over all chains.
//!
//! Every chain's own books balance per asset. Between two chains, what each has
//! on its control account about the other sums to what is in flight between
//! them: messages that one has sent and the other has not received. A
//! [`BooksReport`] holds both, so reports of all chains prove the whole cluster
//! without stopping it, provided that no report is older than a message that
//! another has received already; [`BooksError::Inconsistent`] says to read
//! again.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::{Amount, AssetId, BlockHeight, ChainId};

use super::{AssetBooks, BooksReport, ChannelBooks};
use crate::balance::Balance;

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
    Control {
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
/// another one; every other error means that a report or money is missing.
pub fn check_books(reports: &[BooksReport]) -> Result<BooksSummary, BooksError> {
    let mut by_chain = BTreeMap::new();
    for report in reports {
        if by_chain.insert(report.chain, report).is_some() {
            return Err(BooksError::Duplicate(report.chain));
        }
    }
    let mut summaries: BTreeMap<AssetId, AssetSummary> = BTreeMap::new();
    for report in by_chain.values() {
        for books in &report.assets {
            check_double_entry(report.chain, books)?;
            let summary = summaries.entry(books.asset);
            summary.or_insert_with(|| AssetSummary::new(books.asset)).add(books);
        }
        for channel in &report.channels {
            let peer = by_chain.get(&channel.peer).ok_or(BooksError::Missing(channel.peer))?;
            if report.chain < channel.peer {
                check_pair(report, channel, peer, &mut summaries)?;
            }
        }
    }
    for summary in summaries.values() {
        let held = [summary.users, summary.proxies, summary.merchants, summary.in_flight];
        let difference = held.into_iter().sum::<Balance>().minus(summary.issued);
        if !difference.is_zero() {
            return Err(BooksError::Conservation { asset: summary.asset, difference });
        }
    }
    Ok(BooksSummary { assets: summaries.into_values().collect() })
}

fn check_double_entry(chain: ChainId, books: &AssetBooks) -> Result<(), BooksError> {
    let (asset, debits, credits) = (books.asset, books.debits, books.credits);
    let holders = [books.users, books.proxies, books.merchants, books.issuers, books.control];
    if debits == credits && holders.into_iter().sum::<Balance>().is_zero() {
        Ok(())
    } else {
        Err(BooksError::Unbalanced { chain, asset, debits, credits })
    }
}

/// Compares what two chains owe each other with what is in flight between them.
fn check_pair(
    first: &BooksReport,
    there: &ChannelBooks,
    second: &BooksReport,
    summaries: &mut BTreeMap<AssetId, AssetSummary>,
) -> Result<(), BooksError> {
    let back = second.channels.iter().find(|channel| channel.peer == first.chain);
    let back = back.ok_or(BooksError::Missing(first.chain))?;
    check_age(first, there, second, back)?;
    check_age(second, back, first, there)?;
    let mut in_flight = BTreeMap::new();
    for (asset, amount) in carried(there, back).chain(carried(back, there)) {
        let sum = in_flight.entry(asset).or_insert(Balance::ZERO);
        *sum = sum.plus(amount.into());
    }
    let mut control = BTreeMap::new();
    for (asset, balance) in there.control.iter().chain(&back.control) {
        let sum = control.entry(*asset).or_insert(Balance::ZERO);
        *sum = sum.plus(*balance);
        in_flight.entry(*asset).or_insert(Balance::ZERO);
    }
    for (asset, in_flight) in in_flight {
        let control = control.get(&asset).copied().unwrap_or_default();
        if control != in_flight {
            let (first, second) = (first.chain, second.chain);
            return Err(BooksError::Control { first, second, asset, control, in_flight });
        }
        let summary = summaries.entry(asset).or_insert_with(|| AssetSummary::new(asset));
        summary.in_flight = summary.in_flight.plus(in_flight);
    }
    Ok(())
}

/// Whether the report of `sender` is recent enough for what `receiver` has of
/// it, and knows no more of `receiver` than that one's report says.
fn check_age(
    sender: &BooksReport,
    sent: &ChannelBooks,
    receiver: &BooksReport,
    received: &ChannelBooks,
) -> Result<(), BooksError> {
    let older = |old: &BooksReport, peer: &BooksReport| BooksError::Inconsistent {
        chain: old.chain,
        height: old.height,
        peer: peer.chain,
    };
    if received.received > sent.sent {
        return Err(older(sender, receiver));
    }
    if sent.acknowledged > received.received {
        return Err(older(receiver, sender));
    }
    Ok(())
}

/// Money that one end has sent and the other has not received. A transfer is in
/// flight until it is answered, except while an answer on the way says that it
/// was credited.
fn carried<'a>(
    sent: &'a ChannelBooks,
    received: &'a ChannelBooks,
) -> impl Iterator<Item = (AssetId, Amount)> + 'a {
    let unreceived = sent.carried.iter().filter(|money| money.sequence > received.received);
    let unreceived = unreceived.map(|money| (money.asset, money.amount));
    let answers = received.answers.iter().filter(|(sequence, _)| *sequence > sent.received);
    let refused = answers.map(|(_, refused)| *refused).chain(std::iter::repeat(true));
    let transfers = sent.transfers.iter().zip(refused).filter(|(_, refused)| *refused);
    unreceived.chain(transfers.map(|(money, _)| *money))
}

impl AssetSummary {
    const fn new(asset: AssetId) -> Self {
        let zero = Balance::ZERO;
        Self { asset, issued: zero, users: zero, proxies: zero, merchants: zero, in_flight: zero }
    }

    fn add(&mut self, books: &AssetBooks) {
        self.issued = self.issued.minus(books.issuers);
        self.users = self.users.plus(books.users);
        self.proxies = self.proxies.plus(books.proxies);
        self.merchants = self.merchants.plus(books.merchants);
    }
}
