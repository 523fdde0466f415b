//! The backfill against peers that have, lack, hide or forge blocks.

use std::sync::Mutex;

use tributary_replica::store::BlockStore as _;
use tributary_storage::memory::{MemoryBlocks, MemoryDisk};

use super::*;
use crate::archive::verify::samples::{chain, forgeries, rules};
use crate::archive::verify::stored;

const BLOCKS: u64 = 20;
/// Blocks in one reply of a peer.
const BLOCKS_PER_REPLY: usize = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// A peer with these blocks; it keeps what it was asked for.
#[derive(Clone)]
struct Peer {
    blocks: Vec<ArchivedBlock>,
    asked: Arc<Mutex<Vec<RangeInclusive<u64>>>>,
}

impl Peer {
    fn with(blocks: Vec<ArchivedBlock>) -> Self {
        Self { blocks, asked: Arc::default() }
    }

    fn asked(&self) -> Vec<RangeInclusive<u64>> {
        self.asked.lock().unwrap().clone()
    }
}

impl BlockSource for Peer {
    fn name(&self) -> String {
        "a peer".to_owned()
    }

    async fn blocks(
        &self,
        within: RangeInclusive<BlockHeight>,
    ) -> Result<Vec<ArchivedBlock>, String> {
        let (low, high) = (within.start().get(), within.end().get());
        self.asked.lock().unwrap().push(low..=high);
        let Ok(top) = usize::try_from(high) else { return Err("too high".to_owned()) };
        let wanted = self.blocks.get(..top).ok_or("not here")?.iter().rev();
        let wanted = wanted.take_while(|block| block.header.height.get() >= low);
        Ok(wanted.take(BLOCKS_PER_REPLY).cloned().collect())
    }
}

/// An archive with some blocks of the chain, and its backfill.
struct Replica {
    store: MemoryBlocks,
    missing: Arc<MissingBlocks>,
    backfill: Backfill<Peer>,
}

impl Replica {
    fn with(heights: impl IntoIterator<Item = u64>, peers: Vec<Peer>) -> Self {
        let (store, whole) = (MemoryDisk::new().blocks(), chain(BLOCKS));
        let here = |height: u64| stored(&whole[usize::try_from(height).unwrap() - 1]);
        store.put_blocks(&heights.into_iter().map(here).collect::<Vec<_>>()).unwrap();
        let missing = Arc::new(MissingBlocks::default());
        missing.state_is_at(whole.last().unwrap().header.clone());
        let reader = BlockReader::new(rules().chain, Arc::new(store.clone()), 1_000);
        let backfill = Backfill::new(Means {
            rules: Arc::new(rules()),
            reader: Arc::new(reader),
            missing: Arc::clone(&missing),
            peers,
            refusals: Arc::default(),
        });
        Self { store, missing, backfill }
    }

    /// Runs until `is_enough`, which is asked whenever blocks were put.
    async fn run_until(self, is_enough: impl Fn(&MemoryBlocks) -> bool) -> MemoryBlocks {
        let mut fetched = self.missing.fetched();
        let store = self.store;
        let filled = async {
            while !is_enough(&store) {
                fetched.changed().await.unwrap();
            }
        };
        tokio::select! {
            ended = self.backfill.run() => panic!("{ended:?}"),
            filled = timeout(PATIENCE, filled) => filled.unwrap(),
        }
        store
    }

    async fn run(self) -> MemoryBlocks {
        self.run_until(|store| missing(store).is_empty()).await
    }
}

fn missing(store: &MemoryBlocks) -> Vec<u64> {
    let is_missing =
        |height: &u64| store.block(rules().chain, BlockHeight::new(*height)).unwrap().is_none();
    (1..=BLOCKS).filter(is_missing).collect()
}

/// Every block is the chain's.
fn check(store: &MemoryBlocks) {
    for block in chain(BLOCKS) {
        let found = store.block(rules().chain, block.header.height).unwrap();
        assert_eq!(found, Some(stored(&block)));
    }
}

fn certified(store: &MemoryBlocks) -> Vec<u64> {
    let is_certified = |height: &u64| {
        let found = store.certificate_from(rules().chain, BlockHeight::new(*height)).unwrap();
        found.is_some_and(|(header, _)| header.height.get() == *height)
    };
    (1..=BLOCKS).filter(is_certified).collect()
}

#[tokio::test]
async fn gaps_anywhere_are_filled_with_the_certificates_that_peers_have() {
    for here in [vec![], vec![1, 2, 3], vec![1, 2, 9, 10, 15, 20], (1..=19).collect()] {
        let lacking: Vec<_> = (1..=BLOCKS).filter(|height| !here.contains(height)).collect();
        let store = Replica::with(here, vec![Peer::with(chain(BLOCKS))]).run().await;
        check(&store);
        let expected: Vec<_> =
            lacking.into_iter().filter(|height| height.is_multiple_of(2)).collect();
        assert_eq!(certified(&store), expected);
    }
}

#[tokio::test]
async fn a_forged_block_is_not_believed_and_another_peer_is_asked() {
    let honest = chain(BLOCKS);
    for place in [12, 13, 19] {
        for (wrong, forged) in forgeries(&honest[place]) {
            let mut blocks = honest.clone();
            blocks[place] = forged;
            let liar = Peer::with(blocks);
            let peers = vec![liar.clone(), Peer::with(honest.clone())];
            let store = Replica::with(1..=5, peers).run().await;
            check(&store);
            assert!(!liar.asked().is_empty(), "{wrong}");
        }
    }
}

#[tokio::test]
async fn liars_alone_fill_nothing() {
    let mut liars = Vec::new();
    for (_, forged) in forgeries(&chain(BLOCKS)[19]) {
        let mut blocks = chain(BLOCKS);
        blocks[19] = forged;
        liars.push(Peer::with(blocks));
    }
    let asked = liars.clone();
    let replica = Replica::with(1..=5, liars);
    let (store, backfill) = (replica.store, replica.backfill);
    let each_was_asked_twice = async {
        while asked.iter().any(|liar| liar.asked().len() < 2) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        ended = backfill.run() => panic!("{ended:?}"),
        done = timeout(PATIENCE, each_was_asked_twice) => done.unwrap(),
    }
    assert_eq!(missing(&store), (6..=BLOCKS).collect::<Vec<_>>());
    assert!(certified(&store).is_empty());
}

#[tokio::test]
async fn what_was_left_at_an_end_is_found_after_a_restart() {
    let peer = Peer::with(chain(BLOCKS));
    let replica = Replica::with([1, 2, 12, 13], vec![peer.clone()]);
    let store = replica.run_until(|store| missing(store).len() < 12).await;
    let left = missing(&store);
    assert!(!left.is_empty());
    let here = (1..=BLOCKS).filter(|height| !left.contains(height));
    check(&Replica::with(here, vec![peer]).run().await);
}

#[tokio::test]
async fn what_a_reader_needs_is_fetched_first() {
    let peer = Peer::with(chain(BLOCKS));
    let replica = Replica::with([1, 2, 5, 10, 15, 20], vec![peer.clone()]);
    replica.missing.demand(BlockHeight::new(8));
    let store = replica.run().await;
    check(&store);
    assert_eq!(peer.asked().first().map(RangeInclusive::end), Some(&9));
}

#[tokio::test]
async fn a_gap_that_nobody_has_keeps_no_other_from_being_filled() {
    let pruned = Peer::with(chain(9));
    let replica = Replica::with([1, 2, 5, 10, 15, 20], vec![pruned]);
    let store = replica.run_until(|store| missing(store).first() == Some(&11)).await;
    assert_eq!(missing(&store), [11, 12, 13, 14, 16, 17, 18, 19]);
}

#[tokio::test]
async fn a_demand_for_what_is_here_or_does_not_exist_asks_nobody() {
    let peer = Peer::with(chain(BLOCKS));
    let replica = Replica::with(1..=BLOCKS, vec![peer.clone()]);
    let mut fetched = replica.missing.fetched();
    let (missing, backfill) = (replica.missing, replica.backfill);
    for height in [0, BLOCKS + 1, u64::MAX, 7] {
        missing.demand(BlockHeight::new(height));
    }
    tokio::select! {
        ended = backfill.run() => panic!("{ended:?}"),
        told = timeout(PATIENCE, fetched.changed()) => told.unwrap().unwrap(),
    }
    assert_eq!(*fetched.borrow(), BlockHeight::new(7));
    assert!(peer.asked().is_empty());
}
