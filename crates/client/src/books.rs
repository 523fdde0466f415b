//! The conservation check: nothing is lost or made between all chains.

use tributary_ledger::BooksReport;
use tributary_ledger::books::{BooksSummary, check_books};
use tributary_wire::query::{AnswerValue, Query};

use crate::client::{AsOf, Client};
use crate::error::{AskError, CheckBooksError};

impl Client {
    /// Reads the books of every chain and checks them together.
    ///
    /// # Errors
    /// [`CheckBooksError`] if a chain does not answer, or if a penny is
    /// missing.
    pub async fn books(&self) -> Result<BooksSummary, CheckBooksError> {
        let mut reports = Vec::new();
        for chain in self.chain_ids() {
            reports.push(self.report(chain).await?.value);
        }
        Ok(check_books(&reports)?)
    }

    async fn report(&self, chain: tributary_types::ChainId) -> Result<AsOf<BooksReport>, AskError> {
        self.read_as(chain, Query::Books, "books", |value| match value {
            AnswerValue::Books(report) => Some(*report),
            _ => None,
        })
        .await
    }
}
