//! Reads that the state answers: pure functions of the ledger.

use tributary_ledger::Ledger;
use tributary_wire::node::NodeError;
use tributary_wire::query::{AnswerValue, PAGE_ENTRIES_MAX, Query};

use super::input::{AsOf, Ask, Found};
use super::proof::ProofCapture;

/// Answers one read from the state as it is now.
///
/// # Errors
/// [`NodeError::Refused`] for a query that the state alone does not answer.
pub fn evaluate(ledger: &Ledger, ask: &Ask) -> Result<(AsOf, Found), NodeError> {
    let header = ledger.header();
    let as_of = AsOf { height: header.height, time: header.time };
    let found = match ask {
        Ask::State(query) => Found::State(Box::new(state(ledger, query)?)),
        Ask::Payment(id) => Found::Payment(ledger.payment(id).map(|known| known.position)),
        Ask::LastEntry(account) => Found::LastEntry(ledger.last_position(account)),
        Ask::Proof(account) => Found::Proof(ProofCapture::of(ledger, account).map(Box::new)),
        Ask::RoutesProof => Found::RoutesProof(ProofCapture::of_routes(ledger).map(Box::new)),
    };
    Ok((as_of, found))
}

fn state(ledger: &Ledger, query: &Query) -> Result<AnswerValue, NodeError> {
    Ok(match query {
        Query::Account(id) => AnswerValue::Account(ledger.account(id)),
        Query::Proxy(id) => AnswerValue::Proxy(ledger.proxy(id)),
        Query::Merchant(id) => AnswerValue::Merchant(ledger.merchant(id)),
        Query::Merchants { from, limit } => {
            let limit = usize::try_from((*limit).min(PAGE_ENTRIES_MAX)).unwrap_or(usize::MAX);
            let skip = usize::try_from(*from).unwrap_or(usize::MAX);
            AnswerValue::Merchants(ledger.merchants().skip(skip).take(limit).collect())
        }
        Query::Books => AnswerValue::Books(Box::new(ledger.books())),
        Query::Channels => AnswerValue::Channels(ledger.channel_status()),
        Query::Settlement => AnswerValue::Settlement(ledger.settlement_status()),
        Query::Status
        | Query::Payment(_)
        | Query::History { .. }
        | Query::ProveAccount(_)
        | Query::ProvePayment(_)
        | Query::ProveRoutes => {
            return Err(NodeError::Refused("not a query of the state".to_owned()));
        }
    })
}
