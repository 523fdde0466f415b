//! What certifies a block: the lowest certificate at its height or above, and
//! the headers that lead there. Not every header is signed
//! ([`tributary_replica::signing`]); a signature stands for all before it.

use tributary_chain::certificate::DESCENDANTS_MAX;
use tributary_chain::{Certificate, Header};
use tributary_types::BlockHeight;

use crate::archive::blocks::BlockReader;
use crate::archive::history::ReadError;

/// A header, and what proves that a quorum signed it or a descendant of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certified {
    /// The header.
    pub header: Header,
    /// Those after it up to the signed one; none if that is itself.
    pub descendants: Vec<Header>,
    /// The signatures.
    pub certificate: Certificate,
}

/// What certifies the block at `height`; `None` if no quorum is known to have
/// signed it or one above it, and for a chain's beginning, which is no block.
///
/// # Errors
/// [`ReadError::Missing`] for a block that this replica lacks, with which its
/// certificate may come; [`ReadError::Uncertified`] if the signed header is
/// further away than a proof may reach.
pub fn certified(
    reader: &BlockReader,
    height: BlockHeight,
) -> Result<Option<Certified>, ReadError> {
    if height == BlockHeight::new(0) {
        return Ok(None);
    }
    let header = header_at(reader, height)?;
    let Some((signed, certificate)) = reader.certificate_from(height)? else { return Ok(None) };
    let distance = signed.height.get() - height.get();
    if distance > DESCENDANTS_MAX as u64 {
        return Err(ReadError::Uncertified { chain: reader.chain(), height });
    }
    let above = height.get() + 1..=signed.height.get();
    let descendants = above.map(|height| header_at(reader, BlockHeight::new(height)));
    let descendants = descendants.collect::<Result<_, _>>()?;
    Ok(Some(Certified { header, descendants, certificate }))
}

fn header_at(reader: &BlockReader, height: BlockHeight) -> Result<Header, ReadError> {
    reader.header(height)?.ok_or(ReadError::Missing { chain: reader.chain(), height })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tributary_replica::store::BlockStore as _;
    use tributary_storage::memory::MemoryDisk;

    use super::*;
    use crate::archive::verify::samples::{chain, rules};
    use crate::archive::verify::stored;

    fn at(height: u64) -> BlockHeight {
        BlockHeight::new(height)
    }

    /// Blocks of which every second one is signed, without those `left_out`.
    fn reader(last: u64, left_out: &[u64]) -> BlockReader {
        let store = MemoryDisk::new().blocks();
        for block in chain(last) {
            if left_out.contains(&block.header.height.get()) {
                continue;
            }
            store.put_blocks(&[stored(&block)]).unwrap();
            if let Some(certificate) = &block.certificate {
                store.put_certificate(&block.header, certificate).unwrap();
            }
        }
        BlockReader::new(rules().chain, Arc::new(store), 1_000)
    }

    #[test]
    fn a_block_is_certified_by_the_next_signature_at_or_above_it() {
        let reader = reader(5, &[]);
        for (height, descendants) in [(1, vec![2]), (2, vec![]), (3, vec![4]), (4, vec![])] {
            let found = certified(&reader, at(height)).unwrap().unwrap();
            let heights: Vec<_> = found.descendants.iter().map(|it| it.height.get()).collect();
            assert_eq!((found.header.height, heights), (at(height), descendants));
            let (cluster, set) = (rules().cluster, rules().validators);
            let Certified { header, descendants, certificate } = found;
            certificate.verify_descent(&cluster, &header, &descendants, &set).unwrap();
        }
        assert_eq!(certified(&reader, at(5)).unwrap(), None);
        assert_eq!(certified(&reader, at(0)).unwrap(), None);
    }

    #[test]
    fn a_block_that_is_missing_on_the_way_is_named() {
        let missing = |reader: &BlockReader, height| match certified(reader, at(height)) {
            Err(ReadError::Missing { height, .. }) => Some(height.get()),
            _ => None,
        };
        assert_eq!(missing(&reader(6, &[]), 7), Some(7));
        assert_eq!(missing(&reader(6, &[2, 3]), 1), Some(2), "the signed one is at 4");
    }
}
