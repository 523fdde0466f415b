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
pub(crate) mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use tributary_types::AccountId;

use crate::block::Block;
use crate::core::Core;
use crate::hashed::Hashed;
use crate::proxy::Proxy;
use crate::queue::Queue;
use crate::table::Table;

use settlement::Settlement;
use transfers::Transfers;
use waiting::WaitingRefund;

/// What only user chains have.
#[derive(Debug, Clone)]
pub(crate) struct UserChain {
    pub(crate) proxies: Table<Proxy>,
    /// Queues that are not empty, by proxy. Each is committed in its proxy.
    pub(crate) waiting: BTreeMap<u32, Queue<WaitingRefund>>,
    /// Proxies with `unsettled` set, account and number, in any order.
    pub(crate) unsettled: Vec<(AccountId, u32)>,
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
            unsettled: Vec::new(),
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
            self.unsettled.push((proxy.id, number));
            if self.settlement.get().unsettled_since.is_none() {
                self.settlement.change().unsettled_since = Some(block.height);
            }
        }
        proxy
    }

    /// Fills the lists that follow from the marks of the proxies.
    pub(crate) fn derive_lists(&mut self) {
        (self.unsettled, self.asking, self.requests) = self.derived_lists();
    }

    /// What the lists must hold by the marks of the proxies: unsettled ones
    /// ascending, those that ask, and the number of requests.
    pub(crate) fn derived_lists(&self) -> (Vec<(AccountId, u32)>, BTreeSet<u32>, usize) {
        let marked = |mark: fn(&Proxy) -> bool| {
            (0..).zip(self.proxies.rows()).filter(move |(_, proxy)| mark(proxy))
        };
        let unsettled = marked(|proxy| proxy.unsettled).map(|(number, proxy)| (proxy.id, number));
        let mut unsettled: Vec<_> = unsettled.collect();
        unsettled.sort_unstable();
        let asking = marked(|proxy| proxy.asking).map(|(number, _)| number).collect();
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
