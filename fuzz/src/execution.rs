//! Execution of any body: it cannot fail, every invariant holds after it, no
//! money appears or vanishes on any chain, and doing it again gives the same.
//!
//! Hosts let only signed batches into a body. Here nothing is checked first:
//! what a leader that lies can put into a block must do no harm either.

use tributary_chain::{Batch, Body};
use tributary_ledger::check_books;
use tributary_types::codec::decode_exact;
use tributary_types::{ChainId, Decode, Encode, Reader};

use crate::samples::WORLD;

pub(crate) fn check(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(chain) = ChainId::decode(&mut reader) else { return };
    let rest = reader.take(reader.remaining(), "body").unwrap_or_default();
    let (Some(ledger), Ok(body)) = (WORLD.ledgers.get(&chain), decode_exact::<Body>(rest)) else {
        return;
    };
    let root = Body::root_of_bytes(rest);
    let mut executed = ledger.clone();
    let result = executed.execute(&body, root);
    let items: usize = body.batches.iter().map(Batch::outcome_count).sum();
    assert_eq!(result.outcomes.receipts.len(), items, "one receipt for each item");
    assert_eq!(result.deliveries.len(), body.deliveries.len(), "one answer for each delivery");
    executed.validate().expect("every invariant holds after a block");
    let others = WORLD.ledgers.iter().filter(|(other, _)| **other != chain);
    let mut books: Vec<_> = others.map(|(_, ledger)| ledger.books()).collect();
    books.push(executed.books());
    check_books(&books).expect("the books of all chains balance after a block");
    let mut again = ledger.clone();
    assert_eq!(again.execute(&body, root).header, result.header, "another result");
}

/// Every block of the samples, on the chain that executed it, and what is still
/// under way between chains.
pub(crate) fn samples() -> Vec<Vec<u8>> {
    let sample = |chain: ChainId, body: &Body| [chain.to_bytes(), body.to_bytes()].concat();
    let mut samples: Vec<_> =
        WORLD.blocks.iter().map(|(chain, body, _)| sample(*chain, body)).collect();
    let clocks = WORLD.blocks[0].1.clocks.clone();
    for (to, from) in WORLD.ledgers.keys().flat_map(|to| {
        WORLD.ledgers.keys().filter(move |from| *from != to).map(move |from| (*to, *from))
    }) {
        let deliveries = vec![WORLD.delivery(from, to)];
        let body = Body { clocks: clocks.clone(), deliveries, batches: Vec::new() };
        samples.push(sample(to, &body));
    }
    let idle = Body { clocks, deliveries: Vec::new(), batches: Vec::new() };
    samples.extend(WORLD.ledgers.keys().map(|chain| sample(*chain, &idle)));
    samples
}
