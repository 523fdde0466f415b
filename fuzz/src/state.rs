//! A stored checkpoint, or a snapshot: its record, which has a header, and its
//! pages. Pages are the one form of the state that they restore, or they are
//! refused; roots that a chain once had belong to its pages of then alone; and a
//! state of the chain goes on as the chain did.
//!
//! A certified header would refuse nearly every changed page by its root, long
//! before anything else is tried. So the property is also stated for a header
//! that agrees with the pages, which only a quorum of liars would sign.

use std::sync::LazyLock;

use tributary_chain::{Body, Header};
use tributary_ledger::{Ledger, Page, RestoreError};
use tributary_types::codec::{Decode, Reader};
use tributary_types::{ChainId, Encode};

use crate::samples::WORLD;
use crate::storage::values::CheckpointRecord;

/// Roots of a header.
const ROOTS: usize = 3;
/// Every so many states of the samples' chains one is a sample.
const SAMPLE_EVERY: usize = 6;

/// A state that a chain once had.
struct Moment {
    header: Header,
    pages: Vec<Page>,
    /// What was executed on it, with the header that it became.
    next: Option<(&'static Body, &'static Header)>,
}

/// Every state of every chain.
static MOMENTS: LazyLock<Vec<Moment>> = LazyLock::new(moments);

fn moments() -> Vec<Moment> {
    let mut moments = Vec::new();
    for chain in WORLD.ledgers.keys() {
        let genesis = Ledger::genesis(&WORLD.genesis, *chain);
        let mut ledger = genesis.expect("a chain of the genesis");
        for (_, body, executed) in WORLD.blocks.iter().filter(|(of, _, _)| of == chain) {
            moments.push(moment(&ledger, Some((body, &executed.header))));
            ledger.execute(body, Body::root_of_bytes(&body.to_bytes()));
        }
        moments.push(moment(&ledger, None));
    }
    moments
}

fn moment(ledger: &Ledger, next: Option<(&'static Body, &'static Header)>) -> Moment {
    Moment { header: ledger.header().clone(), pages: ledger.all_pages(), next }
}

pub(crate) fn check(bytes: &[u8]) {
    let Some((chain, record, mut pages)) = read(bytes) else { return };
    let mut header = record.header;
    for attempt in 0..=ROOTS {
        match Ledger::restore(&WORLD.genesis, chain, header.clone(), &pages) {
            Ok(restored) => {
                assert!(restored.header().chain == chain && *restored.header() == header);
                pages.retain(|page| !page.bytes.is_empty());
                pages.sort_unstable_by_key(|page| page.key);
                assert_eq!(restored.all_pages(), pages, "other pages, same state");
                if attempt == 0 {
                    certified(restored, &pages);
                }
                return;
            }
            Err(RestoreError::Root { what: "state root", found, .. }) => header.state_root = found,
            Err(RestoreError::Root { what: "channels root", found, .. }) => {
                header.channels_root = found;
            }
            Err(RestoreError::Root { what: "validator set", found, .. }) => {
                header.validator_set = found;
            }
            Err(error) => return assert!(!error.to_string().is_empty()),
        }
    }
    panic!("a header of which no root is left to agree");
}

/// A state whose roots a quorum signed. Two heights may have the same.
fn certified(mut restored: Ledger, pages: &[Page]) {
    let header = restored.header().clone();
    let roots = |header: &Header| (header.chain, header.state_root, header.channels_root);
    for known in MOMENTS.iter().filter(|known| roots(&known.header) == roots(&header)) {
        assert_eq!(pages, known.pages, "other pages, same roots");
        if known.header == header {
            restored.validate().expect("a certified state is valid");
            if let Some((body, next)) = known.next {
                let executed = restored.execute(body, Body::root_of_bytes(&body.to_bytes()));
                assert_eq!(executed.header, *next, "a restored state goes on in another way");
            }
            return;
        }
    }
}

fn read(bytes: &[u8]) -> Option<(ChainId, CheckpointRecord, Vec<Page>)> {
    let mut reader = Reader::new(bytes);
    let chain = ChainId::decode(&mut reader).ok()?;
    let record = CheckpointRecord::decode(&mut reader).ok()?;
    let mut pages = Vec::new();
    while reader.remaining() > 0 {
        pages.push(Page::decode(&mut reader).ok()?);
    }
    Some((chain, record, pages))
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let last = MOMENTS.iter().filter(|moment| moment.next.is_none());
    last.chain(MOMENTS.iter().step_by(SAMPLE_EVERY)).map(written).collect()
}

fn written(moment: &Moment) -> Vec<u8> {
    let mut bytes = moment.header.chain.to_bytes();
    CheckpointRecord { index: 1, term: 1, header: moment.header.clone() }.encode(&mut bytes);
    moment.pages.iter().for_each(|page| page.encode(&mut bytes));
    bytes
}
