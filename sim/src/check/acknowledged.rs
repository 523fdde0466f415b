//! What somebody was told is durable on a quorum when it is told, stands in the
//! block that it names, and is told the same way again.

use std::collections::BTreeMap;

use tributary_chain::Header;
use tributary_ledger::BlockOutcomes;
use tributary_types::{BlockHeight, ChainId, OutcomeCode, Receipt};

use crate::cluster::Cluster;
use crate::disk::Disk;
use crate::model::ids::is_kept;
use crate::orders::OrderNumber;

/// See the module head.
#[derive(Debug)]
pub struct Acknowledged {
    quorum: usize,
    /// Every block, by height.
    blocks: BTreeMap<(ChainId, BlockHeight), Block>,
    /// The highest block of which receipts were told.
    told: BTreeMap<ChainId, BlockHeight>,
    /// Told of a block whose execution is the replica's next effect.
    early: Vec<Told>,
}

/// Receipts that somebody was told.
#[derive(Debug, Clone)]
pub struct Told {
    /// The chain.
    pub chain: ChainId,
    /// The block.
    pub height: BlockHeight,
    /// Index in the block of the first one.
    pub first_index: u32,
    /// What was told.
    pub receipts: Vec<Receipt>,
}

#[derive(Debug)]
struct Block {
    header: Header,
    body: Vec<u8>,
    receipts: Vec<Receipt>,
}

impl Acknowledged {
    /// Nothing was told yet.
    pub fn new(cluster: &Cluster) -> Self {
        let quorum = usize::from(cluster.replicas() / 2 + 1);
        Self { quorum, blocks: BTreeMap::new(), told: BTreeMap::new(), early: Vec::new() }
    }

    /// The height up to which receipts were told.
    pub fn height(&self, chain: ChainId) -> BlockHeight {
        self.told.get(&chain).copied().unwrap_or(BlockHeight::new(0))
    }

    /// A block was executed for the first time.
    ///
    /// # Errors
    /// What is wrong with what was told of it already.
    pub fn executed(
        &mut self,
        header: &Header,
        body: &[u8],
        outcomes: &BlockOutcomes,
        disks: &[Disk],
    ) -> Result<(), String> {
        let (header, body, receipts) = (header.clone(), body.to_vec(), outcomes.receipts.clone());
        self.blocks.insert((header.chain, header.height), Block { header, body, receipts });
        std::mem::take(&mut self.early).into_iter().try_for_each(|told| self.told(told, disks))
    }

    /// Receipts are told.
    ///
    /// # Errors
    /// What is wrong with that.
    pub fn told(&mut self, told: Told, disks: &[Disk]) -> Result<(), String> {
        let Told { chain, height, first_index, ref receipts } = told;
        let Some(block) = self.blocks.get(&(chain, height)) else {
            self.early.push(told);
            return Ok(());
        };
        let place = || format!("chain {chain} height {height} from {first_index}");
        let first = usize::try_from(first_index).unwrap_or(usize::MAX);
        let stands = block.receipts.get(first..first.saturating_add(receipts.len()));
        if stands != Some(receipts.as_slice()) {
            return Err(format!("{}: told {receipts:?}, the block says {stands:?}", place()));
        }
        let holds = |disk: &&Disk| disk.holds_block(&block.header, &block.body);
        let durable = disks.iter().filter(holds).count();
        if durable < self.quorum {
            return Err(format!("{}: told when durable on {durable} of {}", place(), self.quorum));
        }
        let highest = self.told.entry(chain).or_insert(height);
        *highest = height.max(*highest);
        Ok(())
    }

    /// Everything is over.
    ///
    /// # Errors
    /// What was told of a block that nobody executed.
    pub fn finish(&self) -> Result<(), String> {
        self.early
            .first()
            .map_or(Ok(()), |told| Err(format!("nobody executed the block of {told:?}")))
    }
}

/// An order that had a definite outcome was asked for again.
///
/// # Errors
/// If the answer is another one. An id that is too old by now may be refused as
/// such, and what says nothing about the order itself may change.
pub fn asked_again(
    order: OrderNumber,
    known: OutcomeCode,
    code: OutcomeCode,
) -> Result<(), String> {
    let may_change = !is_kept(known) || code == OutcomeCode::Expired;
    if known == code || may_change || !is_kept(code) {
        return Ok(());
    }
    Err(format!("order {order} was {known}, asked again it is {code}"))
}
