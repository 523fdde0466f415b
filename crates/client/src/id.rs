//! New ids, and this machine's clock.
//!
//! An id's time must lie inside the chains' window when the payment arrives
//! (by default ten minutes back, one ahead), so an id is drawn when a payment
//! is about to be submitted, and kept for every resubmission.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng as _;
use tributary_types::{PaymentId, TimeMs};

/// This machine's wall clock.
#[must_use]
pub fn wall_clock() -> TimeMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    TimeMs::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// A fresh id: a UUIDv7 of the wall clock and 74 random bits from a generator
/// that the operating system seeds.
#[must_use]
pub fn new_payment_id() -> PaymentId {
    PaymentId::new(wall_clock(), rand::random())
}

/// So many fresh ids of one reading of the clock, which takes less than one by
/// one.
#[must_use]
pub fn new_payment_ids(count: usize) -> Vec<PaymentId> {
    let time = wall_clock();
    let mut entropy = vec![[0; 10]; count];
    rand::rng().fill_bytes(entropy.as_flattened_mut());
    entropy.into_iter().map(|entropy| PaymentId::new(time, entropy)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_carry_the_wall_clock_and_differ() {
        let before = wall_clock();
        let (one, other) = (new_payment_id(), new_payment_id());
        let after = wall_clock();
        assert!(before <= one.time() && one.time() <= after);
        assert_ne!(one, other);
    }

    #[test]
    fn ids_drawn_together_differ_too() {
        let before = wall_clock();
        let ids = new_payment_ids(1_000);
        assert!(ids.iter().all(|id| before <= id.time() && id.time() <= wall_clock()));
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 1_000);
        assert!(new_payment_ids(0).is_empty());
    }
}
