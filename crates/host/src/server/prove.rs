//! Proofs: what the ledger or a block shows, under a certificate of its header
//! or of one that follows it. Who wants a proof of what nobody has signed yet
//! has the validators sign it, and waits at most [`CERTIFICATE_WAIT_MS_MAX`].

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tributary_ledger::proof::OutcomeProof;
use tributary_types::{AccountId, BlockHeight, PaymentId, Position};
use tributary_wire::node::NodeError;
use tributary_wire::query::AnswerValue;

use super::payment::locate;
use super::query::{Queries, wrong_answer};
use crate::archive::blocks::BlockReader;
use crate::archive::descent::{self, Certified};
use crate::archive::history::{self, ReadError};
use crate::chain::{AsOf, Ask, ChainHandle, Found};

/// How long a proof waits for a certificate.
pub const CERTIFICATE_WAIT_MS_MAX: u64 = 5_000;

/// Proves an account, proxy or merchant as of the state that was read.
///
/// # Errors
/// [`NodeError`].
pub async fn account(
    queries: &Queries,
    chain: &ChainHandle,
    account: AccountId,
) -> Result<(AsOf, AnswerValue), NodeError> {
    let (as_of, capture) = match chain.ask(Ask::Proof(account)).await? {
        (as_of, Found::Proof(capture)) => (as_of, capture),
        _ => return Err(wrong_answer()),
    };
    let Some(capture) = capture else { return Ok((as_of, AnswerValue::StateProof(None))) };
    let Certified { header, descendants, certificate } =
        certified(queries, chain, capture.header.height).await?;
    let proof = capture.parts.certified(header, descendants, certificate);
    Ok((as_of, AnswerValue::StateProof(Some(Box::new(proof)))))
}

/// Proves the route table as of the state that was read. No quorum signs a
/// chain's beginning: before its first block there is no proof.
///
/// # Errors
/// [`NodeError`].
pub async fn routes(
    queries: &Queries,
    chain: &ChainHandle,
) -> Result<(AsOf, AnswerValue), NodeError> {
    let (as_of, capture) = match chain.ask(Ask::RoutesProof).await? {
        (as_of, Found::RoutesProof(capture)) => (as_of, capture),
        _ => return Err(wrong_answer()),
    };
    let Some(capture) = capture.filter(|_| as_of.height > BlockHeight::new(0)) else {
        return Ok((as_of, AnswerValue::RoutesProof(None)));
    };
    let Certified { header, descendants, certificate } =
        certified(queries, chain, capture.header.height).await?;
    let proof = capture.parts.certified(header, descendants, certificate);
    Ok((as_of, AnswerValue::RoutesProof(Some(Box::new(proof)))))
}

/// Proves the latest outcome of a payment or operation.
///
/// # Errors
/// [`NodeError`].
pub async fn payment(
    queries: &Queries,
    chain: &ChainHandle,
    id: PaymentId,
) -> Result<(AsOf, AnswerValue), NodeError> {
    let (as_of, position) = locate(queries, chain, id).await?;
    let Some(position) = position else { return Ok((as_of, AnswerValue::OutcomeProof(None))) };
    let certified = certified(queries, chain, position.height()).await?;
    let reader = chain.reader.clone();
    let proof = queries.archive.run(chain, move |_| outcome(&reader, position, certified.clone()));
    Ok((as_of, AnswerValue::OutcomeProof(proof.await?.map(Box::new))))
}

fn outcome(
    reader: &BlockReader,
    position: Position,
    certified: Certified,
) -> Result<Option<OutcomeProof>, ReadError> {
    let block = history::block(reader, position.height())?;
    let (body, outcomes) = (&block.body, &block.outcomes);
    let Certified { header, descendants, certificate } = certified;
    let index = position.index();
    Ok(OutcomeProof::from_block(header, descendants, certificate, body, outcomes, index))
}

/// What certifies the block at a height; asks for signatures and waits for them.
async fn certified(
    queries: &Queries,
    chain: &ChainHandle,
    height: BlockHeight,
) -> Result<Certified, NodeError> {
    let deadline = Instant::now() + Duration::from_millis(CERTIFICATE_WAIT_MS_MAX);
    let mut changes = chain.certified.clone();
    loop {
        // Marked before the look, so that what comes in between is not missed.
        changes.mark_unchanged();
        let reader = chain.reader.clone();
        let known = queries.archive.run(chain, move |_| descent::certified(&reader, height));
        if let Some(found) = known.await? {
            return Ok(found);
        }
        chain.want_certificate()?;
        match timeout_at(deadline, changes.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(NodeError::Unavailable("the node is stopping".to_owned())),
            Err(_) => {
                let sentence = format!(
                    "no quorum has signed block {height} of chain {} within {CERTIFICATE_WAIT_MS_MAX} ms",
                    chain.chain
                );
                return Err(NodeError::Unavailable(sentence));
            }
        }
    }
}
