//! Whom there is: users of each chain and merchants, by number, and what
//! follows from a number.

use tributary_routing::RouteTable;
use tributary_routing::table::SlotRange;
use tributary_types::{
    AccountClass, AccountId, AccountName, AssetId, ChainId, InstitutionId, SigningKey, Slot,
};

use crate::cluster::{BANK, EURO, POUND, SHOPS, owner_key};
use crate::prng::Prng;
use crate::stage::Stage;

/// Users of one chain that may ever be opened.
const USERS_MAX: u64 = 30;
/// Users that are looked at for one who fits.
const DRAWS_MAX: u64 = 6;

/// Merchants that may ever be opened.
const MERCHANTS_MAX: u64 = 8;

/// See the module head.
#[derive(Debug, Clone)]
pub struct Directory {
    /// Of each user chain with its slots, the users that were thought of.
    chains: Vec<(ChainId, SlotRange, u64)>,
    merchants: u64,
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
    let directory = Directory { chains, merchants: 0 };
    directory.users().map(|(chain, _, account)| (chain, account)).collect()
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
        Self { chains, merchants: stage.scenario.merchants }
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
        self.user(chain, prng.below(*count))
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
