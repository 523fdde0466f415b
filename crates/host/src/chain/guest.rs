//! What whoever brings an input carries out: see [`super::seat`].

use std::time::Instant;

use tributary_replica::{Effect, PeerMessage};
use tributary_types::Encode as _;

use super::effects::{OWN_BYTES_MAX, Progress};
use super::input::{PeerInput, Request};
use super::seat::Input;
use super::thread::{ChainThread, End, Outputs};
use crate::stop::StopState;

impl ChainThread {
    /// Whether whoever brings this input may carry it out: it is small, and there is
    /// nothing else to do that would take long.
    pub(super) fn is_free_for(&self, input: &Input) -> bool {
        let is_small = match input {
            Input::Peer(PeerInput::Message { message, .. }) => match message {
                PeerMessage::Raft(message) => message.entries_bytes() <= OWN_BYTES_MAX,
                PeerMessage::Vote(_) | PeerMessage::Clock(_) => true,
                _ => false,
            },
            Input::Request(Request::Submit { batch, .. }) => {
                batch.owner_signatures.is_empty() && batch.bytes_estimate() <= OWN_BYTES_MAX
            }
            _ => false,
        };
        let has_room = |used: usize, capacity: Option<usize>| {
            capacity.is_none_or(|capacity| used < capacity / 2)
        };
        let Outputs { archive, log_jobs, .. } = &self.outputs;
        is_small
            && self.progress == Progress::Idle
            && self.stop.state() == StopState::Running
            && self.queues.are_empty()
            && has_room(archive.len(), archive.capacity())
            && has_room(log_jobs.len(), log_jobs.capacity())
            && self.replica.is_at_rest(OWN_BYTES_MAX)
    }

    /// Carries out what others wait for after an input. Whether the thread must go on.
    pub(super) fn take_as_guest(&mut self, input: Input) -> bool {
        self.is_guest = true;
        self.tell_time();
        match input {
            Input::Peer(input) => self.take_peer(input),
            Input::Request(request) => self.take_request(request),
        }
        let carried_out = self.carry_out_awaited();
        self.is_guest = false;
        match carried_out {
            Ok(progress) => self.progress = progress,
            Err(end) => {
                self.ended = Some(end);
                return true;
            }
        }
        self.publish();
        self.progress == Progress::Busy || Instant::now() + self.patience() < self.wakes_at
    }

    /// Polls as far as others wait for it. Left are a leader's own write, as followers
    /// have theirs to do meanwhile, what follows receipts, and what a follower has to
    /// execute.
    fn carry_out_awaited(&mut self) -> Result<Progress, End> {
        loop {
            let leads = self.replica.is_leader();
            if !leads && self.replica.is_about_to_execute() {
                return Ok(Progress::Busy);
            }
            match self.replica.poll_effect() {
                None => return Ok(Progress::Idle),
                Some(effect @ Effect::Persist(..)) if leads => {
                    self.left = Some(effect);
                    return Ok(Progress::Busy);
                }
                Some(effect @ Effect::Reply { .. }) => {
                    self.carry_out(effect)?;
                    return Ok(Progress::Busy);
                }
                Some(effect) => self.carry_out(effect)?,
            }
        }
    }
}
