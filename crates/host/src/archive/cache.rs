//! Recently read blocks, bounded by what they hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_types::BlockHeight;

use crate::archive::block::Block;

/// Weight of a block beside its outcomes.
const BLOCK_WEIGHT: usize = 8;

/// Least recently used blocks leave first.
#[derive(Debug)]
pub struct BlockCache {
    blocks: BTreeMap<BlockHeight, (u64, Arc<Block>)>,
    /// Moment of last use to height.
    by_use: BTreeMap<u64, BlockHeight>,
    moment: u64,
    weight: usize,
    weight_max: usize,
}

impl BlockCache {
    /// An empty cache for blocks with about `payments_max` payments.
    #[must_use]
    pub const fn new(payments_max: usize) -> Self {
        Self {
            blocks: BTreeMap::new(),
            by_use: BTreeMap::new(),
            moment: 0,
            weight: 0,
            weight_max: payments_max,
        }
    }

    /// The block, which now is the most recently used.
    pub fn get(&mut self, height: BlockHeight) -> Option<Arc<Block>> {
        self.moment += 1;
        let (used, block) = self.blocks.get_mut(&height)?;
        self.by_use.remove(used);
        *used = self.moment;
        self.by_use.insert(self.moment, height);
        Some(block.clone())
    }

    /// Keeps a block, if it is not too large for the cache.
    pub fn put(&mut self, block: Arc<Block>) {
        let (height, weight) = (block.header.height, weight_of(&block));
        if weight > self.weight_max || self.blocks.contains_key(&height) {
            return;
        }
        self.moment += 1;
        self.weight += weight;
        self.blocks.insert(height, (self.moment, block));
        self.by_use.insert(self.moment, height);
        while self.weight > self.weight_max
            && let Some((_, oldest)) = self.by_use.pop_first()
            && let Some((_, block)) = self.blocks.remove(&oldest)
        {
            self.weight -= weight_of(&block);
        }
    }
}

fn weight_of(block: &Block) -> usize {
    block.outcome_count() + BLOCK_WEIGHT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::block::samples::stored_block;

    fn block(height: u64) -> Arc<Block> {
        Arc::new(Block::decode(&stored_block(height, height, vec![], vec![])).unwrap())
    }

    fn holds(cache: &mut BlockCache, height: u64) -> bool {
        cache.get(BlockHeight::new(height)).is_some()
    }

    #[test]
    fn the_least_recently_used_block_leaves_first() {
        let mut cache = BlockCache::new(2 * BLOCK_WEIGHT);
        cache.put(block(1));
        cache.put(block(2));
        assert!(holds(&mut cache, 1));
        cache.put(block(3));
        assert!(holds(&mut cache, 1) && holds(&mut cache, 3) && !holds(&mut cache, 2));
        assert_eq!((cache.weight, cache.by_use.len()), (2 * BLOCK_WEIGHT, 2));
    }

    #[test]
    fn what_is_too_large_or_known_is_not_put() {
        let mut cache = BlockCache::new(BLOCK_WEIGHT - 1);
        cache.put(block(1));
        assert!(!holds(&mut cache, 1));
        let mut cache = BlockCache::new(4 * BLOCK_WEIGHT);
        cache.put(block(1));
        cache.put(block(1));
        assert_eq!(cache.weight, BLOCK_WEIGHT);
    }
}
