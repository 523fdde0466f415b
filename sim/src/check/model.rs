//! Every outcome and every total is what the reference model says.

use tributary_chain::{Body, Header};
use tributary_ledger::{BlockOutcomes, Ledger};

use crate::cluster::Cluster;
use crate::model::{Model, Rules};

/// See the module head.
pub struct Predicted {
    model: Model,
    /// Blocks of all chains after which a whole state is compared; outcomes and
    /// channels are compared in each.
    every: u64,
    blocks: u64,
}

impl Predicted {
    /// The model of a cluster at height 0; a whole state is compared after so
    /// many blocks.
    pub fn new(cluster: &Cluster, every: u64) -> Self {
        Self { model: Model::new(Rules::from(&cluster.genesis)), every, blocks: 0 }
    }

    /// A block was executed for the first time.
    ///
    /// # Errors
    /// What is not as predicted.
    pub fn executed(
        &mut self,
        header: &Header,
        body: &Body,
        outcomes: &BlockOutcomes,
    ) -> Result<(), String> {
        let followed = self.model.follow(body, header, outcomes);
        followed.map(|_| ()).map_err(|difference| difference.to_string())
    }

    /// The newest state of a chain: its channels, and now and then all of it.
    ///
    /// # Errors
    /// What is not as predicted.
    pub fn state(&mut self, ledger: &Ledger) -> Result<(), String> {
        self.blocks += 1;
        if self.blocks.is_multiple_of(self.every) {
            return self.whole(ledger);
        }
        self.model.compare_cursors(ledger).map_err(|difference| difference.to_string())
    }

    /// The newest state of a chain, when everything is over.
    ///
    /// # Errors
    /// What is not as predicted.
    pub fn whole(&self, ledger: &Ledger) -> Result<(), String> {
        self.model.compare(ledger).map_err(|difference| difference.to_string())
    }
}
