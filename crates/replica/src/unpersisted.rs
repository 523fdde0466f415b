//! Steps of raft that are not durable yet, in order.
//!
//! A step's messages wait here until it and all before it are durable. A step
//! that installs a snapshot waits for the checkpoint first, and so do all
//! writes behind it: the log is never cut before the state that stands for it
//! is safe.

use std::collections::VecDeque;

use raft::eraftpb::Message;

use crate::store::LogWrite;

/// One step of raft.
#[derive(Debug)]
pub(crate) struct Step {
    /// raft's number of the step.
    pub number: u64,
    /// What the log must hold before the step is durable.
    pub write: Option<LogWrite>,
    /// Index of the snapshot that the step installs.
    pub installs: Option<u64>,
    /// Not to be sent before the step is durable.
    pub messages: Vec<Message>,
}

/// A step that became durable.
#[derive(Debug)]
pub(crate) struct Durable {
    pub number: u64,
    pub installed: Option<u64>,
    pub messages: Vec<Message>,
}

#[derive(Debug)]
enum WriteState {
    /// Not handed out yet.
    Held(LogWrite),
    /// Handed out.
    Issued,
    /// Durable, or nothing to write.
    Done,
}

#[derive(Debug)]
struct Waiting {
    durable: Durable,
    write: WriteState,
    /// Index of the checkpoint that must be durable before the write.
    checkpoint: Option<u64>,
}

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Unpersisted {
    steps: VecDeque<Waiting>,
    /// Number of the last step.
    last_number: u64,
}

impl Unpersisted {
    pub fn push(&mut self, step: Step) {
        let Step { number, write, installs, messages } = step;
        self.last_number = number;
        self.steps.push_back(Waiting {
            durable: Durable { number, installed: installs, messages },
            write: write.map_or(WriteState::Done, WriteState::Held),
            checkpoint: installs,
        });
    }

    /// Number of the last step: a write that belongs to no step goes by it.
    pub fn last_number(&self) -> u64 {
        self.last_number
    }

    /// Whether a snapshot is in the log in memory and not durable yet.
    pub fn is_installing(&self) -> bool {
        self.steps.iter().any(|step| step.durable.installed.is_some())
    }

    /// All writes up to `number` are durable.
    pub fn persisted(&mut self, number: u64) {
        for step in self.steps.iter_mut().take_while(|step| step.durable.number <= number) {
            if matches!(step.write, WriteState::Issued) {
                step.write = WriteState::Done;
            }
        }
    }

    /// A checkpoint at `index` is durable.
    pub fn checkpointed(&mut self, index: u64) {
        for step in &mut self.steps {
            step.checkpoint = step.checkpoint.filter(|needed| *needed > index);
        }
    }

    /// Writes that may go out now, with their numbers.
    pub fn issue(&mut self) -> Vec<(u64, LogWrite)> {
        let mut issued = Vec::new();
        for step in self.steps.iter_mut().take_while(|step| step.checkpoint.is_none()) {
            if let WriteState::Held(write) = &mut step.write {
                issued.push((step.durable.number, std::mem::take(write)));
                step.write = WriteState::Issued;
            }
        }
        issued
    }

    /// The oldest step, once it is durable.
    pub fn take_durable(&mut self) -> Option<Durable> {
        let is_durable = |step: &mut Waiting| {
            step.checkpoint.is_none() && matches!(step.write, WriteState::Done)
        };
        self.steps.pop_front_if(is_durable).map(|step| step.durable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(number: u64, writes: bool, installs: Option<u64>) -> Step {
        let write = writes.then(LogWrite::default);
        Step { number, write, installs, messages: Vec::new() }
    }

    fn queue(steps: impl IntoIterator<Item = Step>) -> Unpersisted {
        let mut queue = Unpersisted::default();
        steps.into_iter().for_each(|step| queue.push(step));
        queue
    }

    fn issued(queue: &mut Unpersisted) -> Vec<u64> {
        queue.issue().into_iter().map(|(number, _)| number).collect()
    }

    fn durable(queue: &mut Unpersisted) -> Vec<u64> {
        std::iter::from_fn(|| queue.take_durable()).map(|step| step.number).collect()
    }

    #[test]
    fn a_step_without_a_write_waits_for_those_before_it() {
        let mut queue = queue([step(1, true, None), step(2, false, None)]);
        assert_eq!(issued(&mut queue), [1]);
        assert!(durable(&mut queue).is_empty());
        queue.persisted(1);
        assert_eq!(durable(&mut queue), [1, 2]);
    }

    #[test]
    fn a_number_covers_all_before_it_but_not_what_was_not_handed_out() {
        let mut queue = queue([step(1, true, None), step(2, true, None)]);
        queue.persisted(2);
        assert!(durable(&mut queue).is_empty(), "nothing was handed out yet");
        assert_eq!(issued(&mut queue), [1, 2]);
        queue.persisted(2);
        assert_eq!(durable(&mut queue), [1, 2]);
    }

    #[test]
    fn writes_behind_a_snapshot_wait_for_its_checkpoint() {
        let mut queue = queue([step(1, true, None), step(2, true, Some(50)), step(3, true, None)]);
        assert_eq!(issued(&mut queue), [1]);
        queue.checkpointed(49);
        assert!(issued(&mut queue).is_empty());
        assert!(queue.is_installing());
        queue.checkpointed(50);
        assert_eq!(issued(&mut queue), [2, 3]);
        queue.persisted(3);
        assert_eq!(durable(&mut queue), [1, 2, 3]);
        assert!(!queue.is_installing());
    }
}
