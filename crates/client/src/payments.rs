//! What became of an id: asked of every chain, or followed to its end on one.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tributary_types::{ChainId, PaymentId};
use tributary_wire::query::{AnswerValue, Query};

use crate::client::Client;
use crate::error::{AskError, FinalError};
use crate::verdict::{ChainAnswer, Located, PaymentReport, judge};

/// Between two questions about a payment that is not final yet, in ms.
const FINAL_POLL_INTERVAL_MS: u64 = 20;
/// Payments that one call follows at the same time.
const FOLLOWED_MAX: usize = 64;

impl Client {
    /// What became of a payment or operation: committed where, refused why,
    /// still pending, never executed for good, or not seen yet and until when.
    ///
    /// # Errors
    /// [`AskError`] if a chain does not answer: without it nothing is certain.
    pub async fn payment(&self, id: PaymentId) -> Result<PaymentReport, AskError> {
        let mut asking = JoinSet::new();
        for chain in self.chain_ids() {
            let client = self.clone();
            asking.spawn(async move { client.payment_on(chain, id).await });
        }
        let answers: Result<Vec<_>, AskError> = asking.join_all().await.into_iter().collect();
        let mut answers = answers?;
        answers.sort_by_key(|answer| answer.chain);
        let window_back_ms = self.genesis().parameters.id_window_back_ms;
        Ok(judge(id, &answers, self.routes(), window_back_ms))
    }

    /// Waits until payments that are `awaiting_funds` or `in_transit` are
    /// final, and tells how each ended, in the order given. Beside each id
    /// stands the chain of the outcome that said so.
    ///
    /// # Errors
    /// [`FinalError`] for the first that is not final within the client's
    /// deadline, or that its chain does not know.
    pub async fn finals(
        &self,
        pending: &[(PaymentId, ChainId)],
    ) -> Result<Vec<Located>, FinalError> {
        let mut waiting = pending.iter().copied().enumerate();
        let mut following = JoinSet::<Result<(usize, Located), FinalError>>::new();
        let mut found = Vec::with_capacity(pending.len());
        loop {
            while following.len() < FOLLOWED_MAX
                && let Some((index, (id, chain))) = waiting.next()
            {
                let client = self.clone();
                following.spawn(async move { Ok((index, client.final_on(chain, id).await?)) });
            }
            match following.join_next().await {
                Some(Ok(followed)) => found.push(followed?),
                Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                None => break,
            }
        }
        found.sort_by_key(|(index, _)| *index);
        Ok(found.into_iter().map(|(_, located)| located).collect())
    }

    /// Asks one chain for an id.
    async fn payment_on(&self, chain: ChainId, id: PaymentId) -> Result<ChainAnswer, AskError> {
        let answer = self.read_as(chain, Query::Payment(id), "a payment", |value| match value {
            AnswerValue::Payment(found) => Some(found),
            _ => None,
        });
        let answer = answer.await?;
        Ok(ChainAnswer { chain, time: answer.time, found: answer.value })
    }

    async fn final_on(&self, chain: ChainId, id: PaymentId) -> Result<Located, FinalError> {
        let begin = Instant::now();
        loop {
            let Some(found) = self.payment_on(chain, id).await?.found else {
                return Err(FinalError::Unknown { id, chain });
            };
            let code = found.receipt.code;
            if !code.is_pending() {
                let (position, time, receipt) = (found.position, found.time, found.receipt);
                return Ok(Located { chain, position, time, receipt });
            }
            let waited = begin.elapsed();
            if waited >= self.deadline() {
                let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                return Err(FinalError::Deadline { id, chain, code, waited_ms });
            }
            sleep(Duration::from_millis(FINAL_POLL_INTERVAL_MS)).await;
        }
    }
}
