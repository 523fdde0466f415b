//! A user chain: accounts and proxies.
//!
//! [`payments`] moves money at once; a refund that its proxy cannot pay waits
//! ([`waiting`]) for money from the HF chain ([`funding`]); a transfer to
//! another chain waits for its answer ([`transfers`]). At the end of a block
//! waiting refunds are served and, when it is time, proxies settle
//! ([`settlement`]).

pub(crate) mod funding;
pub(crate) mod messages;
pub(crate) mod operations;
pub(crate) mod payments;
pub(crate) mod settlement;
pub(crate) mod transfers;
pub(crate) mod unsettled;
pub(crate) mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use crate::block::Block;
use crate::core::Core;
use crate::hashed::Hashed;
use crate::proxy::Proxy;
use crate::queue::Queue;
use crate::table::Table;

use settlement::Settlement;
use transfers::Transfers;
use unsettled::Unsettled;
use waiting::WaitingRefund;

/// What only user chains have.
#[derive(Debug, Clone)]
pub(crate) struct UserChain {
    pub(crate) proxies: Table<Proxy>,
    /// Queues that are not empty, by proxy. Each is committed in its proxy.
    pub(crate) waiting: BTreeMap<u32, Queue<WaitingRefund>>,
    /// Proxies with `unsettled` set.
    pub(crate) unsettled: Unsettled,
    /// Proxies with `asking` set.
    pub(crate) asking: BTreeSet<u32>,
    /// Proxies with an unanswered request.
    pub(crate) requests: usize,
    pub(crate) transfers: Transfers,
    pub(crate) settlement: Hashed<Settlement>,
    /// Waiting queues changed since pages were last taken.
    pub(crate) dirty_queues: BTreeSet<u32>,
}

impl UserChain {
    /// The state at height 0.
    pub(crate) fn genesis(core: &Core, created: tributary_types::TimeMs) -> Self {
        Self {
            proxies: Table::new(core.index_key),
            waiting: BTreeMap::new(),
            unsettled: Unsettled::default(),
            asking: BTreeSet::new(),
            requests: 0,
            transfers: Transfers::new(core.channels.peers()),
            settlement: Hashed::new(Settlement::new(created)),
            dirty_queues: BTreeSet::new(),
        }
    }

    /// What every block does after its body.
    pub(crate) fn end_block(&mut self, core: &mut Core, block: &mut Block) {
        let served = self.touched_queues();
        for proxy in served {
            self.serve_queue(core, block, proxy);
        }
        self.settle_if_due(core, block);
        self.ask_again(core);
    }

    /// The proxy, which now has something to settle.
    pub(crate) fn unsettled_mut(&mut self, number: u32, block: &Block) -> &mut Proxy {
        let proxy = self.proxies.row_mut(number);
        if !proxy.unsettled {
            proxy.unsettled = true;
            self.unsettled.note(number);
            if self.settlement.get().unsettled_since.is_none() {
                self.settlement.change().unsettled_since = Some(block.height);
            }
        }
        proxy
    }

    /// Fills the lists that follow from the marks of the proxies.
    pub(crate) fn derive_lists(&mut self) {
        let (unsettled, asking, requests) = self.derived_lists();
        self.unsettled = unsettled.into_iter().collect();
        (self.asking, self.requests) = (asking, requests);
    }

    /// What the lists must hold by the marks of the proxies: unsettled ones and
    /// those that ask, ascending, and the number of requests.
    pub(crate) fn derived_lists(&self) -> (Vec<u32>, BTreeSet<u32>, usize) {
        let marked = |mark: fn(&Proxy) -> bool| {
            let marked = (0..).zip(self.proxies.rows()).filter(move |(_, proxy)| mark(proxy));
            marked.map(|(number, _)| number)
        };
        let unsettled = marked(|proxy| proxy.unsettled).collect();
        let asking = marked(|proxy| proxy.asking).collect();
        (unsettled, asking, marked(|proxy| proxy.request.is_some()).count())
    }

    /// Proxies that this block touched and whose refunds wait, ascending.
    fn touched_queues(&self) -> Vec<u32> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let touched = self.proxies.touched().iter().copied();
        let mut queues: Vec<u32> =
            touched.filter(|number| self.waiting.contains_key(number)).collect();
        queues.sort_unstable();
        queues
    }
}
