//! Replicas execute equal headers at every height, each on top of the one
//! before; block time never goes back.

use std::collections::BTreeMap;

use tributary_chain::Header;
use tributary_types::{BlockHeight, ChainId, Hash};

use crate::cluster::Cluster;

/// See the module head.
pub struct Agreement {
    cluster: Hash,
    /// By height, from 1 on; each with its hash.
    chains: BTreeMap<ChainId, Vec<(Header, Hash)>>,
}

impl Agreement {
    /// Nothing was executed yet.
    pub fn new(cluster: &Cluster) -> Self {
        Self { cluster: cluster.hash, chains: BTreeMap::new() }
    }

    /// The height of a chain, as far as any replica executed it.
    pub fn height(&self, chain: ChainId) -> BlockHeight {
        BlockHeight::new(self.chains.get(&chain).map_or(0, Vec::len) as u64)
    }

    /// A replica executed a header. Returns whether it is the first to do so.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn executed(&mut self, header: &Header, node: u16) -> Result<bool, String> {
        let headers = self.chains.entry(header.chain).or_default();
        let place = || format!("node {node} chain {} height {}", header.chain, header.height);
        let Some(index) = header.height.get().checked_sub(1) else {
            return Err(format!("{}: a block at height 0", place()));
        };
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some((first, _)) = headers.get(index) {
            return if first == header {
                Ok(false)
            } else {
                Err(format!("{}: executed {header:?}, others {first:?}", place()))
            };
        }
        if index != headers.len() {
            return Err(format!("{}: {} was executed before", place(), headers.len()));
        }
        if let Some((before, hash)) = headers.last() {
            if header.parent != *hash {
                return Err(format!("{}: the parent is not the header before", place()));
            }
            if header.time < before.time {
                return Err(format!("{}: time went back from {}", place(), before.time));
            }
        }
        headers.push((header.clone(), header.hash(&self.cluster)));
        Ok(true)
    }

    /// The hash of a header, whether it was executed or not.
    pub fn hash(&self, header: &Header) -> Hash {
        match self.executed_at(header.chain, header.height) {
            Some((executed, hash)) if executed == header => *hash,
            _ => header.hash(&self.cluster),
        }
    }

    /// Whether a header is one that was executed.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn known(&self, header: &Header, node: u16) -> Result<(), String> {
        let executed = self.executed_at(header.chain, header.height).map(|(header, _)| header);
        if executed == Some(header) || header.height == BlockHeight::new(0) {
            return Ok(());
        }
        let (chain, height) = (header.chain, header.height);
        Err(format!("node {node} chain {chain} height {height}: {header:?}, executed {executed:?}"))
    }

    fn executed_at(&self, chain: ChainId, height: BlockHeight) -> Option<&(Header, Hash)> {
        let index = usize::try_from(height.get().checked_sub(1)?).ok()?;
        self.chains.get(&chain)?.get(index)
    }
}
