//! What became of an id, asked of every chain.

use tributary_types::PaymentId;
use tributary_wire::query::{AnswerValue, Query};

use crate::client::Client;
use crate::error::AskError;
use crate::verdict::{ChainAnswer, PaymentReport, judge};

impl Client {
    /// What became of a payment or operation: committed where, refused why,
    /// still pending, never executed for good, or not seen yet and until when.
    ///
    /// # Errors
    /// [`AskError`] if a chain does not answer: without it nothing is certain.
    pub async fn payment(&self, id: PaymentId) -> Result<PaymentReport, AskError> {
        let mut answers = Vec::new();
        for chain in self.chain_ids() {
            let query = Query::Payment(id);
            let answer = self.read_as(chain, query, "a payment", |value| match value {
                AnswerValue::Payment(found) => Some(found),
                _ => None,
            });
            let answer = answer.await?;
            answers.push(ChainAnswer { chain, time: answer.time, found: answer.value });
        }
        let window_back_ms = self.genesis().parameters.id_window_back_ms;
        Ok(judge(id, &answers, self.routes(), window_back_ms))
    }
}
