//! Who drives a chain: its own thread, or for a moment whoever brings an input
//! ([ADR 0020](../../../../docs/adr/0020-who-brings-an-input-drives.md)).
//!
//! Waking a thread takes as long as half a sync of the log, and a payment that comes
//! alone had to wake six on its way through a leader and its followers. So whoever
//! brings a small input to a chain that has nothing else to do carries it out as far
//! as others wait for it: until a leader's entry is on its way to the followers, until
//! a follower's confirmation is, until the callers have their receipts. What is left
//! the chain's thread does, which is woken for it.
//!
//! One of them drives at a time: a lock sees to that. Whoever finds it held, or the
//! chain with more to do, puts the input into the thread's queue.

use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use crossbeam_channel::{Receiver, Select, Sender, TrySendError, bounded};

use super::input::{PeerInput, Request};
use super::thread::{ChainFault, ChainThread, End, Queues};
use crate::stop::StopState;

/// Something for a chain that whoever brings it may carry out.
#[derive(Debug)]
pub enum Input {
    /// Of another validator.
    Peer(PeerInput),
    /// Of the server.
    Request(Request),
}

/// See the module head.
pub struct Seat {
    /// None until the chain's thread has begun, and once it has ended.
    chain: Mutex<Option<ChainThread>>,
    nudge: Sender<()>,
    nudged: Receiver<()>,
}

impl Default for Seat {
    fn default() -> Self {
        let (nudge, nudged) = bounded(1);
        Self { chain: Mutex::default(), nudge, nudged }
    }
}

impl Seat {
    /// Drives a chain until the process stops: the work of its thread.
    ///
    /// # Errors
    /// [`ChainFault`]: the process must end.
    pub fn run(&self, thread: ChainThread) -> Result<(), ChainFault> {
        let chain = thread.chain;
        let queues = thread.queues.clone();
        *self.lock() = Some(thread);
        let ended = self.work(&queues);
        *self.lock() = None;
        match ended {
            Ok(()) | Err(End::Gone) => Ok(()),
            Err(End::Fatal(fatality)) => Err(ChainFault::Stopped { chain, fatality }),
            Err(End::Storage(fault)) => Err(ChainFault::Storage(fault)),
        }
    }

    fn work(&self, queues: &Queues) -> Result<(), End> {
        loop {
            let patience = {
                let mut seat = self.lock();
                let Some(chain) = seat.as_mut() else { return Ok(()) };
                if let Some(end) = chain.ended.take() {
                    return Err(end);
                }
                match chain.stop.state() {
                    StopState::Running => chain.step()?,
                    StopState::Stopping => return chain.leave(),
                    StopState::Killed => return Ok(()),
                }
            };
            if let Some(patience) = patience {
                self.wait(queues, patience);
            }
        }
    }

    /// Carries an input out as far as others wait for it, if the chain is free for
    /// it; else gives it back.
    pub fn try_take(&self, input: Input) -> Option<Input> {
        let mut seat = match self.chain.try_lock() {
            Ok(seat) => seat,
            // The chain's thread finds out why, and ends the process.
            Err(TryLockError::Poisoned(_) | TryLockError::WouldBlock) => return Some(input),
        };
        let Some(chain) = seat.as_mut().filter(|chain| chain.is_free_for(&input)) else {
            return Some(input);
        };
        if chain.take_as_guest(input) {
            self.nudge();
        }
        None
    }

    fn nudge(&self) {
        match self.nudge.try_send(()) {
            // One nudge is as good as two.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<ChainThread>> {
        self.chain.lock().expect("whoever drove the chain did not panic")
    }

    /// Waits for an input, or a nudge. Whether a nudge came, which is taken.
    fn wait(&self, queues: &Queues, patience: Duration) -> bool {
        let mut select = Select::new();
        select.recv(&queues.completions);
        select.recv(&queues.peers);
        select.recv(&queues.requests);
        let nudged = select.recv(&self.nudged);
        // Waking is all that it is for.
        select.ready_timeout(patience) == Ok(nudged) && self.nudged.try_recv().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_chain_and_while_somebody_drives_an_input_comes_back() {
        let seat = Seat::default();
        let comes_back = |seat: &Seat| {
            let back = seat.try_take(Input::Request(Request::CertificateWanted));
            matches!(back, Some(Input::Request(Request::CertificateWanted)))
        };
        assert!(comes_back(&seat));
        let driven = seat.lock();
        assert!(comes_back(&seat));
        drop(driven);
    }

    #[test]
    fn a_nudge_ends_a_wait_once() {
        let seat = Seat::default();
        let (_completed, completions) = bounded(1);
        let (_peer, peers) = bounded(1);
        let (_request, requests) = bounded(1);
        let (space, space_wanted) = bounded(1);
        let queues = Queues { completions, peers, requests, space_wanted };
        let long = Duration::from_secs(60);
        seat.nudge();
        seat.nudge();
        assert!(seat.wait(&queues, long));
        assert!(seat.nudged.is_empty());
        assert!(!seat.wait(&queues, Duration::ZERO));
        assert!(!queues.take_space_wanted());
        space.send(()).unwrap();
        assert!(queues.take_space_wanted());
        drop(space);
        assert!(!queues.take_space_wanted(), "nobody can want space any more");
    }
}
