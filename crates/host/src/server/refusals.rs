//! What is refused is counted always and logged once per peer and minute.

use tributary_transport::RefusalLog;

use crate::measure;

/// Counts and logs refusals.
#[derive(Debug, Default)]
pub struct Refusals(RefusalLog);

impl Refusals {
    /// Notes that `peer` was refused for `reason`.
    pub fn note(&self, peer: &str, reason: &str) {
        measure::refused();
        self.0.warn(peer, reason);
    }
}
