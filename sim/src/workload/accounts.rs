//! Whom there is: users of each chain and merchants, by number, and what
//! follows from a number.

use tributary_routing::RouteTable;
use tributary_routing::placement::{self, PlacementRule};
use tributary_routing::table::SlotRange;
use tributary_types::{
    AccountClass, AccountId, AccountName, AssetId, ChainId, InstitutionId, SigningKey, Slot, TimeMs,
};

use crate::clock::START;
use crate::cluster::{BANK, EURO, POUND, SHOPS, owner_key};
use crate::prng::Prng;
use crate::stage::Stage;

/// Users of one chain that may ever be opened.
const USERS_MAX: u64 = 30;
/// Users that are looked at for one who fits.
const DRAWS_MAX: u64 = 6;

/// Users that may ever be opened wherever the rules of placement say.
const PLACED_MAX: u64 = 12;
/// How long the first rule of placement holds.
const FIRST_RULE_MS: u64 = 12_000;

/// Merchants that may ever be opened.
const MERCHANTS_MAX: u64 = 8;

/// See the module head.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Of each user chain with its slots, the users that were thought of.
    chains: Vec<(ChainId, SlotRange, u64)>,
    merchants: u64,
    routes: RouteTable,
    /// Users that were placed by rule, with their chains.
    placed: Vec<(ChainId, AccountId)>,
}

/// The key of an account's owner: every fourth user has one.
#[must_use]
pub fn owner_of(chain: ChainId, number: u64) -> Option<SigningKey> {
    let number = u32::try_from(number).ok().filter(|number| number % 4 == 3)?;
    Some(owner_key(u32::from(chain.get()) << 16 | number))
}

/// What an account is opened with: about one of four holds euros.
#[must_use]
pub fn asset_of(account: AccountId) -> AssetId {
    if account.get().is_multiple_of(4) { EURO } else { POUND }
}

/// Every user that may ever be opened, with its chain.
#[must_use]
pub fn every_user(routes: &RouteTable) -> Vec<(ChainId, AccountId)> {
    let ranges = routes.user_ranges().iter();
    let chains = ranges.map(|range| (range.chain, *range, USERS_MAX)).collect();
    let directory = Directory { chains, merchants: 0, routes: routes.clone(), placed: Vec::new() };
    let users = directory.users().map(|(chain, _, account)| (chain, account));
    users.chain((0..PLACED_MAX).flat_map(|number| every_place(routes, number))).collect()
}

/// Wherever a user that is placed by rule may be: the rules changed meanwhile.
fn every_place(routes: &RouteTable, number: u64) -> Vec<(ChainId, AccountId)> {
    let Some(name) = placed_name(number) else { return Vec::new() };
    let sponsor = Directory::sponsor(number);
    let slots = placement::candidates(&rules(routes), sponsor, AccountClass::User, &name);
    let account = |slot| AccountId::named(AccountClass::User, sponsor, &name, slot);
    slots.into_iter().map(|slot| (routes.chain_of(slot), account(slot))).collect()
}

/// Users of the bank go to the last user chain, but at first to the first one;
/// one is named; all others go anywhere.
fn rules(routes: &RouteTable) -> Vec<PlacementRule> {
    let (ranges, end) = (routes.user_ranges(), START.plus_ms(FIRST_RULE_MS));
    let [Some(first), Some(last)] = [ranges.first(), ranges.last()] else { return Vec::new() };
    let rule = PlacementRule {
        institution: Some(BANK),
        asset: None,
        class: None,
        name: None,
        valid_from: START,
        valid_until: Some(end),
        first: first.first,
        last: first.last,
    };
    let (from, to) = (last.first, last.last);
    let later = PlacementRule { valid_until: None, first: from, last: to, ..rule.clone() };
    let class = Some(AccountClass::User);
    let euros = PlacementRule { asset: Some(EURO), class, ..later.clone() };
    let named = PlacementRule { institution: None, name: placed_name(1), ..later.clone() };
    vec![named, euros, rule, PlacementRule { valid_from: end, ..later }]
}

fn placed_name(number: u64) -> Option<AccountName> {
    format!("p{number}").parse().ok()
}

/// Every merchant that may ever be opened.
pub fn every_merchant() -> impl Iterator<Item = AccountId> {
    (0..MERCHANTS_MAX).filter_map(Directory::merchant).map(|(account, _)| account)
}

impl Directory {
    /// Those that are opened at the start.
    #[must_use]
    pub fn new(stage: &Stage) -> Self {
        let ranges = stage.cluster.genesis.routes.user_ranges().iter();
        let chains = ranges.map(|range| (range.chain, *range, stage.scenario.users)).collect();
        let routes = stage.cluster.genesis.routes.clone();
        Self { chains, merchants: stage.scenario.merchants, routes, placed: Vec::new() }
    }

    /// The account of a user: in the first or the last slot of its chain.
    #[must_use]
    pub fn user(&self, chain: ChainId, number: u64) -> Option<AccountId> {
        let (_, slots, _) = self.chains.iter().find(|(found, ..)| *found == chain)?;
        let slot = if number.is_multiple_of(2) { slots.first } else { slots.last };
        let sponsor = if number % 3 == 2 { SHOPS } else { BANK };
        let name: AccountName = format!("u{number}").parse().ok()?;
        Some(AccountId::named(AccountClass::User, sponsor, &name, slot))
    }

    /// The account of a merchant and its name.
    #[must_use]
    pub fn merchant(number: u64) -> Option<(AccountId, AccountName)> {
        let sponsor = Self::sponsor(number);
        let name: AccountName = format!("m{number}").parse().ok()?;
        let slot = Slot::new(u16::try_from(number).ok()?)?;
        Some((AccountId::named(AccountClass::Hf, sponsor, &name, slot), name))
    }

    /// All users that were thought of: chain, number, account.
    pub fn users(&self) -> impl Iterator<Item = (ChainId, u64, AccountId)> + '_ {
        self.chains.iter().flat_map(|(chain, _, count)| {
            (0..*count).filter_map(|number| Some((*chain, number, self.user(*chain, number)?)))
        })
    }

    /// All merchants.
    pub fn merchants(&self) -> impl Iterator<Item = (AccountId, AccountName)> + use<> {
        (0..self.merchants).filter_map(Self::merchant)
    }

    /// The key of an account's owner, if it has one.
    #[must_use]
    pub fn owner(&self, account: AccountId) -> Option<SigningKey> {
        let (chain, number, _) = self.users().find(|(_, _, user)| *user == account)?;
        owner_of(chain, number)
    }

    /// Some user chain.
    pub fn some_chain(&self, prng: &mut Prng) -> Option<ChainId> {
        prng.pick(&self.chains).map(|(chain, ..)| *chain)
    }

    /// Some user of a chain.
    pub fn some_user(&self, chain: ChainId, prng: &mut Prng) -> Option<AccountId> {
        let (_, _, count) = self.chains.iter().find(|(found, ..)| *found == chain)?;
        let number = prng.below(*count + self.placed.len() as u64);
        let placed = usize::try_from(number.saturating_sub(*count)).ok();
        let placed = placed.filter(|_| number >= *count).and_then(|place| self.placed.get(place));
        match placed {
            Some((there, account)) if *there == chain => Some(*account),
            _ => self.user(chain, number % *count),
        }
    }

    /// A user where the rules of placement say at this time, with its chain.
    pub fn place(&mut self, now: TimeMs, prng: &mut Prng) -> Option<(ChainId, AccountId)> {
        let number = prng.below(PLACED_MAX);
        let (name, sponsor) = (placed_name(number)?, Self::sponsor(number));
        let class = AccountClass::User;
        // The slot is no part of what says the asset.
        let asset = asset_of(AccountId::named(class, sponsor, &name, Slot::new(0)?));
        let rules = rules(&self.routes);
        placement::validate(&rules).ok()?;
        let slot = placement::place(&rules, sponsor, asset, class, &name, now);
        let account = AccountId::named(class, sponsor, &name, slot);
        let placed = (self.routes.chain_of(slot), account);
        if !self.placed.contains(&placed) {
            self.placed.push(placed);
        }
        Some(placed)
    }

    /// A user of a chain that holds this asset, if one is found soon.
    pub fn some_user_with(
        &self,
        asset: AssetId,
        chain: ChainId,
        prng: &mut Prng,
    ) -> Option<AccountId> {
        let mut drawn = (0..DRAWS_MAX).filter_map(|_| self.some_user(chain, prng));
        drawn.find(|user| asset_of(*user) == asset).or_else(|| self.some_user(chain, prng))
    }

    /// Some merchant; the first is as hot as all others together.
    pub fn some_merchant(&self, prng: &mut Prng) -> Option<(AccountId, AccountName)> {
        let number = if prng.below(2) == 0 { 0 } else { prng.below(self.merchants) };
        Self::merchant(number)
    }

    /// A user that nobody has thought of, or one that is open already.
    pub fn next_user(&mut self, chain: ChainId, prng: &mut Prng) -> Option<(u64, AccountId)> {
        let (_, _, count) = self.chains.iter_mut().find(|(found, ..)| *found == chain)?;
        let number = if *count < USERS_MAX && prng.below(4) > 0 {
            *count += 1;
            *count - 1
        } else {
            prng.below(*count)
        };
        Some((number, self.user(chain, number)?))
    }

    /// A merchant that nobody has thought of, or one that is open already.
    pub fn next_merchant(&mut self, prng: &mut Prng) -> Option<(AccountId, AccountName)> {
        if self.merchants < MERCHANTS_MAX && prng.below(2) == 0 {
            self.merchants += 1;
            return Self::merchant(self.merchants - 1);
        }
        Self::merchant(prng.below(self.merchants))
    }

    fn sponsor(number: u64) -> InstitutionId {
        if number % 2 == 1 { SHOPS } else { BANK }
    }
}
