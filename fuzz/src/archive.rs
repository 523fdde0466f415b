//! Blocks as the archive keeps them and as peers serve them. A stored block is
//! the one form of its body and outcomes, and each outcome is found where it
//! stands; a served one is the chain's, or it is refused.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use block::Block;
use id_times::{IdTimes, KnownTimes};
use tributary_chain::Header;
use tributary_ledger::outcome::Subject;
use tributary_ledger::{BlockOutcomes, Executed};
use tributary_replica::ExecutedBlock;
use tributary_replica::store::StoredBlock;
use tributary_types::codec::decode_exact;
use tributary_types::{BlockHeight, ChainId, Decode, Encode, PaymentId, Reader};
use tributary_wire::node::ArchivedBlock;
use verify::{ChainRules, stored};

use crate::folder::told;
use crate::samples::{HF, ONE, TWO, WORLD};
use crate::storage::values;

/// The host cannot be built for fuzzing (RocksDB); this is the same source.
#[path = "../../crates/host/src/archive/block.rs"]
#[expect(dead_code, reason = "the host uses the rest")]
pub(crate) mod block;
/// As above.
#[path = "../../crates/host/src/archive/id_times.rs"]
mod id_times;
/// As above.
#[path = "../../crates/host/src/archive/verify.rs"]
mod verify;

/// Samples of served blocks hold so many.
const SERVED_BLOCKS: usize = 3;
/// Every so many blocks of the samples one is a sample here.
const SAMPLE_EVERY: usize = 5;

/// A header, and what stands beside it.
pub(crate) fn stored_block(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(header) = Header::decode(&mut reader) else { return };
    let rest = reader.take(reader.remaining(), "block").unwrap_or_default();
    let Ok((body, outcomes)) = values::parts(rest) else { return };
    let stored =
        StoredBlock { header, body: body.to_vec().into(), outcomes: outcomes.to_vec().into() };
    let block = match Block::decode(&stored) {
        Ok(block) => block,
        Err(fault) => {
            let place = format!("block {} of chain {}", stored.header.height, stored.header.chain);
            return assert!(fault.to_string().starts_with(&place), "{fault}");
        }
    };
    let parts = [block.body.to_bytes(), block.outcomes.to_bytes()];
    assert!(parts == [&stored.body[..], &stored.outcomes], "other bytes, the same block");
    let times = IdTimes::of(&block);
    let executed = ExecutedBlock {
        header: stored.header,
        body: stored.body,
        outcomes: block.outcomes.clone(),
    };
    assert_eq!(IdTimes::of_executed(&executed).as_ref(), Ok(&times), "other times of the ids");
    found_where_they_stand(&block, times);
}

fn found_where_they_stand(block: &Block, times: IdTimes) {
    let height = block.header.height;
    let mut known = KnownTimes::default();
    known.note(height, times);
    let all: Vec<_> = block.outcomes.iter(&block.body).collect();
    assert_eq!(all.len(), block.outcome_count());
    for (index, (subject, receipt)) in (0_u32..).zip(&all) {
        assert!(block.outcome(index).as_ref() == Some(&(*subject, *receipt)), "another outcome");
        let Some(id) = id_of(subject) else { continue };
        let is_listed = block.outcomes_of(&id).any(|(at, _)| at as u64 == u64::from(index));
        assert_eq!(is_listed, !receipt.replay, "an outcome that is not found by its id");
        if let Some(end) = height.get().checked_add(1) {
            let candidates = known.candidates(height..BlockHeight::new(end), &id);
            assert_eq!(candidates, [height], "the block of an id is ruled out");
        }
    }
    assert!(u32::try_from(all.len()).is_ok_and(|end| block.outcome(end).is_none()));
}

/// A record that is malformed may have bytes that are no id.
fn id_of(subject: &Subject<'_>) -> Option<PaymentId> {
    match subject {
        Subject::Payment(record) => record.parse().ok().map(|payment| payment.id),
        Subject::Operation(operation) => Some(operation.id),
    }
}

pub(crate) fn stored_blocks() -> Vec<Vec<u8>> {
    let blocks = WORLD.blocks.iter().step_by(SAMPLE_EVERY);
    let busy = WORLD.blocks.iter().filter(|(_, _, executed)| !executed.outcomes.late.is_empty());
    let sample = |(_, body, executed): &(ChainId, tributary_chain::Body, Executed)| {
        let mut bytes = executed.header.to_bytes();
        values::put_parts(&body.to_bytes(), &executed.outcomes.to_bytes(), &mut bytes);
        bytes
    };
    blocks.chain(busy).map(sample).collect()
}

/// The chains' blocks as they would be served.
static SERVED: LazyLock<BTreeMap<(ChainId, BlockHeight), ArchivedBlock>> = LazyLock::new(|| {
    let served = |(chain, body, executed): &(ChainId, tributary_chain::Body, Executed)| {
        let header = executed.header.clone();
        let certificate = Some(WORLD.certificate(&header));
        let (body, outcomes) = (body.to_bytes(), executed.outcomes.to_bytes());
        ((*chain, header.height), ArchivedBlock { header, body, outcomes, certificate })
    };
    WORLD.blocks.iter().map(served).collect()
});

/// Blocks of which the first is asked for by the hash of what was executed
/// there: they are those that were executed, signatures included.
pub(crate) fn served_blocks(bytes: &[u8]) {
    let Ok(blocks) = tributary_wire::decode::<Vec<ArchivedBlock>>(bytes) else { return };
    let Some(first) = blocks.first() else { return };
    let chain = first.header.chain;
    let Some(top) = SERVED.get(&(chain, first.header.height)) else { return };
    let cluster = WORLD.genesis.hash();
    let validators = WORLD.genesis.validator_set(chain).expect("a chain of the samples");
    let rules = ChainRules { chain, cluster, validators };
    let asked = blocks.len() as u64;
    assert!(rules.check(&blocks, rules.hash(&top.header), asked - 1).is_err(), "too many blocks");
    if let Err(forged) = rules.check(&blocks, rules.hash(&top.header), asked) {
        return told(&forged);
    }
    for block in &blocks {
        let known = SERVED.get(&(rules.chain, block.header.height)).expect("a block that is known");
        let uncertified = ArchivedBlock { certificate: None, ..known.clone() };
        assert!(*block == *known || *block == uncertified, "a forged block");
        let outcomes: BlockOutcomes = decode_exact(&stored(block).outcomes).expect("as executed");
        assert!(outcomes.to_bytes() == known.outcomes);
    }
}

pub(crate) fn served_samples() -> Vec<Vec<u8>> {
    let chains = [ONE, TWO, HF].into_iter().flat_map(|chain| {
        let blocks: Vec<_> = SERVED.values().filter(|block| block.header.chain == chain).collect();
        let runs = blocks.chunks(SERVED_BLOCKS).map(|run| run.iter().rev().copied().cloned());
        runs.map(Iterator::collect::<Vec<ArchivedBlock>>).collect::<Vec<_>>()
    });
    chains.step_by(2).map(|run| tributary_wire::encode(&run)).collect()
}
