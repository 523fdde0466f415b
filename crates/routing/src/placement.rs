//! Placement: which slot an account gets when it is opened.
//!
//! Rules stand in an ordered list; the first that matches gives a range of
//! slots, and the account's name is hashed onto it. Without a match the range
//! is the whole slot space. A rule that names no class is for user accounts:
//! HF accounts are spread over the whole HF slot space unless a rule names
//! their class.
//!
//! An account keeps its slot for life, so a name may live in a slot that an
//! older rule gave: [`candidates`] lists all slots where it can be.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::{AccountClass, AccountName, AssetId, InstitutionId, Slot, TimeMs, canonical};

/// Most rules in one list.
pub const PLACEMENT_RULES_MAX: usize = 1_024;

/// Places the accounts that fit all its conditions; an absent condition fits
/// every account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlacementRule {
    /// Only accounts that this institution sponsors.
    pub institution: Option<InstitutionId>,
    /// Only accounts of this asset.
    pub asset: Option<AssetId>,
    /// Only accounts of this class, user or HF; absent means user.
    pub class: Option<AccountClass>,
    /// Only the account of this name.
    pub name: Option<AccountName>,
    /// Only accounts that are opened at this time or later.
    pub valid_from: TimeMs,
    /// Only accounts that are opened before this time.
    pub valid_until: Option<TimeMs>,
    /// First slot of the range to place in.
    pub first: Slot,
    /// Last slot of the range, included.
    pub last: Slot,
}
canonical!(PlacementRule {
    institution: Option<InstitutionId>,
    asset: Option<AssetId>,
    class: Option<AccountClass>,
    name: Option<AccountName>,
    valid_from: TimeMs,
    valid_until: Option<TimeMs>,
    first: Slot,
    last: Slot,
});

/// Why a list of rules is refused. Rules are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlacementError {
    /// Beyond [`PLACEMENT_RULES_MAX`].
    #[error("{found} placement rules, at most {PLACEMENT_RULES_MAX} are allowed")]
    TooMany {
        /// Rules given.
        found: usize,
    },
    /// The range ends before it begins.
    #[error("placement rule {rule}: slots {first} to {last} end before they begin")]
    Range {
        /// Which rule.
        rule: usize,
        /// Where the range begins.
        first: Slot,
        /// Where it ends.
        last: Slot,
    },
    /// The rule is never valid.
    #[error("placement rule {rule}: valid until {until} ms, not after its start at {from} ms")]
    Validity {
        /// Which rule.
        rule: usize,
        /// Start of validity.
        from: TimeMs,
        /// End of validity.
        until: TimeMs,
    },
    /// The class has no slots.
    #[error("placement rule {rule}: accounts of class {class:?} have no slot")]
    Class {
        /// Which rule.
        rule: usize,
        /// The class it names.
        class: AccountClass,
    },
}

/// Checks a list of rules before it is put in force.
///
/// # Errors
/// [`PlacementError`] names the first rule that makes no sense.
pub fn validate(rules: &[PlacementRule]) -> Result<(), PlacementError> {
    if rules.len() > PLACEMENT_RULES_MAX {
        return Err(PlacementError::TooMany { found: rules.len() });
    }
    rules.iter().zip(1..).try_for_each(|(rule, number)| rule.validate(number))
}

/// The slot of an account that is opened at `time`, under its `name` at
/// `institution`. Equal arguments give equal slots, for ever. `class` is user
/// or HF: other accounts have no slot and match no rule.
#[must_use]
pub fn place(
    rules: &[PlacementRule],
    institution: InstitutionId,
    asset: AssetId,
    class: AccountClass,
    name: &AccountName,
    time: TimeMs,
) -> Slot {
    let rule = rules.iter().find(|rule| {
        rule.is_valid_at(time)
            && rule.asset.is_none_or(|wanted| wanted == asset)
            && rule.fits(institution, class, name)
    });
    let (first, last) = rule.map_or(WHOLE_SPACE, |rule| (rule.first, rule.last));
    scale(name.placement_hash(institution), first, last)
}

/// Every slot in which the account of this `name` can be, whenever it was
/// opened and whatever its asset: what each rule that fits would give, then
/// what the whole space gives; each slot once.
#[must_use]
pub fn candidates(
    rules: &[PlacementRule],
    institution: InstitutionId,
    class: AccountClass,
    name: &AccountName,
) -> Vec<Slot> {
    let hash = name.placement_hash(institution);
    let fitting = rules.iter().filter(|rule| rule.fits(institution, class, name));
    let ranges = fitting.map(|rule| (rule.first, rule.last)).chain([WHOLE_SPACE]);
    let mut slots = Vec::new();
    for (first, last) in ranges {
        let slot = scale(hash, first, last);
        if !slots.contains(&slot) {
            slots.push(slot);
        }
    }
    slots
}

/// First and last of all slots.
const WHOLE_SPACE: (Slot, Slot) = match (Slot::new(0), Slot::new(Slot::COUNT - 1)) {
    (Some(first), Some(last)) => (first, last),
    _ => panic!("the slot space is not empty"),
};

impl PlacementRule {
    fn validate(&self, rule: usize) -> Result<(), PlacementError> {
        let (first, last) = (self.first, self.last);
        if last < first {
            return Err(PlacementError::Range { rule, first, last });
        }
        if let Some(until) = self.valid_until.filter(|until| *until <= self.valid_from) {
            return Err(PlacementError::Validity { rule, from: self.valid_from, until });
        }
        match self.class {
            Some(class @ (AccountClass::Issuer | AccountClass::Control)) => {
                Err(PlacementError::Class { rule, class })
            }
            _ => Ok(()),
        }
    }

    fn is_valid_at(&self, time: TimeMs) -> bool {
        time >= self.valid_from && self.valid_until.is_none_or(|until| time < until)
    }

    fn fits(&self, institution: InstitutionId, class: AccountClass, name: &AccountName) -> bool {
        self.class.unwrap_or(AccountClass::User) == class
            && self.institution.is_none_or(|wanted| wanted == institution)
            && self.name.is_none_or(|wanted| wanted == *name)
    }
}

/// Maps a uniform 16-bit number onto the slots `first..=last`.
fn scale(hash: u16, first: Slot, last: Slot) -> Slot {
    let width = u32::from(last.get().saturating_sub(first.get())) + 1;
    let offset = (u32::from(hash) * width) >> u16::BITS;
    let number = u32::from(first.get()) + offset;
    u16::try_from(number).ok().and_then(Slot::new).expect("the offset is below the width")
}
