//! Those who lie: relays, one validator of each chain, a router, clients.
//!
//! What they do is what their position allows: a relay brings what it likes, a
//! validator signs with its own key what it likes, a router sends batches where
//! it likes, a client signs once and sends twice. None of them holds another's
//! key, and nobody tampers with consensus, which trusts validators to follow
//! its protocol. Each lie is counted when it is told, and only if it says
//! something else than the truth.

pub mod clients;
mod messages;
pub mod relays;
pub mod routers;
pub mod validators;

use std::sync::Arc;

use tributary_chain::Delivery;

use crate::stage::Stage;

pub use validators::lying_validator;

/// Deliveries, batches and so on that liars keep to bring them again, of each.
const KEPT_MAX: usize = 24;
/// How much of a message is its beginning, in bytes.
const NEAR_BYTES: usize = 400;

/// What liars remember.
#[derive(Debug, Default)]
pub struct Memory {
    deliveries: Vec<Arc<Delivery>>,
    seen: clients::Seen,
}

/// Now and then a bit of what a relay or a client sends flips; whether it did.
pub fn garble(bytes: &mut [u8], stage: &mut Stage) -> bool {
    let chance = stage.scenario.profile.liars.client;
    let garbles = !stage.healing && stage.liar_prng.happens(chance);
    if garbles {
        let prng = &mut stage.liar_prng;
        // Most lengths and tags are near the beginning.
        let reach = if prng.below(2) == 0 { bytes.len().min(NEAR_BYTES) } else { bytes.len() };
        let place = prng.index(reach);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << prng.below(8);
        }
    }
    garbles
}
