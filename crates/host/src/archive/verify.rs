//! Whether blocks that a peer serves are those of the chain. Nothing of them is
//! believed: each header must have the hash that the block above it names as
//! its parent, body and outcomes must have the roots that the header names, and
//! a certificate must be the genesis validators'. So whoever holds one header
//! that is right tells a right block from any other.

use thiserror::Error;
use tributary_chain::{Body, CertificateError, Header, ValidatorSet};
use tributary_ledger::outcome::receipts_root;
use tributary_replica::store::{StorageFault, StoredBlock};
use tributary_types::{BlockHeight, ChainId, Hash};
use tributary_wire::node::ArchivedBlock;

use crate::archive::block::Block;

/// What is known of a chain without any of its blocks.
#[derive(Debug, Clone)]
pub struct ChainRules {
    /// The chain.
    pub chain: ChainId,
    /// Hash of the genesis.
    pub cluster: Hash,
    /// Who signs its headers.
    pub validators: ValidatorSet,
}

/// Why a block is not the chain's. The peer that served it is wrong or lies.
#[derive(Debug, Error)]
pub enum ForgedBlock {
    /// More blocks than were asked for.
    #[error("{found} blocks, {asked} were asked for")]
    TooMany {
        /// How many were asked for.
        asked: u64,
        /// How many came.
        found: usize,
    },
    /// Another header than the one above it follows.
    #[error("block {height}: header {found}, the one above follows {expected}")]
    Header {
        /// Where.
        height: BlockHeight,
        /// What the header above names, or what was executed here.
        expected: Hash,
        /// The hash of the header served.
        found: Hash,
    },
    /// Another body than the header names.
    #[error("block {height}: body {found}, the header names {expected}")]
    Body {
        /// Where.
        height: BlockHeight,
        /// What the header names.
        expected: Hash,
        /// The hash of the body served.
        found: Hash,
    },
    /// Other outcomes than the header names.
    #[error("block {height}: outcomes {found}, the header names {expected}")]
    Outcomes {
        /// Where.
        height: BlockHeight,
        /// What the header names.
        expected: Hash,
        /// The root over the outcomes served.
        found: Hash,
    },
    /// Body and outcomes do not decode, or do not belong together.
    #[error("{0}")]
    Malformed(StorageFault),
    /// A certificate that does not hold.
    #[error("block {height}: certificate: {error}")]
    Certificate {
        /// Where.
        height: BlockHeight,
        /// Why.
        error: CertificateError,
    },
}

impl ChainRules {
    /// The hash of a header of this cluster.
    #[must_use]
    pub fn hash(&self, header: &Header) -> Hash {
        header.hash(&self.cluster)
    }

    /// Checks blocks that descend from the header with hash `top`; at most
    /// `asked` of them.
    ///
    /// # Errors
    /// [`ForgedBlock`] for the first that is not the chain's.
    pub fn check(
        &self,
        blocks: &[ArchivedBlock],
        top: Hash,
        asked: u64,
    ) -> Result<(), ForgedBlock> {
        let found = blocks.len();
        if found as u64 > asked {
            return Err(ForgedBlock::TooMany { asked, found });
        }
        let mut expected = top;
        for block in blocks {
            self.check_one(block, expected)?;
            expected = block.header.parent;
        }
        Ok(())
    }

    fn check_one(&self, served: &ArchivedBlock, expected: Hash) -> Result<(), ForgedBlock> {
        let header = &served.header;
        let (height, found) = (header.height, self.hash(header));
        if found != expected {
            return Err(ForgedBlock::Header { height, expected, found });
        }
        let (expected, found) = (header.body_root, Body::root_of_bytes(&served.body));
        if found != expected {
            return Err(ForgedBlock::Body { height, expected, found });
        }
        let block = Block::decode(&stored(served)).map_err(ForgedBlock::Malformed)?;
        let receipts = block.outcomes.commitment(&block.body);
        let (expected, found) = (header.receipts_root, receipts_root(&receipts));
        if found != expected {
            return Err(ForgedBlock::Outcomes { height, expected, found });
        }
        match &served.certificate {
            Some(certificate) => certificate
                .verify(&self.cluster, header, &self.validators)
                .map_err(|error| ForgedBlock::Certificate { height, error }),
            None => Ok(()),
        }
    }
}

/// The block as it is kept.
#[must_use]
pub fn stored(served: &ArchivedBlock) -> StoredBlock {
    StoredBlock {
        header: served.header.clone(),
        body: served.body.clone().into(),
        outcomes: served.outcomes.clone().into(),
    }
}

#[cfg(test)]
pub(crate) mod samples {
    //! A chain of blocks that fit together, made by hand.

    use super::*;
    use crate::archive::block::samples::{committed, stored_block};
    use tributary_chain::Certificate;
    use tributary_chain::certificate::Vote;
    use tributary_types::codec::decode_exact;
    use tributary_types::{OutcomeCode as Code, PaymentId, SigningKey, TimeMs};

    pub fn keys() -> Vec<SigningKey> {
        (1..=3).map(|seed| SigningKey::from_seed([seed; 32])).collect()
    }

    pub fn rules() -> ChainRules {
        let keys = keys().iter().map(SigningKey::public).collect();
        ChainRules {
            chain: ChainId::new(1),
            cluster: Hash::ZERO,
            validators: ValidatorSet::new(0, keys).unwrap(),
        }
    }

    pub fn id(height: u64) -> PaymentId {
        PaymentId::new(TimeMs::new(1_000 * height), [7; 10])
    }

    /// Blocks 1 to `last`, ascending, with one payment each; every second one
    /// has a certificate.
    pub fn chain(last: u64) -> Vec<ArchivedBlock> {
        let rules = rules();
        let mut parent = Hash::ZERO;
        let block = |height: u64| {
            let StoredBlock { mut header, body, outcomes } =
                stored_block(height, 1_000 * height, vec![committed(id(height))], vec![]);
            let tree = decode_exact::<tributary_ledger::BlockOutcomes>(&outcomes)
                .unwrap()
                .tree(&decode_exact(&body).unwrap());
            header.parent = parent;
            header.validator_set = rules.validators.hash();
            header.body_root = Body::root_of_bytes(&body);
            header.receipts_root = receipts_root(&tree.commitment());
            parent = rules.hash(&header);
            let vote = |(number, key)| Vote::sign(number, key, &parent);
            let votes = (0..).zip(&keys()[..2]).map(vote).collect();
            let certificate = height.is_multiple_of(2).then_some(Certificate { votes });
            let (body, outcomes) = (body.into(), outcomes.into());
            ArchivedBlock { header, body, outcomes, certificate }
        };
        (1..=last).map(block).collect()
    }

    /// A block forged in every way, with what its refusal names.
    pub fn forgeries(block: &ArchivedBlock) -> Vec<(&'static str, ArchivedBlock)> {
        let forge = |change: &dyn Fn(&mut ArchivedBlock)| {
            let mut forged = block.clone();
            change(&mut forged);
            forged
        };
        let height = block.header.height.get();
        let other = stored_block(height, 5, vec![committed(id(77))], vec![]);
        let refused = stored_block(height, 5, vec![(id(height), Code::Unauthorized)], vec![]);
        let stranger = SigningKey::from_seed([9; 32]);
        let hash = rules().hash(&block.header);
        let votes = (0..2).map(|number| Vote::sign(number, &stranger, &hash)).collect();
        let certificate = Certificate { votes };
        vec![
            ("header", forge(&|block| block.header.time = TimeMs::new(1))),
            ("body", forge(&|block| block.body = other.body.to_vec())),
            ("outcomes", forge(&|block| block.outcomes = refused.outcomes.to_vec())),
            ("corrupt", forge(&|block| block.outcomes.truncate(1))),
            ("certificate", forge(&|block| block.certificate = Some(certificate.clone()))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::samples::*;
    use super::*;

    fn check(blocks: &[ArchivedBlock], asked: u64) -> Result<(), ForgedBlock> {
        let whole = chain(6);
        rules().check(blocks, rules().hash(&whole[5].header), asked)
    }

    #[test]
    fn blocks_that_descend_from_a_known_header_are_the_chains() {
        let descending: Vec<_> = chain(6).into_iter().rev().collect();
        for count in 0..=6 {
            check(&descending[..count], 6).unwrap();
        }
        let too_many = check(&descending, 5);
        assert!(matches!(too_many, Err(ForgedBlock::TooMany { asked: 5, found: 6 })));
        let below = check(&descending[1..], 6);
        assert!(matches!(below, Err(ForgedBlock::Header { .. })), "another block than asked for");
    }

    #[test]
    fn a_forged_block_at_any_place_is_told_by_what_is_wrong_with_it() {
        let descending: Vec<_> = chain(6).into_iter().rev().collect();
        for place in 0..6 {
            for (wrong, forged) in forgeries(&descending[place]) {
                let mut served = descending.clone();
                served[place] = forged;
                let error = check(&served, 6).unwrap_err().to_string();
                assert!(error.contains(wrong), "{wrong} at {place}: {error}");
            }
        }
    }
}
