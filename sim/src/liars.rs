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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::run::run;
    use crate::scenario::{Given, Scenario};
    use crate::tally::Tally;

    /// Seeds within which each lie must have reached its check.
    const SEEDS: u64 = 6;

    #[test]
    fn every_lie_reaches_the_check_that_is_there_for_it() {
        let given = Given { profile: Profile::named("liars"), ..Given::default() };
        let mut tally = Tally::default();
        for seed in 1..=SEEDS {
            let report = run(&Scenario::draw(seed, &given), false).unwrap();
            assert_eq!(report.failure, None, "seed {seed}");
            tally.add(&report.tally);
        }
        let refused = clients::LIES.iter().map(|lie| lie.refused).chain([
            "routes refused: not proved",
            "moved: by a later table",
            "certificate refused: no quorum",
            "certificate refused: not ascending",
            "certificate refused: signature",
            "vote refused",
        ]);
        let never: Vec<_> = refused.filter(|what| tally.of(what) == 0).collect();
        assert!(never.is_empty(), "{never:?} in {SEEDS} seeds:\n{tally}");
    }
}
