//! Blocks of the archive for other nodes, whose replicas lack them.

use tributary_replica::store::StoredBlock;
use tributary_types::BlockHeight;
use tributary_wire::node::{
    ArchivedBlock, BLOCKS_PER_REPLY_MAX, BLOCKS_REPLY_BYTES_MAX, NodeError,
};

use super::archive_reads::ArchiveReads;
use crate::archive::blocks::BlockReader;
use crate::archive::history::ReadError;
use crate::chain::ChainHandle;

/// What a header and a certificate of three take beside the rest, about.
const BLOCK_OVERHEAD_BYTES: usize = 512;

/// Blocks from `from` down to `to`, until one is not here or the reply is full.
///
/// # Errors
/// [`NodeError::Refused`] if `to` is above `from`; else as any read.
pub async fn blocks(
    reads: &ArchiveReads,
    chain: &ChainHandle,
    from: BlockHeight,
    to: BlockHeight,
) -> Result<Vec<ArchivedBlock>, NodeError> {
    if to > from {
        return Err(NodeError::Refused(format!("blocks from {from} down to {to}")));
    }
    let reader = chain.reader.clone();
    reads.run(chain, move |wanted| descend(&reader, from, to, &|| wanted.is_wanted())).await
}

fn descend(
    reader: &BlockReader,
    from: BlockHeight,
    to: BlockHeight,
    is_wanted: &dyn Fn() -> bool,
) -> Result<Vec<ArchivedBlock>, ReadError> {
    let (mut blocks, mut bytes) = (Vec::new(), 0);
    for height in (to.get()..=from.get()).rev().take(BLOCKS_PER_REPLY_MAX) {
        if !is_wanted() {
            return Err(ReadError::Abandoned);
        }
        let height = BlockHeight::new(height);
        let Some(block) = reader.stored(height)? else { break };
        bytes += block.body.len() + block.outcomes.len() + BLOCK_OVERHEAD_BYTES;
        if bytes > BLOCKS_REPLY_BYTES_MAX && !blocks.is_empty() {
            break;
        }
        let certified = reader.certificate_from(height)?;
        let certified = certified.filter(|(header, _)| *header == block.header);
        let StoredBlock { header, body, outcomes } = block;
        let certificate = certified.map(|(_, certificate)| certificate);
        let (body, outcomes) = (body.into(), outcomes.into());
        blocks.push(ArchivedBlock { header, body, outcomes, certificate });
    }
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::block::samples::{committed, replica_with, stored_block};
    use tributary_types::{PaymentId, TimeMs};

    fn heights(reader: &BlockReader, from: u64, to: u64) -> Vec<u64> {
        let (from, to) = (BlockHeight::new(from), BlockHeight::new(to));
        let blocks = descend(reader, from, to, &|| true).unwrap();
        blocks.iter().map(|block| block.header.height.get()).collect()
    }

    #[test]
    fn blocks_come_downwards_until_one_is_missing() {
        let blocks: Vec<_> =
            [1, 2, 5, 6, 7].iter().map(|at| stored_block(*at, 1_000, vec![], vec![])).collect();
        let reader = replica_with(&blocks);
        assert_eq!(heights(&reader, 7, 6), [7, 6]);
        assert_eq!(heights(&reader, 7, 0), [7, 6, 5]);
        assert_eq!(heights(&reader, 2, 0), [2, 1]);
        assert!(heights(&reader, 9, 1).is_empty());
        let abandoned = descend(&reader, BlockHeight::new(7), BlockHeight::new(6), &|| false);
        assert!(matches!(abandoned, Err(ReadError::Abandoned)));
    }

    #[test]
    fn a_reply_is_full_at_its_limit_but_never_empty() {
        let payments = |count: u32| {
            let mut entropy = [7; 10];
            let ids = (0..count).map(move |number| {
                entropy[..4].copy_from_slice(&number.to_be_bytes());
                committed(PaymentId::new(TimeMs::new(1_000), entropy))
            });
            ids.collect::<Vec<_>>()
        };
        let blocks: Vec<_> =
            (1..=4).map(|at| stored_block(at, 1_000, payments(5_000), vec![])).collect();
        let block_bytes = blocks[0].body.len() + blocks[0].outcomes.len();
        let fit = BLOCKS_REPLY_BYTES_MAX / block_bytes;
        assert!((1..4).contains(&fit), "{fit}");
        let reader = replica_with(&blocks);
        assert_eq!(heights(&reader, 4, 1).len(), fit);
        let late = [payments(8_000), payments(8_000), payments(8_000)].concat();
        let large = stored_block(1, 1_000, payments(8_000), late);
        assert!(large.body.len() + large.outcomes.len() > BLOCKS_REPLY_BYTES_MAX);
        assert_eq!(heights(&replica_with(&[large]), 1, 1), [1]);
    }
}
