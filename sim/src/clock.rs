//! The clocks of one node: they drift, and the wall clock jumps.

use tributary_replica::Now;
use tributary_types::TimeMs;

use crate::prng::Prng;
use crate::profile::ClockManners;

/// What a true wall clock shows when a run begins.
pub const START: TimeMs = TimeMs::new(1_800_000_000_000);

/// See the module head. Survives the process.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Parts per million that it runs too fast; below zero too slow.
    drift_ppm: i64,
    /// How far the wall clock is ahead of the truth.
    offset_ms: i64,
}

impl Clock {
    /// A clock that is off as far as these manners allow.
    #[must_use]
    pub fn new(manners: &ClockManners, prng: &mut Prng) -> Self {
        Self {
            drift_ppm: signed(prng, manners.drift_ppm_max),
            offset_ms: signed(prng, manners.offset_ms_max),
        }
    }

    /// What both clocks show at `now_us` in a process that began at `began_us`.
    #[must_use]
    pub fn now(&self, now_us: u64, began_us: u64) -> Now {
        let right = START.plus_ms(self.elapsed_ms(now_us)).get();
        Now {
            wall: TimeMs::new(right.saturating_add_signed(self.offset_ms)),
            monotonic_ms: self.elapsed_ms(now_us - began_us),
        }
    }

    /// The wall clock is set wrong: by up to `most_ms`, to the beginning of
    /// time, or to its end.
    pub fn jump(&mut self, most_ms: u64, prng: &mut Prng) {
        self.offset_ms = match prng.below(8) {
            0 => i64::MIN,
            1 => i64::MAX,
            _ => signed(prng, most_ms),
        };
    }

    /// Somebody sets the clock right; it drifts on.
    pub const fn repair(&mut self) {
        self.offset_ms = 0;
    }

    fn elapsed_ms(&self, us: u64) -> u64 {
        let correction = i64::try_from(us).unwrap_or(i64::MAX) / 1_000 * self.drift_ppm / 1_000_000;
        (us / 1_000).saturating_add_signed(correction)
    }
}

/// A number from `-most` to `most`.
fn signed(prng: &mut Prng, most: u64) -> i64 {
    let most = i64::try_from(most).unwrap_or(i64::MAX / 2);
    let drawn = prng.below(most.unsigned_abs() * 2 + 1);
    i64::try_from(drawn).unwrap_or(i64::MAX) - most
}

/// What a true wall clock shows.
#[must_use]
pub fn true_time(now_us: u64) -> TimeMs {
    START.plus_ms(now_us / 1_000)
}
