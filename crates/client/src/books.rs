//! The conservation check: nothing is lost or made between all chains.
//!
//! Chains are read one beside the other while they go on working, so a report
//! can be older than a message of its chain that another has received already.
//! Such a report is read again; that ends quickly, because reading takes less
//! time than chains take to send each other something new.

use tokio::task::JoinSet;
use tokio::time::Instant;
use tributary_ledger::books::{BooksError, BooksReport, BooksSummary, check_books};
use tributary_types::ChainId;
use tributary_wire::query::{AnswerValue, Query};

use crate::client::Client;
use crate::error::{AskError, CheckBooksError};

impl Client {
    /// Reads the books of every chain and checks them together.
    ///
    /// # Errors
    /// [`CheckBooksError`] if a chain does not answer, if a penny is missing,
    /// or if no consistent cut was found within the client's deadline.
    pub async fn books(&self) -> Result<BooksSummary, CheckBooksError> {
        let deadline = Instant::now() + self.deadline();
        let mut reading = JoinSet::new();
        for chain in self.chain_ids() {
            let client = self.clone();
            reading.spawn(async move { client.books_of(chain).await });
        }
        let reports: Result<Vec<_>, AskError> = reading.join_all().await.into_iter().collect();
        let mut reports = reports?;
        loop {
            match check_books(&reports) {
                Ok(summary) => return Ok(summary),
                Err(BooksError::Inconsistent { chain, .. }) if Instant::now() < deadline => {
                    let newer = self.books_of(chain).await?;
                    reports.retain(|report| report.chain != chain);
                    reports.push(newer);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The books of one chain and what its channels hold.
    ///
    /// # Errors
    /// [`AskError`] if the chain does not answer.
    pub async fn books_of(&self, chain: ChainId) -> Result<BooksReport, AskError> {
        let answer = self.read_as(chain, Query::Books, "books", |value| match value {
            AnswerValue::Books(report) => Some(*report),
            _ => None,
        });
        Ok(answer.await?.value)
    }
}
