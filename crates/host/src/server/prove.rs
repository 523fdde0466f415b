//! Proofs: what the ledger or a block shows, under the certificate of its
//! header. Certificates follow execution by a moment, so a proof waits for
//! its own, at most [`CERTIFICATE_WAIT_MS_MAX`].

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tributary_chain::{Certificate, Header};
use tributary_ledger::proof::OutcomeProof;
use tributary_types::{AccountId, BlockHeight, PaymentId, Position};
use tributary_wire::node::NodeError;
use tributary_wire::query::AnswerValue;

use super::payment::locate;
use super::query::{Queries, wrong_answer};
use crate::archive::blocks::BlockReader;
use crate::archive::history::ReadError;
use crate::chain::{AsOf, Ask, ChainHandle, Found};

/// How long a proof waits for its header's certificate.
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
    let (_, certificate) = certificate(queries, chain, capture.header.height).await?;
    let proof = capture.parts.certified(capture.header, certificate);
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
    let (_, certificate) = certificate(queries, chain, capture.header.height).await?;
    let proof = capture.parts.certified(capture.header, certificate);
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
    let (header, certificate) = certificate(queries, chain, position.height()).await?;
    let reader = chain.reader.clone();
    let proof =
        queries.archive.run(chain, move |_| outcome(&reader, position, &header, &certificate));
    Ok((as_of, AnswerValue::OutcomeProof(proof.await?.map(Box::new))))
}

fn outcome(
    reader: &BlockReader,
    position: Position,
    header: &Header,
    certificate: &Certificate,
) -> Result<Option<OutcomeProof>, ReadError> {
    let (chain, height) = (reader.chain(), position.height());
    let block = reader.block(height)?.ok_or(ReadError::Missing { chain, height })?;
    let (body, outcomes) = (&block.body, &block.outcomes);
    let (header, certificate) = (header.clone(), certificate.clone());
    Ok(OutcomeProof::from_block(header, certificate, body, outcomes, position.index()))
}

/// The certificate of the header at a height, if it is here. That of a block
/// that is missing comes with the block.
fn look(
    reader: &BlockReader,
    height: BlockHeight,
) -> Result<Option<(Header, Certificate)>, ReadError> {
    if let Some(found) = reader.certificate(height)? {
        return Ok(Some(found));
    }
    if height > BlockHeight::new(0) && reader.stored(height)?.is_none() {
        return Err(ReadError::Missing { chain: reader.chain(), height });
    }
    Ok(None)
}

/// The certificate of the header at a height; waits for it.
async fn certificate(
    queries: &Queries,
    chain: &ChainHandle,
    height: BlockHeight,
) -> Result<(Header, Certificate), NodeError> {
    let deadline = Instant::now() + Duration::from_millis(CERTIFICATE_WAIT_MS_MAX);
    let mut changes = chain.certified.clone();
    loop {
        // Marked before the look, so that what comes in between is not missed.
        changes.mark_unchanged();
        let reader = chain.reader.clone();
        let known = queries.archive.run(chain, move |_| look(&reader, height));
        if let Some(found) = known.await? {
            return Ok(found);
        }
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
