//! How many payments a second one front-end may send. Pure: the caller brings
//! the clock.
//!
//! A bucket fills at the quota's rate, up to one second's worth. A request is
//! let in if the bucket is not empty and may overdraw it, so that a request
//! larger than the quota passes too; the front-end then waits until the debt
//! is paid.

use std::time::{Duration, Instant};

/// One front-end's bucket.
#[derive(Debug, Clone)]
pub struct Quota {
    payments_per_second: u32,
    /// When the bucket would be exactly empty: past if it holds something,
    /// future if it is overdrawn.
    empty_at: Instant,
}

impl Quota {
    /// A full bucket.
    #[must_use]
    pub fn new(payments_per_second: u32, now: Instant) -> Self {
        let payments_per_second = payments_per_second.max(1);
        let empty_at = now.checked_sub(BUCKET).unwrap_or(now);
        Self { payments_per_second, empty_at }
    }

    /// Takes `payments` from the bucket, or says how long to wait.
    ///
    /// # Errors
    /// The time until the bucket is no longer empty.
    pub fn take(&mut self, payments: usize, now: Instant) -> Result<(), Duration> {
        let debt = self.empty_at.saturating_duration_since(now);
        if !debt.is_zero() {
            return Err(debt);
        }
        let full = now.checked_sub(BUCKET).unwrap_or(self.empty_at);
        let payments = u32::try_from(payments).unwrap_or(u32::MAX);
        let cost = Duration::from_secs(1).saturating_mul(payments) / self.payments_per_second;
        self.empty_at = self.empty_at.max(full) + cost;
        Ok(())
    }
}

/// What a full bucket holds, as time at the quota's rate.
const BUCKET: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_bucket_is_a_second_and_may_be_overdrawn_once() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut quota = Quota::new(100, start);
        assert_eq!(quota.take(40, start), Ok(()));
        assert_eq!(quota.take(160, start), Ok(()));
        assert_eq!(quota.take(1, start), Err(Duration::from_secs(1)));
        assert_eq!(
            quota.take(1, start + Duration::from_millis(999)),
            Err(Duration::from_millis(1))
        );
        assert_eq!(quota.take(1, start + Duration::from_secs(1)), Ok(()));
    }

    #[test]
    fn idle_time_fills_no_more_than_the_bucket() {
        let start = Instant::now() + Duration::from_secs(10);
        let mut quota = Quota::new(100, start);
        let later = start + Duration::from_secs(3_600);
        assert_eq!(quota.take(200, later), Ok(()));
        assert_eq!(quota.take(1, later), Err(Duration::from_secs(1)));
    }
}
