//! What became of an id: the ledger's memory first, then the archive.

use tributary_ledger::outcome::Subject;
use tributary_types::{PaymentId, Position};
use tributary_wire::node::NodeError;
use tributary_wire::query::PaymentFound;

use super::query::{Queries, wrong_answer};
use crate::archive::blocks::BlockReader;
use crate::archive::history::{self, ReadError};
use crate::archive::search::Search;
use crate::chain::{AsOf, Ask, ChainHandle, Found};

/// The payment or operation and its latest outcome on this chain.
///
/// # Errors
/// [`NodeError`].
pub async fn find(
    queries: &Queries,
    chain: &ChainHandle,
    id: PaymentId,
) -> Result<(AsOf, Option<PaymentFound>), NodeError> {
    let (as_of, position) = locate(queries, chain, id).await?;
    let Some(position) = position else { return Ok((as_of, None)) };
    let reader = chain.reader.clone();
    let found = queries.archive.run(chain, move |_| read(&reader, position)).await?;
    Ok((as_of, found))
}

/// Where the latest outcome of an id stands. What the ledger does not remember
/// although the id lies in its window has no outcome here, and needs no search.
///
/// # Errors
/// [`NodeError`].
pub async fn locate(
    queries: &Queries,
    chain: &ChainHandle,
    id: PaymentId,
) -> Result<(AsOf, Option<Position>), NodeError> {
    let (as_of, remembered) = match chain.ask(Ask::Payment(id)).await? {
        (as_of, Found::Payment(remembered)) => (as_of, remembered),
        _ => return Err(wrong_answer()),
    };
    let window = queries.window;
    let is_in_window = id.time() >= as_of.time.minus_ms(window.back_ms);
    if remembered.is_some() || is_in_window {
        return Ok((as_of, remembered));
    }
    let reader = chain.reader.clone();
    let search = queries.archive.run(chain, move |wanted| {
        Search::new(&reader, id, &|| wanted.is_wanted()).run(window, as_of.height)
    });
    Ok((as_of, search.await?))
}

fn read(reader: &BlockReader, position: Position) -> Result<Option<PaymentFound>, ReadError> {
    let block = history::block(reader, position.height())?;
    let found = block.outcome(position.index()).map(|(subject, receipt)| PaymentFound {
        payment: match subject {
            Subject::Payment(record) => record.parse().ok(),
            Subject::Operation(_) => None,
        },
        receipt: *receipt,
        position,
        time: block.header.time,
    });
    Ok(found)
}
