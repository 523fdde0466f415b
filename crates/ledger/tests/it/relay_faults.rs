//! What goes wrong between chains, and what happens instead: at least one test
//! for each line of the design's list.

mod certificates;
mod life;
mod order;
mod sources;

use tributary_chain::{Delivery, InboxError};

use crate::harness::{HF, World};

/// The delivery is refused at admission and in execution, and nothing changes.
fn check_refused(world: &mut World, delivery: Delivery) -> InboxError {
    let admitted = world.ledger(HF).admit_delivery(&delivery);
    let before = world.ledger(HF).channel_status();
    let merchants: Vec<_> = world.ledger(HF).merchants().collect();
    let refused = world.deliver(HF, delivery).unwrap_err();
    assert_eq!(admitted, Err(refused.clone()));
    assert_eq!(world.ledger(HF).channel_status(), before);
    assert_eq!(world.ledger(HF).merchants().collect::<Vec<_>>(), merchants);
    refused
}
