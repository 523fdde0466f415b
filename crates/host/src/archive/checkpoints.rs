//! Checkpoints are saved by a thread of their own, as the archive hands them over:
//! what is executed meanwhile is archived meanwhile. Saving one takes a good part of
//! a second, in which a node that catches up executes more blocks than the archive's
//! queue holds; a chain that finds that full hears nobody until there is room.

use std::time::Instant;

use crossbeam_channel::{Receiver, Sender};
use tributary_replica::store::{Checkpoint, CheckpointStore, StorageFault};

use crate::chain::Completion;
use crate::measure;

/// A checkpoint to be saved; all blocks up to it are put.
#[derive(Debug)]
pub struct CheckpointJob {
    /// The state.
    pub checkpoint: Checkpoint,
    /// Whether it is the whole state.
    pub complete: bool,
    /// The chain's thread, which is answered when it is durable.
    pub done: Sender<Completion>,
}

/// Saves until the archive's thread has ended.
///
/// # Errors
/// The first [`StorageFault`].
pub fn run(
    mut store: Box<dyn CheckpointStore>,
    jobs: &Receiver<CheckpointJob>,
) -> Result<(), StorageFault> {
    while let Ok(CheckpointJob { checkpoint, complete, done }) = jobs.recv() {
        let started = Instant::now();
        store.save(checkpoint.header.chain, &checkpoint, complete)?;
        measure::checkpointed(&checkpoint, started.elapsed());
        if done.send(Completion::Checkpointed(checkpoint.index)).is_err() {
            tracing::debug!("a chain's thread ended before its checkpoint was saved");
        }
    }
    Ok(())
}
