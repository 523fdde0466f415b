//! Tests of slots, placement and routing, in one binary.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod placement;
mod route;
mod table;

use tributary_types::{ChainId, Slot};

/// The chain of HF accounts in these tests; never one of the user chains.
const HF_CHAIN: ChainId = ChainId::new(900);

fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

fn every_slot() -> impl Iterator<Item = Slot> {
    (0..Slot::COUNT).map(slot)
}
