//! What a cluster begins with and never changes, as the model needs it.

use std::collections::BTreeMap;

use tributary_chain::ValidatorSet;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_routing::RouteTable;
use tributary_routing::table::SlotRange;
use tributary_types::{ChainId, Hash, Slot, TimeMs};

/// Most credits of an account or merchant that a payment leads to.
pub(super) const TOTAL_MAX: u128 = u128::MAX >> 1;
/// Most that a proxy ever receives, and most that it is ever sent.
pub(super) const PROXY_TOTAL_MAX: u128 = 1 << 115;
/// Most that one chain comes to owe another, per asset.
pub(super) const OWED_MAX: i128 = 1 << 126;
/// Transfers to one chain, or requests for money, that may be unanswered. As
/// many places of an outbox are kept for answers.
pub(super) const UNANSWERED_MAX: usize = 8_192;
/// Messages that an outbox holds in all.
pub(super) const OUTBOX_MAX: usize = 2 * UNANSWERED_MAX;

/// The rules of a cluster. Times are in milliseconds.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Part of everything that is signed.
    pub cluster: Hash,
    /// Block time of every chain at height 0.
    pub created: TimeMs,
    /// Every chain with its validators.
    pub chains: BTreeMap<ChainId, ValidatorSet>,
    /// The chain of the merchants.
    pub hf_chain: ChainId,
    /// The first assets.
    pub assets: Vec<AssetEntry>,
    /// The first institutions.
    pub institutions: Vec<InstitutionEntry>,
    /// Which chain has which slots.
    pub routes: RouteTable,
    /// Between two settlements.
    pub settlement_interval_ms: u64,
    /// How far an id may lie behind block time.
    pub id_window_back_ms: u64,
    /// How far an id may lie ahead of block time.
    pub id_window_ahead_ms: u64,
    /// Most that block time moves in one block.
    pub time_step_ms_max: u64,
    /// Unacknowledged statements at which settling stops.
    pub statements_unacknowledged_max: u64,
    /// Refunds of one proxy that may wait.
    pub waiting_refunds_max: u64,
}

impl Rules {
    /// The chain of the user accounts in `slot`.
    pub(super) fn user_chain(&self, slot: Slot) -> Option<ChainId> {
        owner(self.routes.user_ranges(), slot)
    }

    /// The chain of the merchants in `slot`.
    pub(super) fn merchant_chain(&self, slot: Slot) -> Option<ChainId> {
        owner(self.routes.hf_ranges(), slot)
    }

    /// All chains but the HF chain.
    pub(super) fn user_chains(&self) -> impl Iterator<Item = ChainId> + '_ {
        self.chains.keys().copied().filter(|chain| *chain != self.hf_chain)
    }
}

fn owner(ranges: &[SlotRange], slot: Slot) -> Option<ChainId> {
    let found = ranges.iter().find(|range| range.first <= slot && slot <= range.last);
    found.map(|range| range.chain)
}
