//! Every metric of a router, by name.
//!
//! | metric | meaning |
//! | --- | --- |
//! | `router_requests_total{kind}` | requests of front-ends that were let in |
//! | `router_request_seconds{kind}` | from a request's arrival to its reply |
//! | `router_refusals_total{reason}` | requests and items that the router refused |
//! | `router_batch_items_count{chain}` | payments and operations of a batch |
//! | `router_batch_seconds{chain}` | from sending a batch to its outcomes, repeats included |
//! | `router_repeats_total{chain}` | attempts that had to be repeated |
//! | `router_moved_total{chain}` | outcomes given to front-ends that say that a chain does not own a slot |
//! | `router_moves_followed_total` | items that were sent on by a later route table |
//! | `router_routes_refreshes_total{result}` | times that the HF chain was asked for the route table |
//! | `router_routes_version` | version of the proved route table |
//! | `router_leader_changes_total{chain}` | times that another leader, or none, was found |
//! | `router_queue_items{chain,strand}` | items waiting and under way |
//! | `router_requests_in_flight` | requests being worked on |

use std::collections::BTreeMap;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tributary_types::ChainId;
use tributary_wire::router::RouterError;

/// What a front-end may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// Who the router is.
    Hello,
    /// Payments.
    Pay,
    /// Operations.
    Operate,
    /// A batch that was signed elsewhere.
    Forward,
    /// A read.
    Query,
    /// The state of all replicas.
    Cluster,
}

/// Their labels, in order.
const KINDS: [&str; 6] = ["hello", "pay", "operate", "forward", "query", "cluster"];

/// What is counted of each request, found once and not for each.
#[derive(Debug)]
pub struct RequestMetrics {
    by_kind: [(Counter, Histogram); KINDS.len()],
    in_flight: Gauge,
}

impl RequestMetrics {
    /// Registers them.
    #[must_use]
    pub fn new() -> Self {
        let of_kind = |kind| {
            let count = counter!("router_requests_total", "kind" => kind);
            (count, histogram!("router_request_seconds", "kind" => kind))
        };
        Self { by_kind: KINDS.map(of_kind), in_flight: gauge!("router_requests_in_flight") }
    }

    /// A request was let in; so many are.
    pub fn begun(&self, kind: RequestKind, in_flight: usize) {
        self.by_kind[kind as usize].0.increment(1);
        set(&self.in_flight, in_flight);
    }

    /// A request was answered.
    pub fn replied(&self, kind: RequestKind, took: Duration) {
        self.by_kind[kind as usize].1.record(took);
    }
}

impl Default for RequestMetrics {
    fn default() -> Self {
        Self::new()
    }
}

/// Requests or items were refused.
pub fn refusal(reason: &'static str, count: u64) {
    counter!("router_refusals_total", "reason" => reason).increment(count);
}

/// Requests or items ended without outcome.
pub fn refused<'a>(errors: impl IntoIterator<Item = &'a RouterError>) {
    let mut counts = BTreeMap::<_, u64>::new();
    for error in errors {
        let reason = match error {
            RouterError::Overloaded { .. } => "overloaded",
            RouterError::Malformed { .. } => "malformed",
            RouterError::OutcomeUnknown(_) => "outcome_unknown",
            RouterError::Refused(_) => "refused",
        };
        *counts.entry(reason).or_default() += 1;
    }
    counts.into_iter().for_each(|(reason, count)| refusal(reason, count));
}

/// A batch was answered.
pub fn batch(chain: ChainId, items: usize, took: Duration) {
    let items = u32::try_from(items).unwrap_or(u32::MAX);
    histogram!("router_batch_items_count", "chain" => label(chain)).record(items);
    histogram!("router_batch_seconds", "chain" => label(chain)).record(took);
}

/// An attempt is repeated.
pub fn repeat(chain: ChainId) {
    counter!("router_repeats_total", "chain" => label(chain)).increment(1);
}

/// A chain said that a slot is not its own.
pub fn moved(chain: ChainId) {
    counter!("router_moved_total", "chain" => label(chain)).increment(1);
}

/// Refused items were sent on by a later route table.
pub fn moves_followed(items: usize) {
    counter!("router_moves_followed_total").increment(u64::try_from(items).unwrap_or(u64::MAX));
}

/// The HF chain was asked for the route table.
pub fn routes_refresh(result: &'static str) {
    counter!("router_routes_refreshes_total", "result" => result).increment(1);
}

/// A route table is proved.
pub fn routes_version(version: u64) {
    // Versions count changes; a gauge shows them exactly far beyond any real one.
    gauge!("router_routes_version").set(u32::try_from(version).unwrap_or(u32::MAX));
}

/// Another replica leads, or none.
pub fn leader_changed(chain: ChainId) {
    counter!("router_leader_changes_total", "chain" => label(chain)).increment(1);
}

/// What a strand holds.
pub fn queue(chain: ChainId, strand: u8) -> Gauge {
    gauge!("router_queue_items", "chain" => label(chain), "strand" => strand.to_string())
}

/// Sets a gauge to a count.
pub fn set(gauge: &Gauge, count: usize) {
    gauge.set(u32::try_from(count).unwrap_or(u32::MAX));
}

fn label(chain: ChainId) -> String {
    chain.to_string()
}
