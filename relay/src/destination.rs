//! The way into one chain: deliveries of all sources, joined.
//!
//! One request is under way at a time; what arrives meanwhile goes together
//! with the next one, so that one block takes up what many chains have.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tributary_chain::Delivery;
use tributary_types::Encode as _;
use tributary_wire::node::{DELIVERIES_PER_REQUEST_MAX, NodeReply, NodeRequest};
use tributary_wire::{Canonical, MESSAGE_BYTES_MAX};

use crate::replicas::Replicas;

/// Deliveries that wait for a chain; each channel has at most one.
pub const PARCELS_MAX: usize = 1_024;
/// Most bytes of deliveries in one request; several requests' worth of other
/// bytes fit beside them.
const REQUEST_BYTES_MAX: usize = MESSAGE_BYTES_MAX / 2;

/// The cursor after a delivery, or why it was not taken.
pub type Outcome = Result<u64, String>;

/// One delivery on its way.
#[derive(Debug)]
pub struct Parcel {
    /// What is carried.
    pub delivery: Delivery,
    /// Who waits for it.
    pub done: oneshot::Sender<Outcome>,
}

/// Takes parcels to a chain's leader until nobody sends any more.
pub async fn run(replicas: Arc<Replicas>, mut parcels: mpsc::Receiver<Parcel>) {
    let mut left_over = None;
    while let Some(first) = match left_over.take() {
        Some(parcel) => Some(parcel),
        None => parcels.recv().await,
    } {
        let mut bytes = first.delivery.to_bytes().len();
        let mut gathered = vec![first];
        while gathered.len() < DELIVERIES_PER_REQUEST_MAX
            && let Ok(next) = parcels.try_recv()
        {
            bytes += next.delivery.to_bytes().len();
            if bytes > REQUEST_BYTES_MAX {
                left_over = Some(next);
                break;
            }
            gathered.push(next);
        }
        take(&replicas, gathered).await;
    }
}

async fn take(replicas: &Replicas, gathered: Vec<Parcel>) {
    let (deliveries, waiting): (Vec<_>, Vec<_>) =
        gathered.into_iter().map(|parcel| (Canonical(parcel.delivery), parcel.done)).unzip();
    let count = waiting.len();
    let request = NodeRequest::Deliver { chain: replicas.chain(), deliveries };
    let outcomes = match replicas.ask_leader(&request).await {
        Ok(NodeReply::Delivered(outcomes)) if outcomes.len() == count => outcomes,
        Ok(_) => vec![Err("the answer is not one of a delivery".to_owned()); count],
        Err(error) => vec![Err(error.to_string()); count],
    };
    for (done, outcome) in waiting.into_iter().zip(outcomes) {
        if done.send(outcome).is_err() {
            tracing::debug!("a courier left before its delivery was answered");
        }
    }
}
