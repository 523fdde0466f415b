//! Every invariant of a ledger's state holds: what rows say after each block,
//! and now and then, and in the end, that all hashes are those of what they
//! stand for.

use tributary_ledger::Ledger;

/// See the module head.
#[derive(Debug)]
pub struct State {
    /// Blocks of all chains after which a whole state is hashed again.
    every: u64,
    blocks: u64,
}

impl State {
    /// No block was seen; a whole state is hashed after so many.
    pub const fn new(every: u64) -> Self {
        Self { every, blocks: 0 }
    }

    /// The newest state of a chain.
    ///
    /// # Errors
    /// Which invariant does not hold.
    pub fn state(&mut self, ledger: &Ledger) -> Result<(), String> {
        self.blocks += 1;
        if self.blocks.is_multiple_of(self.every) {
            return Self::whole(ledger);
        }
        ledger.validate_rows().map_err(|violation| violation.to_string())
    }

    /// The newest state of a chain with all its hashes.
    ///
    /// # Errors
    /// Which invariant does not hold.
    pub fn whole(ledger: &Ledger) -> Result<(), String> {
        ledger.validate().map_err(|violation| violation.to_string())
    }
}
