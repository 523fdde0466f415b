//! How the process tells its threads to end.

use std::sync::atomic::{AtomicU8, Ordering};

/// What the threads are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopState {
    /// Work.
    Running,
    /// Hand over leadership, finish what is under way, end.
    Stopping,
    /// End at once, as if the power had failed.
    Killed,
}

/// Shared by all threads; only ever moves forward. Chain threads look at it at
/// least once a tick.
#[derive(Debug, Default)]
pub struct Stop(AtomicU8);

impl Stop {
    /// What to do now.
    #[must_use]
    pub fn state(&self) -> StopState {
        match self.0.load(Ordering::Relaxed) {
            0 => StopState::Running,
            1 => StopState::Stopping,
            _ => StopState::Killed,
        }
    }

    /// Begins an orderly stop.
    pub fn stop(&self) {
        self.0.fetch_max(1, Ordering::Relaxed);
    }

    /// Ends everything at once.
    pub fn kill(&self) {
        self.0.fetch_max(2, Ordering::Relaxed);
    }
}
