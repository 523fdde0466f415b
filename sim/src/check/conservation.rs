//! Money is neither made nor lost: on each chain all balances of an asset sum
//! to zero after each block, and what one chain has sent is what the other has
//! received or will receive.

use std::collections::BTreeMap;

use tributary_ledger::{Balance, BooksError, BooksReport, Ledger, check_books};
use tributary_types::ChainId;

/// See the module head.
#[derive(Debug)]
pub struct Conservation {
    /// States between two comparisons of all chains.
    every: u64,
    reports: BTreeMap<ChainId, BooksReport>,
    states: u64,
}

impl Conservation {
    /// No state was seen; so many are, between two comparisons of all chains.
    pub const fn new(every: u64) -> Self {
        Self { every, reports: BTreeMap::new(), states: 0 }
    }

    /// The newest state of a chain.
    ///
    /// # Errors
    /// Which books do not balance.
    pub fn state(&mut self, ledger: &Ledger) -> Result<(), String> {
        let report = ledger.books();
        for books in &report.assets {
            let held = [books.users, books.proxies, books.merchants, books.issuers, books.control];
            let sum = held.into_iter().fold(Balance::ZERO, Balance::plus);
            if !sum.is_zero() || books.debits != books.credits {
                let (chain, height) = (report.chain, report.height);
                return Err(format!("chain {chain} height {height}: {books:?} sums to {sum}"));
            }
        }
        self.reports.insert(report.chain, report);
        self.states += 1;
        if self.states.is_multiple_of(self.every) { self.compare(false) } else { Ok(()) }
    }

    /// The newest states of all chains, when nothing is under way any more.
    ///
    /// # Errors
    /// Which books do not balance.
    pub fn finish(&self) -> Result<(), String> {
        self.compare(true)
    }

    fn compare(&self, is_last: bool) -> Result<(), String> {
        let reports: Vec<_> = self.reports.values().cloned().collect();
        match check_books(&reports) {
            // A report may be missing, or too old to be compared, for a while.
            Err(BooksError::Missing(_) | BooksError::Inconsistent { .. }) if !is_last => Ok(()),
            Err(error) => Err(error.to_string()),
            Ok(_) => Ok(()),
        }
    }
}
