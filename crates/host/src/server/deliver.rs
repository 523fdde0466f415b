//! Deliveries: each is one request to the chain's thread; the replica's inbox
//! examines it before consensus sees it.

use tributary_chain::Delivery;
use tributary_wire::Canonical;
use tributary_wire::node::{DELIVERIES_PER_REQUEST_MAX, NodeError};

use crate::chain::ChainHandle;

/// Executes deliveries in the order given. They are put to the thread before
/// any is answered, so that they share blocks.
///
/// # Errors
/// [`NodeError`] if any was not carried out, or has an unknown outcome;
/// delivering again is harmless.
pub async fn deliver(
    chain: &ChainHandle,
    deliveries: Vec<Canonical<Delivery>>,
) -> Result<Vec<Result<u64, String>>, NodeError> {
    if deliveries.len() > DELIVERIES_PER_REQUEST_MAX {
        let found = deliveries.len();
        let rule = format!("{found} deliveries, at most {DELIVERIES_PER_REQUEST_MAX}");
        return Err(NodeError::Refused(rule));
    }
    let mut answers = Vec::with_capacity(deliveries.len());
    for delivery in deliveries {
        answers.push(chain.begin_deliver(delivery.0)?);
    }
    let mut results = Vec::with_capacity(answers.len());
    for answer in answers {
        results.push(answer.await.unwrap_or(Err(NodeError::OutcomeUnknown))?);
    }
    Ok(results)
}
