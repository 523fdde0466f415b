//! How long whoever repeats a request waits before the next attempt: doubling,
//! with jitter, so that many do not come back together.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Wait after the first failure.
const WAIT_MS_MIN: u64 = 5;
/// Longest wait that is not asked for by the other side.
const WAIT_MS_MAX: u64 = 500;
/// Longest wait that the other side can ask for.
const HINT_MS_MAX: u64 = 5_000;

/// Waits of one series of attempts.
#[derive(Debug)]
pub struct Backoff {
    wait_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

impl Backoff {
    /// Before the first failure.
    #[must_use]
    pub const fn new() -> Self {
        Self { wait_ms: WAIT_MS_MIN }
    }

    /// Begins anew after progress.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Waits at least as long as the other side suggests, in ms, but not beyond
    /// `deadline`.
    pub async fn wait(&mut self, hint_ms: u64, deadline: Instant) {
        let wait_ms = self.next_ms(hint_ms, rand::random());
        sleep_until(deadline.min(Instant::now() + Duration::from_millis(wait_ms))).await;
    }

    /// Between the larger of hint and own wait and one and a half times that.
    fn next_ms(&mut self, hint_ms: u64, entropy: u64) -> u64 {
        let least = self.wait_ms.max(hint_ms.min(HINT_MS_MAX));
        self.wait_ms = (self.wait_ms * 2).min(WAIT_MS_MAX);
        least + entropy % (least / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_bound_and_respect_hints() {
        let mut backoff = Backoff::new();
        let waits: Vec<u64> = (0..9).map(|_| backoff.next_ms(0, 0)).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 320, 500, 500]);
        backoff.reset();
        assert_eq!(backoff.next_ms(100, 50), 150);
        assert_eq!(backoff.next_ms(u64::MAX, 0), HINT_MS_MAX);
    }
}
