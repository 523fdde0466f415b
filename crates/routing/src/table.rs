//! The route table: one version of the map from slots to chains.
//!
//! There are two spaces of 16,384 slots: that of user accounts and that of HF
//! accounts. Each is a list of ranges that covers every slot exactly once, in
//! order, with neighbours of the same chain merged: one map has one table and
//! one encoding. A value of [`RouteTable`] always holds this.
//!
//! The table does not say how it changes; a new version is a new table.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{ChainId, Domain, Hash, Slot, canonical};

/// Most ranges of one space: one for each slot.
pub const RANGES_MAX: usize = Slot::COUNT as usize;

/// Adjacent slots of one chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotRange {
    /// First slot.
    pub first: Slot,
    /// Last slot, included.
    pub last: Slot,
    /// The chain that owns them.
    pub chain: ChainId,
}
canonical!(SlotRange { first: Slot, last: Slot, chain: ChainId });

/// Whose slots a range is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotSpace {
    /// Slots of user accounts.
    User,
    /// Slots of high-frequency accounts.
    Hf,
}

impl fmt::Display for SlotSpace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::User => "user",
            Self::Hf => "hf",
        })
    }
}

/// Which chain owns each slot, in one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedTable")]
pub struct RouteTable {
    version: u64,
    user: Vec<SlotRange>,
    hf: Vec<SlotRange>,
}

/// Why ranges or chains are no route table.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RouteTableError {
    /// Slots cannot be shared among no chains.
    #[error("a route table needs at least one user chain")]
    NoUserChain,
    /// More chains than slots.
    #[error("{found} user chains cannot share {limit} slots", limit = Slot::COUNT)]
    TooManyChains {
        /// Chains given.
        found: usize,
    },
    /// The same chain twice among those that share the slots.
    #[error("user chain {0} is listed twice")]
    DuplicateChain(ChainId),
    /// A chain is either a user chain or an HF chain.
    #[error("chain {0} owns slots of both user and hf accounts")]
    BothSpaces(ChainId),
    /// A range that ends before it begins.
    #[error("{space} slots: the range from {first} ends at {last}, before it begins")]
    Backwards {
        /// In which space.
        space: SlotSpace,
        /// Where the range begins.
        first: Slot,
        /// Where it ends.
        last: Slot,
    },
    /// A gap, an overlap, or ranges out of order.
    #[error("{space} slots: the next range must begin at {expected}, found {found}")]
    Start {
        /// In which space.
        space: SlotSpace,
        /// The first slot without an owner so far.
        expected: u16,
        /// Where the range begins.
        found: u16,
    },
    /// Slots at the end have no owner.
    #[error("{space} slots: {expected} slots need an owner, the ranges end after {found}")]
    End {
        /// In which space.
        space: SlotSpace,
        /// Slots that there are.
        expected: u16,
        /// Slots that the ranges cover.
        found: u16,
    },
    /// Neighbours of the same chain that should be one range.
    #[error("{space} slots: the ranges that meet at {slot} are both of chain {chain}, merge them")]
    Unmerged {
        /// In which space.
        space: SlotSpace,
        /// First slot of the second range.
        slot: Slot,
        /// The owner of both.
        chain: ChainId,
    },
}

impl RouteTable {
    /// A table of these ranges.
    ///
    /// # Errors
    /// [`RouteTableError`] unless each space is covered exactly once, in order
    /// and merged, and no chain owns slots of both.
    pub fn new(
        version: u64,
        user: Vec<SlotRange>,
        hf: Vec<SlotRange>,
    ) -> Result<Self, RouteTableError> {
        check_cover(SlotSpace::User, &user)?;
        check_cover(SlotSpace::Hf, &hf)?;
        let table = Self { version, user, hf };
        let (user_chains, hf_chains) = (distinct(&table.user), distinct(&table.hf));
        match user_chains.intersection(&hf_chains).next() {
            Some(chain) => Err(RouteTableError::BothSpaces(*chain)),
            None => Ok(table),
        }
    }

    /// A table that shares the user slots evenly among `user_chains`, in the
    /// order given, and gives all HF slots to one chain.
    ///
    /// # Errors
    /// [`RouteTableError`] for no chains, too many, or one that is listed twice.
    pub fn even(
        version: u64,
        user_chains: &[ChainId],
        hf_chain: ChainId,
    ) -> Result<Self, RouteTableError> {
        let count = user_chains.len();
        if count == 0 {
            return Err(RouteTableError::NoUserChain);
        }
        if count > RANGES_MAX {
            return Err(RouteTableError::TooManyChains { found: count });
        }
        let mut seen = BTreeSet::new();
        if let Some(repeated) = user_chains.iter().find(|chain| !seen.insert(**chain)) {
            return Err(RouteTableError::DuplicateChain(*repeated));
        }
        let boundary = |index: usize| index * RANGES_MAX / count;
        let user = user_chains.iter().enumerate().map(|(index, chain)| SlotRange {
            first: slot_at(boundary(index)),
            last: slot_at(boundary(index + 1) - 1),
            chain: *chain,
        });
        let hf = SlotRange { first: slot_at(0), last: slot_at(RANGES_MAX - 1), chain: hf_chain };
        Self::new(version, user.collect(), vec![hf])
    }

    /// The version; each change of the table raises it.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The chain of the user accounts in `slot`.
    #[must_use]
    pub fn chain_of(&self, slot: Slot) -> ChainId {
        owner(&self.user, slot)
    }

    /// The chain of the HF accounts in `slot`.
    #[must_use]
    pub fn hf_chain_of(&self, slot: Slot) -> ChainId {
        owner(&self.hf, slot)
    }

    /// Whether `chain` owns `slot` of the user accounts.
    #[must_use]
    pub fn owns(&self, chain: ChainId, slot: Slot) -> bool {
        self.chain_of(slot) == chain
    }

    /// The chains that own user slots, each once, ascending.
    #[must_use]
    pub fn user_chains(&self) -> Vec<ChainId> {
        distinct(&self.user).into_iter().collect()
    }

    /// The chains that own HF slots, each once, ascending.
    #[must_use]
    pub fn hf_chains(&self) -> Vec<ChainId> {
        distinct(&self.hf).into_iter().collect()
    }

    /// The ranges of the user slots, ascending.
    #[must_use]
    pub fn user_ranges(&self) -> &[SlotRange] {
        &self.user
    }

    /// The ranges of the HF slots, ascending.
    #[must_use]
    pub fn hf_ranges(&self) -> &[SlotRange] {
        &self.hf
    }

    /// The hash that proofs name the table by.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Domain::Routes.hash_value(self)
    }
}

impl Encode for RouteTable {
    fn encode(&self, out: &mut Vec<u8>) {
        self.version.encode(out);
        encode_list(&self.user, out);
        encode_list(&self.hf, out);
    }
}

impl Decode for RouteTable {
    const BYTES_MIN: usize = 8 + 2 * (4 + SlotRange::BYTES_MIN);
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = u64::decode(reader)?;
        let user = decode_list(reader, "user slot ranges", RANGES_MAX)?;
        let hf = decode_list(reader, "hf slot ranges", RANGES_MAX)?;
        Self::new(version, user, hf)
            .map_err(|_| DecodeError::Invalid { what: "route table version", value: version })
    }
}

/// What a file or message says; not checked yet.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UncheckedTable {
    version: u64,
    user: Vec<SlotRange>,
    hf: Vec<SlotRange>,
}

impl TryFrom<UncheckedTable> for RouteTable {
    type Error = RouteTableError;
    fn try_from(unchecked: UncheckedTable) -> Result<Self, RouteTableError> {
        Self::new(unchecked.version, unchecked.user, unchecked.hf)
    }
}

fn check_cover(space: SlotSpace, ranges: &[SlotRange]) -> Result<(), RouteTableError> {
    let mut covered = 0;
    let mut previous = None;
    for range in ranges {
        let (first, last, chain) = (range.first, range.last, range.chain);
        if first.get() != covered {
            let found = first.get();
            return Err(RouteTableError::Start { space, expected: covered, found });
        }
        if last < first {
            return Err(RouteTableError::Backwards { space, first, last });
        }
        if previous == Some(chain) {
            return Err(RouteTableError::Unmerged { space, slot: first, chain });
        }
        covered = last.get() + 1;
        previous = Some(chain);
    }
    if covered == Slot::COUNT {
        Ok(())
    } else {
        Err(RouteTableError::End { space, expected: Slot::COUNT, found: covered })
    }
}

/// The owner of a slot in ranges that cover the whole space.
fn owner(ranges: &[SlotRange], slot: Slot) -> ChainId {
    ranges[ranges.partition_point(|range| range.last < slot)].chain
}

fn distinct(ranges: &[SlotRange]) -> BTreeSet<ChainId> {
    ranges.iter().map(|range| range.chain).collect()
}

fn slot_at(number: usize) -> Slot {
    let number = u16::try_from(number).ok();
    number.and_then(Slot::new).expect("boundaries of an even split lie below the slot count")
}
