//! Reads. All but the status are answered by the leader after a barrier, so
//! they never go back.

use tributary_types::AccountId;
use tributary_types::Position;
use tributary_wire::node::NodeError;
use tributary_wire::query::{Answer, AnswerValue, PAGE_ENTRIES_MAX, Query, ReplicaStatus};

use super::archive_reads::ArchiveReads;
use super::{payment, prove};
use crate::archive::history::{self, ReadError};
use crate::archive::search::IdWindow;
use crate::chain::{AsOf, Ask, ChainHandle, Found};

/// What answering needs beside the chain.
#[derive(Debug)]
pub struct Queries {
    /// Reads of blocks.
    pub archive: ArchiveReads,
    /// The cluster's id window.
    pub window: IdWindow,
}

impl Queries {
    /// Answers one query.
    ///
    /// # Errors
    /// [`NodeError`].
    pub async fn answer(&self, chain: &ChainHandle, query: Query) -> Result<Answer, NodeError> {
        let (as_of, value) = match query {
            Query::Status => status(chain)?,
            Query::Account(_)
            | Query::Proxy(_)
            | Query::Merchant(_)
            | Query::Merchants { .. }
            | Query::Books
            | Query::Channels
            | Query::Settlement => match chain.ask(Ask::State(query)).await? {
                (as_of, Found::State(value)) => (as_of, *value),
                _ => return Err(wrong_answer()),
            },
            Query::Payment(id) => {
                let (as_of, found) = payment::find(self, chain, id).await?;
                (as_of, AnswerValue::Payment(found))
            }
            Query::History { account, before, limit } => {
                self.history(chain, account, before, limit).await?
            }
            Query::ProveAccount(account) => prove::account(self, chain, account).await?,
            Query::ProvePayment(id) => prove::payment(self, chain, id).await?,
            Query::ProveRoutes => prove::routes(self, chain).await?,
        };
        Ok(Answer { chain: chain.chain, height: as_of.height, time: as_of.time, value })
    }

    async fn history(
        &self,
        chain: &ChainHandle,
        account: AccountId,
        before: Option<Position>,
        limit: u32,
    ) -> Result<(AsOf, AnswerValue), NodeError> {
        let (as_of, last) = match chain.ask(Ask::LastEntry(account)).await? {
            (as_of, Found::LastEntry(last)) => (as_of, last),
            _ => return Err(wrong_answer()),
        };
        if let Some(position) = before.filter(|before| before.height() > as_of.height) {
            let error = ReadError::NotAnEntry { position, account };
            return Err(NodeError::Refused(error.to_string()));
        }
        let limit = usize::try_from(limit.min(PAGE_ENTRIES_MAX)).unwrap_or(usize::MAX);
        let reader = chain.reader.clone();
        let entries = self.archive.run(chain, move |_| {
            let newest = match before {
                Some(entry) => history::before(&reader, &account, entry)?,
                None => last,
            };
            history::page(&reader, &account, newest, limit)
        });
        Ok((as_of, AnswerValue::History(entries.await?)))
    }
}

/// The thread answered another question than it was asked: a bug, told to the
/// caller rather than hidden.
pub(super) fn wrong_answer() -> NodeError {
    NodeError::Unavailable("the chain's thread gave an answer of another kind".to_owned())
}

fn status(chain: &ChainHandle) -> Result<(AsOf, AnswerValue), NodeError> {
    let snapshot = chain.published.get();
    let snapshot =
        snapshot.ok_or_else(|| NodeError::Unavailable("the node is starting".to_owned()))?;
    let status = snapshot.status;
    let value = AnswerValue::Status(ReplicaStatus {
        validator: chain.validator,
        leader: status.leader,
        term: status.term,
        certified: status.last_certified,
    });
    Ok((AsOf { height: status.height, time: snapshot.time }, value))
}
