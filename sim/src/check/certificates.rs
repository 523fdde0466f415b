//! A certificate is of one chain's header, by distinct members of the chain's
//! set, a quorum of them. Written apart from the code that verifies it.

use std::collections::BTreeSet;

use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, Header, ValidatorSet};
use tributary_types::Hash;

use crate::cluster::Cluster;

/// See the module head.
#[derive(Debug, Default)]
pub struct Certificates {
    /// Votes whose signature was verified, with what they sign: every replica
    /// gives out its own certificate, of the same few votes.
    verified: BTreeSet<(Hash, u16, [u8; 64])>,
}

impl Certificates {
    /// Checks a certificate that a replica gives out; `hash` is its header's.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn certified(
        &mut self,
        header: &Header,
        hash: &Hash,
        certificate: &Certificate,
        cluster: &Cluster,
    ) -> Result<(), String> {
        let place = || format!("chain {} height {}", header.chain, header.height);
        let set = cluster.set(header.chain).ok_or_else(|| format!("{}: no such chain", place()))?;
        let mut signers = BTreeSet::new();
        for vote in &certificate.votes {
            if !self.signs(vote, hash, set) || !signers.insert(vote.validator) {
                let validator = vote.validator;
                return Err(format!("{}: the vote of {validator} does not count", place()));
            }
        }
        if signers.len() * 2 <= set.keys().len() {
            let (signed, of) = (signers.len(), set.keys().len());
            return Err(format!("{}: {signed} of {of} signed", place()));
        }
        Ok(())
    }

    fn signs(&mut self, vote: &Vote, hash: &Hash, set: &ValidatorSet) -> bool {
        let entry = (*hash, vote.validator, *vote.signature.as_bytes());
        if self.verified.contains(&entry) {
            return true;
        }
        let key = set.keys().get(usize::from(vote.validator));
        let signs = key.is_some_and(|key| key.verifies(hash, &vote.signature));
        if signs {
            self.verified.insert(entry);
        }
        signs
    }
}
