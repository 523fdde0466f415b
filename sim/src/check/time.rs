//! Block time follows the validators' clocks, and no single wrong one drags it
//! into the future.

use tributary_chain::Header;
use tributary_types::TimeMs;

use crate::scenario::Scenario;
use crate::world::HEAL_US_MAX;

/// What clocks may be ahead beside what the scenario allows.
const SPARE_MS: u64 = 1_000;

/// See the module head.
#[derive(Debug)]
pub struct Time {
    ahead_ms_max: u64,
}

impl Time {
    /// What the clocks of a scenario allow, the one that is far off aside.
    pub const fn new(scenario: &Scenario) -> Self {
        let clock = &scenario.profile.clock;
        let run_ms_max = scenario.faulty_ms + HEAL_US_MAX / 1_000;
        let drift_ms_max = clock.drift_ppm_max * run_ms_max / 1_000_000;
        Self { ahead_ms_max: clock.offset_ms_max + drift_ms_max + SPARE_MS }
    }

    /// A block was executed when the true time was `now`.
    ///
    /// # Errors
    /// If it says that it is later than that.
    pub fn executed(&self, header: &Header, now: TimeMs) -> Result<(), String> {
        let ahead_ms = header.time.since_ms(now);
        if ahead_ms <= self.ahead_ms_max {
            return Ok(());
        }
        let (chain, height, most) = (header.chain, header.height, self.ahead_ms_max);
        Err(format!("chain {chain} height {height} is {ahead_ms} ms ahead, at most {most} may be"))
    }
}
