//! Outcomes: what a block did to each payment and operation, in order.
//!
//! First comes every item of the body, then the *late* outcomes: payments of
//! earlier blocks that were decided in this one (a waiting refund, a transfer
//! whose answer came back) and transfers of other chains that were credited or
//! refused here. The index in that order is the outcome's position in its
//! block and its leaf in the receipts tree.

use tributary_chain::merkle::TreeCommitment;
use tributary_chain::{Body, DenseTree, Operation};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{Domain, Hash, PaymentRecord, Position, Receipt};

use crate::leaves::{Leaves, leaf};

/// Receipts of one block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlockOutcomes {
    /// One for each item of the body: per batch its operations, then its
    /// payments.
    pub receipts: Vec<Receipt>,
    /// Outcomes of payments that are not in the body.
    pub late: Vec<(PaymentRecord, Receipt)>,
}

/// What an outcome is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A payment of the body, or of an earlier one, or of another chain.
    Payment(&'a PaymentRecord),
    /// An operation of the body.
    Operation(&'a Operation),
}

impl BlockOutcomes {
    /// Number of outcomes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.receipts.len() + self.late.len()
    }

    /// Whether the block decided nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.receipts.is_empty() && self.late.is_empty()
    }

    /// Every outcome of the block, in order of position. `body` is the block's.
    pub fn iter<'a>(&'a self, body: &'a Body) -> impl Iterator<Item = (Subject<'a>, &'a Receipt)> {
        let late = self.late.iter().map(|(record, receipt)| (Subject::Payment(record), receipt));
        subjects(body).zip(&self.receipts).chain(late)
    }

    /// The outcome at `index`, if the block has so many. `body` is the block's.
    #[must_use]
    pub fn get<'a>(&'a self, body: &'a Body, index: u32) -> Option<(Subject<'a>, &'a Receipt)> {
        self.iter(body).nth(index as usize)
    }

    /// The receipts tree. `body` is the block's.
    #[must_use]
    pub fn tree(&self, body: &Body) -> DenseTree {
        DenseTree::from_leaves(self.leaves(body))
    }

    /// The root of the receipts tree with its count. `body` is the block's.
    #[must_use]
    pub fn commitment(&self, body: &Body) -> TreeCommitment {
        TreeCommitment::of(self.leaves(body))
    }

    fn leaves(&self, body: &Body) -> Vec<Hash> {
        let mut leaves = Leaves::new(Domain::Outcome, self.len());
        for (subject, receipt) in self.iter(body) {
            leaves.push(|out| encode_outcome(subject, receipt, out));
        }
        leaves.finish()
    }
}

/// `receipts_root` of a header: the receipts tree with its count.
#[must_use]
pub fn receipts_root(tree: &TreeCommitment) -> Hash {
    Domain::Outcome.hash_value(tree)
}

/// The leaf of one outcome in the receipts tree: the hash of a tag byte, the
/// payment record or operation, and the receipt, padded with zeros to a multiple
/// of 64 bytes.
#[must_use]
pub fn outcome_leaf(subject: Subject<'_>, receipt: &Receipt) -> Hash {
    let mut bytes = Vec::new();
    encode_outcome(subject, receipt, &mut bytes);
    leaf(Domain::Outcome, bytes)
}

/// Every item of a body, in order of execution.
fn subjects(body: &Body) -> impl Iterator<Item = Subject<'_>> {
    body.batches.iter().flat_map(|batch| {
        let operations = batch.operations.iter().map(Subject::Operation);
        operations.chain(batch.payments.iter().map(Subject::Payment))
    })
}

#[inline]
fn encode_outcome(subject: Subject<'_>, receipt: &Receipt, out: &mut Vec<u8>) {
    subject.encode(out);
    receipt.encode(out);
}

impl Subject<'_> {
    /// Appends a tag byte and the canonical bytes.
    #[inline]
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Payment(record) => {
                out.push(1);
                record.encode(out);
            }
            Self::Operation(operation) => {
                out.push(2);
                operation.encode(out);
            }
        }
    }
}

impl Encode for BlockOutcomes {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(&self.receipts, out);
        encode_list(&self.late, out);
    }
}

impl Decode for BlockOutcomes {
    const BYTES_MIN: usize = 8;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let limit = Position::INDEX_LIMIT as usize;
        Ok(Self {
            receipts: decode_list(reader, "receipts", limit)?,
            late: decode_list(reader, "late outcomes", limit)?,
        })
    }
}
