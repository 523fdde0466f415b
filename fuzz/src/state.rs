//! Pages of a checkpoint or snapshot: they are the one form of the state that
//! they restore, or they are refused.
//!
//! A certified header would refuse nearly every changed page by its root, long
//! before anything else is tried. So the property is also stated for a header
//! that agrees with the pages, which only a quorum of liars would sign.

use tributary_ledger::{Ledger, Page, RestoreError};
use tributary_types::codec::{Decode, Reader};
use tributary_types::{ChainId, Encode};

use crate::samples::WORLD;

/// Roots of a header.
const ROOTS: usize = 3;

pub(crate) fn check(bytes: &[u8]) {
    let Some((chain, mut pages)) = read(bytes) else { return };
    let Some(ledger) = WORLD.ledgers.get(&chain) else { return };
    let mut header = ledger.header().clone();
    for attempt in 0..=ROOTS {
        match Ledger::restore(&WORLD.genesis, chain, header.clone(), &pages) {
            Ok(restored) => {
                pages.retain(|page| !page.bytes.is_empty());
                pages.sort_unstable_by_key(|page| page.key);
                assert_eq!(restored.all_pages(), pages, "other pages, same state");
                if attempt == 0 {
                    assert_eq!(pages, ledger.all_pages(), "other pages, same root");
                    restored.validate().expect("a certified state is valid");
                }
                return;
            }
            Err(RestoreError::Root { what: "state root", found, .. }) => header.state_root = found,
            Err(RestoreError::Root { what: "channels root", found, .. }) => {
                header.channels_root = found;
            }
            Err(_) => return,
        }
    }
}

fn read(bytes: &[u8]) -> Option<(ChainId, Vec<Page>)> {
    let mut reader = Reader::new(bytes);
    let chain = ChainId::decode(&mut reader).ok()?;
    let mut pages = Vec::new();
    while reader.remaining() > 0 {
        pages.push(Page::decode(&mut reader).ok()?);
    }
    Some((chain, pages))
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let sample = |(chain, ledger): (&ChainId, &Ledger)| {
        let mut bytes = chain.to_bytes();
        ledger.all_pages().iter().for_each(|page| page.encode(&mut bytes));
        bytes
    };
    WORLD.ledgers.iter().map(sample).collect()
}
