//! What a chain has for another one: the relays' long poll.
//!
//! Answered by any replica of the sending chain from its newest certified
//! header. The messages come from the outbox as it is now; the header says
//! which of them it commits to.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tributary_chain::Delivery;
use tributary_chain::channel::Portion;
use tributary_types::ChainId;
use tributary_wire::node::{NodeError, OUTGOING_WAIT_MS_MAX};

use crate::chain::{CertifiedView, ChainHandle, MessageRange};

/// What the caller knows of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The receiving chain.
    pub peer: ChainId,
    /// Last message that it has.
    pub after: u64,
    /// Last acknowledgement of its own messages that it has.
    pub acknowledged: u64,
}

/// Waits until there is something newer than the caller knows, at most
/// `wait_ms`; `None` if there was nothing.
///
/// # Errors
/// [`NodeError`].
pub async fn outgoing(
    chain: &ChainHandle,
    known: Known,
    wait_ms: u64,
) -> Result<Option<Delivery>, NodeError> {
    let deadline = Instant::now() + Duration::from_millis(wait_ms.min(OUTGOING_WAIT_MS_MAX));
    let mut certified = chain.certified.clone();
    loop {
        let view = certified.borrow_and_update().clone();
        if let Some(view) = view.filter(|view| is_newer(view, known))
            && let Some(delivery) = delivery(chain, &view, known).await?
        {
            return Ok(Some(delivery));
        }
        match timeout_at(deadline, certified.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(NodeError::Unavailable("the node is stopping".to_owned())),
            Err(_) => return Ok(None),
        }
    }
}

fn is_newer(view: &Arc<CertifiedView>, known: Known) -> bool {
    let proof = view.leaves.get(&known.peer);
    proof.is_some_and(|proof| {
        let leaf = &proof.leaf;
        leaf.sent_sequence > known.after || leaf.received_sequence > known.acknowledged
    })
}

/// The delivery that a view proves; `None` if there is no such channel.
///
/// If the source knows that the receiver has more than the caller says, the
/// delivery begins behind that: the caller sees it by the first number.
async fn delivery(
    chain: &ChainHandle,
    view: &CertifiedView,
    known: Known,
) -> Result<Option<Delivery>, NodeError> {
    let Some(proof) = view.leaves.get(&known.peer) else { return Ok(None) };
    let through = proof.leaf.sent_sequence;
    let portion = if through > known.after {
        chain.messages(MessageRange { peer: known.peer, after: known.after, through }).await?
    } else {
        let first_sequence = known.after + 1;
        Some(Portion { first_sequence, messages: Vec::new(), tail: Vec::new() })
    };
    Ok(portion.map(|portion| Delivery {
        first_sequence: portion.first_sequence,
        messages: portion.messages,
        tail: portion.tail,
        leaf: proof.leaf,
        path: proof.path.clone(),
        channels: proof.channels,
        header: view.header.clone(),
        certificate: view.certificate.clone(),
    }))
}
