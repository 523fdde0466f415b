//! Stopping in order: leadership goes to another validator, and what was
//! executed into a checkpoint.
//!
//! ```text
//! handle_resign              until !is_leader(), or !hears_quorum(), or a while
//! handle_checkpoint_wanted   until is_checkpointed(), or a while
//! ```
//!
//! Neither is needed for safety: a replica may stop at any moment. Without the
//! first the others miss their leader for an election timeout; without the
//! second the next start executes again what no checkpoint holds.

use crate::effect::Effect;
use crate::peer::{Farewell, PeerMessage};
use crate::replica::Replica;

impl Replica {
    /// Hands leadership over, accepts no more requests, and tells the other
    /// validators that this one leaves. Blocks in flight are still answered.
    pub fn handle_resign(&mut self) {
        if self.is_stopped() {
            return;
        }
        self.resigning = true;
        if self.is_leader() {
            self.refuse_waiting();
        }
        self.hand_over();
        self.drive();
        for to in self.others() {
            self.emit(Effect::Send { to, message: PeerMessage::Farewell(Farewell) });
        }
    }

    /// Whether enough validators for a decision, this one included, are there
    /// as far as it knows. Without them nothing commits and nobody else leads.
    #[must_use]
    pub fn hears_quorum(&self) -> bool {
        let validators = self.ledger.validator_set().keys().len();
        2 * (validators - self.gone.len()) > validators
    }

    /// Saves a checkpoint now and with every block that is still executed. The
    /// log keeps its tail for those who are behind.
    pub fn handle_checkpoint_wanted(&mut self) {
        if self.is_stopped() {
            return;
        }
        self.checkpoints.want_each();
        self.save_checkpoint_if_due();
    }

    /// Whether every executed block is behind a durable checkpoint, so that a
    /// start would execute none of them again.
    #[must_use]
    pub fn is_checkpointed(&self) -> bool {
        self.checkpoints.is_complete()
    }

    /// Asks a validator that is there to lead.
    pub(crate) fn hand_over(&mut self) {
        if self.is_leader() {
            self.engine.transfer_leadership(&self.gone);
        }
    }
}
