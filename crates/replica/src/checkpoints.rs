//! When a checkpoint is due, and how much of the log stays behind it. One at a
//! time; the first one is the whole state.
//!
//! Saving one takes a core for a good part of a second. The replicas of a chain
//! execute the same bytes, and so would all save at once, and with them those of
//! other chains that are as busy; so each has its [`turn`] in the interval.

use tributary_types::ChainId;

use crate::config::Limits;

/// Chains that take turns; those of equal number modulo this one have the same.
const CHAINS_IN_TURN: usize = 4;

/// A checkpoint that is due after so many bytes of bodies, or so many blocks, is near.
const NEAR_BYTES: usize = 1 << 20;
const NEAR_BLOCKS: u64 = 16;

/// See the module head.
#[derive(Debug)]
pub(crate) struct Checkpoints {
    limits: Limits,
    blocks: u64,
    bytes: usize,
    /// Index of the checkpoint that is being saved.
    saving: Option<u64>,
    /// Whether storage holds a complete state that changed pages add to.
    has_base: bool,
    /// Index of the last durable checkpoint; 0 for none.
    durable: u64,
    /// The log's files take too much space: no tail is kept behind the next
    /// checkpoint.
    space_wanted: bool,
    /// Every block is to be behind a checkpoint as soon as possible.
    each_wanted: bool,
}

impl Checkpoints {
    /// Which are due as if so many bytes had been executed before, with the
    /// index of the restored checkpoint, if there was one.
    pub fn new(limits: Limits, bytes: usize, restored: Option<u64>) -> Self {
        Self {
            limits,
            blocks: 0,
            bytes,
            saving: None,
            has_base: restored.is_some(),
            durable: restored.unwrap_or(0),
            space_wanted: false,
            each_wanted: false,
        }
    }

    /// A block was executed.
    pub fn executed(&mut self, body_bytes: usize) {
        self.blocks += 1;
        self.bytes += body_bytes;
    }

    /// Whether a checkpoint is to be saved now.
    pub fn is_due(&self) -> bool {
        let grown = self.bytes >= self.limits.checkpoint_after_bytes
            || self.blocks >= self.limits.checkpoint_after_blocks
            || ((self.space_wanted || self.each_wanted) && self.blocks > 0);
        self.saving.is_none() && grown
    }

    /// Whether one may be due after the next few blocks.
    pub fn is_near(&self) -> bool {
        self.bytes.saturating_add(NEAR_BYTES) >= self.limits.checkpoint_after_bytes
            || self.blocks.saturating_add(NEAR_BLOCKS) >= self.limits.checkpoint_after_blocks
            || self.space_wanted
            || self.each_wanted
    }

    /// A checkpoint at `index` is being saved. Returns whether it must be the
    /// whole state.
    pub fn begin(&mut self, index: u64) -> bool {
        self.blocks = 0;
        self.bytes = 0;
        self.saving = Some(index);
        !std::mem::replace(&mut self.has_base, true)
    }

    /// Every block is to be behind a checkpoint as soon as possible.
    pub fn want_each(&mut self) {
        self.each_wanted = true;
    }

    /// Whether all executed blocks are behind a durable checkpoint.
    pub fn is_complete(&self) -> bool {
        self.saving.is_none() && self.blocks == 0
    }

    /// The log's files take too much space.
    pub fn want_space(&mut self) {
        self.space_wanted = true;
    }

    /// A checkpoint is durable. Returns the bytes of entries to keep behind it.
    pub fn saved(&mut self, index: u64) -> usize {
        self.saving = self.saving.filter(|saving| *saving > index);
        self.durable = self.durable.max(index);
        let is_last = self.is_complete();
        let tail_bytes = if self.space_wanted { 0 } else { self.limits.log_tail_bytes };
        self.space_wanted &= !is_last;
        tail_bytes
    }

    /// Index of the last durable checkpoint; 0 for none.
    pub fn durable(&self) -> u64 {
        self.durable
    }
}

/// How many bytes of `interval` the first checkpoint of this replica comes
/// before it is over.
pub(crate) fn turn(interval: usize, chain: ChainId, validator: u16, validators: usize) -> usize {
    let turns = CHAINS_IN_TURN * validators.max(1);
    let turn = usize::from(chain.get()) % CHAINS_IN_TURN * validators + usize::from(validator);
    interval / turns * turn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_of_a_few_chains_take_turns() {
        let mut turns = Vec::new();
        for chain in 1..=4 {
            turns.extend((0..3).map(|validator| turn(1_200, ChainId::new(chain), validator, 3)));
        }
        turns.sort_unstable();
        assert_eq!(turns, (0..12).map(|turn| 100 * turn).collect::<Vec<_>>());
        let mut checkpoints =
            Checkpoints::new(limits(), limits().checkpoint_after_bytes - 150, None);
        assert!(!executed(&mut checkpoints, 1));
        assert!(executed(&mut checkpoints, 1));
    }

    fn limits() -> Limits {
        let (checkpoint_after_blocks, log_tail_bytes) = (10, 500);
        Limits { checkpoint_after_blocks, log_tail_bytes, ..Limits::default() }
    }

    fn executed(checkpoints: &mut Checkpoints, blocks: u64) -> bool {
        (0..blocks).for_each(|_| checkpoints.executed(100));
        checkpoints.is_due()
    }

    #[test]
    fn one_is_saved_at_a_time_and_the_first_is_complete() {
        let mut checkpoints = Checkpoints::new(limits(), 0, None);
        assert!(!executed(&mut checkpoints, 9));
        assert!(executed(&mut checkpoints, 1));
        assert!(checkpoints.begin(10));
        assert!(!executed(&mut checkpoints, 10), "one is being saved");
        assert_eq!(checkpoints.saved(10), 500);
        assert!(checkpoints.is_due());
        assert!(!checkpoints.begin(20));
        assert!(!Checkpoints::new(limits(), 0, Some(7)).begin(17));
    }

    #[test]
    fn a_checkpoint_is_near_some_blocks_before_it_is_due() {
        let limits = Limits { checkpoint_after_blocks: NEAR_BLOCKS + 2, ..limits() };
        let mut checkpoints = Checkpoints::new(limits, 0, Some(1));
        assert!(!executed(&mut checkpoints, 1) && !checkpoints.is_near());
        assert!(!executed(&mut checkpoints, 1) && checkpoints.is_near());
        checkpoints.begin(2);
        assert!(!checkpoints.is_near());
        checkpoints.want_space();
        assert!(checkpoints.is_near());
    }

    #[test]
    fn when_each_is_wanted_no_block_stays_outside() {
        let mut checkpoints = Checkpoints::new(limits(), 0, None);
        checkpoints.want_each();
        assert!(!checkpoints.is_due() && checkpoints.is_complete(), "there is nothing to save");
        assert!(executed(&mut checkpoints, 1));
        checkpoints.begin(1);
        assert!(!executed(&mut checkpoints, 1) && !checkpoints.is_complete());
        assert_eq!(checkpoints.saved(1), 500, "the tail stays for those who are behind");
        assert!(checkpoints.is_due() && !checkpoints.is_complete());
        checkpoints.begin(2);
        checkpoints.saved(2);
        assert!(checkpoints.is_complete());
    }

    #[test]
    fn wanted_space_brings_the_next_one_forward_and_leaves_no_tail() {
        let mut checkpoints = Checkpoints::new(limits(), 0, None);
        checkpoints.want_space();
        assert!(!checkpoints.is_due(), "there is nothing to save");
        assert!(executed(&mut checkpoints, 1));
        checkpoints.begin(1);
        assert_eq!(checkpoints.saved(1), 0);
        assert!(!executed(&mut checkpoints, 1), "space was made");
    }
}
