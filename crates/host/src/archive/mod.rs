//! The archive: blocks, certificates and checkpoints, off the critical path.
//!
//! One thread writes in order of execution, and hands a checkpoint over to be saved
//! ([`checkpoints`]) after the blocks up to it were put. Its queue is bounded: when
//! the disk is slower than the chains, their threads wait, their queues fill, and
//! clients hear `overloaded`. Readers see a block from the moment it was executed: what
//! the thread has not put yet is held in [`blocks::BlockReader`]. What a replica
//! never executed, because it was caught up by a snapshot, [`backfill`] fetches.

pub mod backfill;
pub mod block;
pub mod blocks;
pub mod cache;
pub mod checkpoints;
pub mod descent;
pub mod gaps;
pub mod history;
pub mod id_times;
pub mod missing;
pub mod search;
pub mod verify;

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender};
use tributary_chain::{Certificate, Header};
use tributary_replica::ExecutedBlock;
use tributary_replica::store::{BlockStore, StorageFault, StoredBlock};
use tributary_types::Encode as _;

use crate::archive::blocks::BlockReader;
use crate::archive::checkpoints::CheckpointJob;
use crate::archive::id_times::IdTimes;
use crate::measure;

/// Most blocks put in one write.
const BLOCKS_PER_WRITE_MAX: usize = 64;

/// What the thread is asked to keep.
#[derive(Debug)]
pub enum ArchiveJob {
    /// An executed block.
    Block {
        /// Whose readers hold it until it is put.
        reader: Arc<BlockReader>,
        /// The block.
        block: Arc<ExecutedBlock>,
    },
    /// A certificate.
    Certificate {
        /// Whose readers hold it until it is put.
        reader: Arc<BlockReader>,
        /// The header certified.
        header: Header,
        /// The signatures.
        certificate: Certificate,
    },
    /// A checkpoint; answered when durable.
    Checkpoint(CheckpointJob),
}

/// Writes until every chain's thread has ended, or that of checkpoints, which tells
/// why itself.
///
/// # Errors
/// The first [`StorageFault`].
pub fn run(
    blocks: &dyn BlockStore,
    checkpoints: &Sender<CheckpointJob>,
    jobs: &Receiver<ArchiveJob>,
) -> Result<(), StorageFault> {
    let metrics = measure::ArchiveMetrics::new();
    while let Ok(first) = jobs.recv() {
        let mut gathered = vec![];
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                ArchiveJob::Block { reader, block } => gathered.push((reader, block)),
                ArchiveJob::Certificate { reader, header, certificate } => {
                    put_blocks(blocks, &mut gathered)?;
                    blocks.put_certificate(&header, &certificate)?;
                    reader.certificate_is_stored(header.height);
                }
                ArchiveJob::Checkpoint(job) => {
                    put_blocks(blocks, &mut gathered)?;
                    if checkpoints.send(job).is_err() {
                        return Ok(());
                    }
                }
            }
            if gathered.len() < BLOCKS_PER_WRITE_MAX {
                next = jobs.try_recv().ok();
            }
        }
        put_blocks(blocks, &mut gathered)?;
        metrics.depth(jobs.len());
    }
    Ok(())
}

fn put_blocks(
    store: &dyn BlockStore,
    gathered: &mut Vec<(Arc<BlockReader>, Arc<ExecutedBlock>)>,
) -> Result<(), StorageFault> {
    if gathered.is_empty() {
        return Ok(());
    }
    let stored: Vec<_> = gathered
        .iter()
        .map(|(_, block)| StoredBlock {
            header: block.header.clone(),
            body: block.body.clone(),
            outcomes: block.outcomes.to_bytes().into(),
        })
        .collect();
    store.put_blocks(&stored)?;
    for (reader, block) in gathered.drain(..) {
        let height = block.header.height;
        reader.block_is_stored(height);
        let times = IdTimes::of_executed(&block).map_err(|error| StorageFault::Corrupt {
            what: format!("executed block {height} of chain {}", reader.chain()),
            reason: error.to_string(),
        })?;
        reader.note_ids(height, times);
    }
    Ok(())
}
