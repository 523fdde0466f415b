//! Requests on their way into a block: queued, parked, in flight.
//!
//! ```text
//!  batch ────────────────────────▶ queue ──gather──▶ in flight ──executed──▶ reply
//!  delivery ──source idle────────▶   │                                  │
//!           ──source busy─▶ parked ──┴──── examined again ◀─────────────┘
//! ```
//!
//! Of each source chain at most one delivery is queued or in flight; others of
//! that source wait parked and are examined again after the block, when most
//! of them turn out to bring nothing new. Count and bytes of everything that
//! waits are bounded.

use std::collections::{BTreeSet, VecDeque};

use tributary_chain::body::{
    BODY_BATCHES_MAX, BODY_BYTES_MAX, BODY_DELIVERIES_MAX, BODY_PAYMENTS_MAX,
};
use tributary_chain::{Batch, Body, ClockReport, Delivery};
use tributary_types::ChainId;
use tributary_types::codec::{Encode, encode_list};

use crate::config::Limits;
use crate::effect::RequestId;
use crate::log::LogPosition;

/// What a request wants in a block.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Batch(Batch),
    Delivery(Box<Delivery>),
}

#[derive(Debug)]
struct Queued {
    request: RequestId,
    item: Item,
    /// Canonical bytes of the item, as the body will hold them.
    bytes: Vec<u8>,
}

impl Queued {
    fn outcomes(&self) -> usize {
        match &self.item {
            Item::Batch(batch) => batch.outcome_count(),
            Item::Delivery(_) => 0,
        }
    }
}

/// Who waits for a block that is in flight.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    /// In order of the body's deliveries.
    pub deliveries: Vec<RequestId>,
    /// In order of the body's batches, each with its number of outcomes.
    pub batches: Vec<(RequestId, usize)>,
}

impl Requests {
    /// All of them.
    pub fn ids(&self) -> impl Iterator<Item = RequestId> {
        let batches = self.batches.iter().map(|(request, _)| *request);
        self.deliveries.iter().copied().chain(batches)
    }
}

/// A block that was proposed and is not executed.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub position: LogPosition,
    pub body: Body,
    pub requests: Requests,
}

/// A body ready to be proposed.
#[derive(Debug)]
pub(crate) struct Gathered {
    pub body: Body,
    /// Its canonical bytes.
    pub bytes: Vec<u8>,
    pub requests: Requests,
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct Pending {
    limits: Limits,
    queue: VecDeque<Queued>,
    parked: VecDeque<(RequestId, Delivery, usize)>,
    /// Sources with a delivery queued or in flight.
    busy: BTreeSet<ChainId>,
    /// Outcomes and bytes in the queue.
    queue_outcomes: usize,
    queue_bytes: usize,
    parked_bytes: usize,
}

impl Pending {
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            queue: VecDeque::new(),
            parked: VecDeque::new(),
            busy: BTreeSet::new(),
            queue_outcomes: 0,
            queue_bytes: 0,
            parked_bytes: 0,
        }
    }

    pub fn len(&self) -> usize {
        self.queue.len() + self.parked.len()
    }

    pub fn bytes(&self) -> usize {
        self.queue_bytes + self.parked_bytes
    }

    /// Whether the limits leave no room for another item of `bytes`. The first
    /// one always fits.
    pub fn is_full(&self, bytes: usize) -> bool {
        self.len() >= self.limits.pending_requests_max
            || (self.len() > 0 && self.bytes() + bytes > self.limits.pending_bytes_max)
    }

    /// Whether nothing waits to be proposed.
    pub fn is_queue_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether the queue fills a block.
    pub fn fills_a_block(&self) -> bool {
        self.queue_outcomes >= BODY_PAYMENTS_MAX || self.queue_bytes >= BODY_BYTES_MAX
    }

    /// Whether a delivery of this source is queued or in flight.
    pub fn is_busy(&self, source: ChainId) -> bool {
        self.busy.contains(&source)
    }

    /// Appends to the queue. `bytes` are the item's canonical bytes.
    pub fn push(&mut self, request: RequestId, item: Item, bytes: Vec<u8>) {
        if let Item::Delivery(delivery) = &item {
            self.busy.insert(delivery.source());
        }
        let queued = Queued { request, item, bytes };
        self.queue_outcomes += queued.outcomes();
        self.queue_bytes += queued.bytes.len();
        self.queue.push_back(queued);
    }

    /// Keeps a delivery whose source is busy; it takes about `bytes`.
    pub fn park(&mut self, request: RequestId, delivery: Delivery, bytes: usize) {
        self.parked_bytes += bytes;
        self.parked.push_back((request, delivery, bytes));
    }

    /// Takes parked deliveries whose source is idle again, in order of
    /// arrival: the caller examines each anew.
    pub fn take_parked(&mut self) -> Vec<(RequestId, Delivery)> {
        let mut taken = Vec::new();
        for (request, delivery, bytes) in std::mem::take(&mut self.parked) {
            if self.busy.contains(&delivery.source()) {
                self.parked.push_back((request, delivery, bytes));
            } else {
                self.parked_bytes -= bytes;
                taken.push((request, delivery));
            }
        }
        taken
    }

    /// The block that delivered from these sources is executed.
    pub fn finish(&mut self, body: &Body) {
        for delivery in &body.deliveries {
            self.busy.remove(&delivery.source());
        }
    }

    /// Takes from the front what fits one block.
    pub fn gather(&mut self, clocks: Vec<ClockReport>) -> Gathered {
        let (mut deliveries, mut batches) = (Vec::new(), Vec::new());
        let (mut outcomes, mut bytes) = (0, 0);
        while let Some(next) = self.queue.front() {
            let first = deliveries.is_empty() && batches.is_empty();
            let fits = outcomes + next.outcomes() <= BODY_PAYMENTS_MAX
                && bytes + next.bytes.len() <= BODY_BYTES_MAX
                && deliveries.len() < BODY_DELIVERIES_MAX
                && batches.len() < BODY_BATCHES_MAX;
            if !first && !fits {
                break;
            }
            let Some(next) = self.queue.pop_front() else { break };
            outcomes += next.outcomes();
            bytes += next.bytes.len();
            match next.item {
                Item::Delivery(_) => deliveries.push(next),
                Item::Batch(_) => batches.push(next),
            }
        }
        self.queue_outcomes -= outcomes;
        self.queue_bytes -= bytes;
        assemble(clocks, deliveries, batches)
    }

    /// Gives all requests back that were not proposed.
    pub fn clear(&mut self) -> Vec<RequestId> {
        let queued = self.queue.drain(..).map(|queued| queued.request);
        let parked = self.parked.drain(..).map(|(request, _, _)| request);
        let requests = queued.chain(parked).collect();
        *self = Self::new(self.limits);
        requests
    }
}

/// A body and its bytes, without encoding the items again.
fn assemble(clocks: Vec<ClockReport>, deliveries: Vec<Queued>, batches: Vec<Queued>) -> Gathered {
    let mut bytes = Vec::new();
    encode_list(&clocks, &mut bytes);
    let mut body = Body { clocks, ..Body::default() };
    let mut requests = Requests::default();
    append_count(deliveries.len(), &mut bytes);
    for queued in &deliveries {
        bytes.extend_from_slice(&queued.bytes);
    }
    append_count(batches.len(), &mut bytes);
    for queued in &batches {
        bytes.extend_from_slice(&queued.bytes);
    }
    for queued in deliveries.into_iter().chain(batches) {
        match queued.item {
            Item::Delivery(delivery) => {
                requests.deliveries.push(queued.request);
                body.deliveries.push(*delivery);
            }
            Item::Batch(batch) => {
                requests.batches.push((queued.request, batch.outcome_count()));
                body.batches.push(batch);
            }
        }
    }
    Gathered { body, bytes, requests }
}

fn append_count(count: usize, bytes: &mut Vec<u8>) {
    u32::try_from(count).expect("a block holds at most some thousand items").encode(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::{Hash, InstitutionId, PaymentRecord, SigningKey, TimeMs};

    fn record() -> PaymentRecord {
        tributary_types::codec::decode_exact(&[0; PaymentRecord::BYTES]).unwrap()
    }

    fn batch(payments: usize) -> Batch {
        let key = SigningKey::from_seed([1; 32]);
        let (chain, institution) = (ChainId::new(1), InstitutionId::new(1));
        let payments = vec![record(); payments];
        Batch::sign(&Hash::ZERO, chain, institution, &key, vec![], payments, vec![])
    }

    fn push(pending: &mut Pending, request: u64, payments: usize) {
        let batch = batch(payments);
        let bytes = batch.to_bytes();
        pending.push(RequestId(request), Item::Batch(batch), bytes);
    }

    #[test]
    fn the_assembled_bytes_are_the_canonical_ones() {
        let mut pending = Pending::new(Limits::default());
        push(&mut pending, 1, 3);
        push(&mut pending, 2, 1);
        let clocks = vec![ClockReport { validator: 0, time: TimeMs::new(5) }];
        let gathered = pending.gather(clocks);
        assert_eq!(gathered.bytes, gathered.body.to_bytes());
        assert_eq!(gathered.requests.batches, [(RequestId(1), 3), (RequestId(2), 1)]);
        assert_eq!((pending.len(), pending.bytes()), (0, 0));
    }

    #[test]
    fn a_block_gathers_up_to_its_limits_in_order() {
        let mut pending = Pending::new(Limits::default());
        for (request, payments) in [(1, 4_000), (2, 4_000), (3, 4_000), (4, 10)] {
            push(&mut pending, request, payments);
        }
        assert!(pending.fills_a_block());
        let ids = |gathered: Gathered| gathered.requests.ids().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!(ids(pending.gather(vec![])), [1, 2]);
        assert_eq!(ids(pending.gather(vec![])), [3, 4]);
        assert!(pending.is_queue_empty());
    }

    #[test]
    fn a_full_queue_says_so_by_count_and_by_bytes() {
        let limits =
            Limits { pending_requests_max: 2, pending_bytes_max: 1_000, ..Limits::default() };
        let mut pending = Pending::new(limits);
        assert!(!pending.is_full(5_000));
        push(&mut pending, 1, 1);
        assert!(!pending.is_full(500));
        assert!(pending.is_full(5_000));
        push(&mut pending, 2, 1);
        assert!(pending.is_full(1));
    }

    #[test]
    fn clearing_gives_every_request_back_once() {
        let mut pending = Pending::new(Limits::default());
        push(&mut pending, 1, 1);
        push(&mut pending, 2, 1);
        assert_eq!(pending.clear(), [RequestId(1), RequestId(2)]);
        assert_eq!((pending.len(), pending.bytes()), (0, 0));
    }
}
