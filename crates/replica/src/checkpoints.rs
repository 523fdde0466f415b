//! When a checkpoint is due. One at a time; the first one is the whole state.

use crate::config::Limits;

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
}

impl Checkpoints {
    pub fn new(limits: Limits, has_base: bool) -> Self {
        Self { limits, blocks: 0, bytes: 0, saving: None, has_base }
    }

    /// A block was executed.
    pub fn executed(&mut self, body_bytes: usize) {
        self.blocks += 1;
        self.bytes += body_bytes;
    }

    /// Whether a checkpoint is to be saved now.
    pub fn is_due(&self) -> bool {
        let grown = self.bytes >= self.limits.checkpoint_after_bytes
            || self.blocks >= self.limits.checkpoint_after_blocks;
        self.saving.is_none() && grown
    }

    /// A checkpoint at `index` is being saved. Returns whether it must be the
    /// whole state.
    pub fn begin(&mut self, index: u64) -> bool {
        self.blocks = 0;
        self.bytes = 0;
        self.saving = Some(index);
        !std::mem::replace(&mut self.has_base, true)
    }

    /// A checkpoint is durable.
    pub fn saved(&mut self, index: u64) {
        self.saving = self.saving.filter(|saving| *saving > index);
    }
}
