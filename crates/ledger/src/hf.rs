//! The HF chain: merchants' one balance, and the registry.
//!
//! User chains settle by statements and ask for money ([`messages`]); merchants
//! pay each other and withdraw here ([`payments`]); what is opened or changed
//! here ([`operations`]) is announced to every user chain.

pub(crate) mod messages;
pub(crate) mod operations;
pub(crate) mod payments;

use std::collections::BTreeMap;

use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{ChainId, Hash, canonical};

use crate::core::Core;
use crate::hashed::Hashed;
use crate::limits::CHAINS_MAX;
use crate::merchant::Merchant;
use crate::table::Table;

/// What only the HF chain has.
#[derive(Debug, Clone)]
pub(crate) struct HfChain {
    pub(crate) merchants: Table<Merchant>,
    pub(crate) settled: Hashed<Settled>,
}

/// The last statement of every user chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settled(pub(crate) BTreeMap<ChainId, LastStatement>);

/// What the next statement of a user chain must follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LastStatement {
    /// 0 before the first.
    pub(crate) epoch: u64,
    /// Zero before the first.
    pub(crate) statement: Hash,
}
canonical!(LastStatement { epoch: u64, statement: Hash });

impl HfChain {
    /// The state at height 0.
    pub(crate) fn genesis(core: &Core) -> Self {
        let chains = core.rules.user_chains.iter().map(|chain| (*chain, LastStatement::default()));
        Self {
            merchants: Table::new(core.index_key),
            settled: Hashed::new(Settled(chains.collect())),
        }
    }
}

impl Encode for Settled {
    fn encode(&self, out: &mut Vec<u8>) {
        let entries: Vec<_> = self.0.iter().map(|(chain, last)| (*chain, *last)).collect();
        encode_list(&entries, out);
    }
}

impl Decode for Settled {
    const BYTES_MIN: usize = 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let entries: Vec<(ChainId, LastStatement)> = decode_list(reader, "statements", CHAINS_MAX)?;
        if entries.windows(2).all(|pair| pair[0].0 < pair[1].0) {
            Ok(Self(entries.into_iter().collect()))
        } else {
            Err(DecodeError::Invalid { what: "statement order", value: 0 })
        }
    }
}
