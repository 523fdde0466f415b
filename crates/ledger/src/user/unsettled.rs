//! Proxies that the next statement must say something of, in order of their accounts.
//!
//! A payment only notes the number of the proxy that it changes. For a statement the
//! noted ones become bits, each at its account's rank among all proxies, so that taking
//! the first ones in order reads bits and compares no accounts.

use tributary_types::AccountId;

use crate::proxy::Proxy;
use crate::table::Table;

/// Numbers of proxies, each at most once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unsettled {
    /// Those that have no bit yet, in any order.
    noted: Vec<u32>,
    /// A bit for each rank.
    bits: Vec<u64>,
    /// How many bits are set.
    count: usize,
    /// The proxies in order of their accounts: number by rank; without those that were
    /// opened since the last statement.
    by_rank: Vec<u32>,
    /// The other way round: rank by number.
    ranks: Vec<u32>,
}

impl Unsettled {
    /// Adds a proxy that is not there yet.
    pub(crate) fn note(&mut self, number: u32) {
        self.noted.push(number);
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) const fn len(&self) -> usize {
        self.noted.len() + self.count
    }

    /// All of them, in any order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let ranks = ones(&self.bits, 0);
        self.noted.iter().copied().chain(ranks.map(|rank| self.by_rank[rank]))
    }

    /// Takes the first ones behind `after`, at most `limit`, ascending by account; tells
    /// too whether there are more behind them.
    pub(crate) fn take_behind(
        &mut self,
        after: Option<AccountId>,
        limit: usize,
        proxies: &Table<Proxy>,
    ) -> (Vec<u32>, bool) {
        self.rank(proxies);
        let is_passed = |number: &u32| Some(proxies.row(*number).id) <= after;
        let first = self.by_rank.partition_point(is_passed);
        // One more than wanted tells whether there are more.
        let mut ranks: Vec<usize> = ones(&self.bits, first).take(limit + 1).collect();
        let is_more = ranks.len() > limit;
        ranks.truncate(limit);
        for rank in &ranks {
            self.bits[rank / 64] &= !(1 << (rank % 64));
        }
        self.count -= ranks.len();
        (ranks.into_iter().map(|rank| self.by_rank[rank]).collect(), is_more)
    }

    /// Gives each noted proxy its bit.
    fn rank(&mut self, proxies: &Table<Proxy>) {
        let count = proxies.rows().len();
        if self.by_rank.len() < count {
            self.noted = self.iter().collect();
            self.count = 0;
            self.rank_all(proxies);
            self.bits = vec![0; count.div_ceil(64)];
        }
        self.count += self.noted.len();
        for number in self.noted.drain(..) {
            let rank = self.ranks[number as usize];
            self.bits[rank as usize / 64] |= 1 << (rank % 64);
        }
    }

    /// Ranks the proxies that were opened since the last time among the others.
    fn rank_all(&mut self, proxies: &Table<Proxy>) {
        let opened = (0..).zip(proxies.rows()).skip(self.by_rank.len());
        self.by_rank.extend(opened.map(|(number, _)| number));
        // Stable, since that takes what is in order already as it is.
        self.by_rank.sort_by_key(|number: &u32| proxies.row(*number).id);
        self.ranks.resize(self.by_rank.len(), 0);
        for (rank, number) in (0..).zip(&self.by_rank) {
            self.ranks[*number as usize] = rank;
        }
    }
}

impl FromIterator<u32> for Unsettled {
    fn from_iter<I: IntoIterator<Item = u32>>(numbers: I) -> Self {
        Self { noted: numbers.into_iter().collect(), ..Self::default() }
    }
}

/// Places of the bits that are set, from `first` on, ascending.
fn ones(words: &[u64], first: usize) -> impl Iterator<Item = usize> + '_ {
    let behind = words.iter().enumerate().skip(first / 64);
    behind.flat_map(move |(index, word)| {
        let passed = first.saturating_sub(64 * index);
        let mut rest = *word & (u64::MAX << passed.min(63));
        std::iter::from_fn(move || {
            let place = (rest != 0).then(|| 64 * index + rest.trailing_zeros() as usize);
            rest &= rest.wrapping_sub(1);
            place
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tributary_chain::operation::{AccountStatus, FloatPolicy};
    use tributary_types::{AccountClass, AssetId, InstitutionId, Slot};

    use super::*;
    use crate::index_key::IndexKey;

    fn open(proxies: &mut Table<Proxy>, count: usize) {
        let slot = Slot::new(3).unwrap();
        for _ in 0..count {
            let name = format!("m{}", proxies.rows().len()).parse().unwrap();
            let id = AccountId::named(AccountClass::Hf, InstitutionId::new(1), &name, slot);
            let float = FloatPolicy::default();
            proxies.insert(Proxy::open(id, AssetId::new(1), AccountStatus::Open, float));
        }
    }

    #[test]
    fn the_first_ones_by_account_are_taken_wherever_and_whenever_they_were_opened() {
        let mut proxies = Table::new(IndexKey::KNOWN);
        let (mut unsettled, mut model) = (Unsettled::default(), BTreeMap::new());
        let mut after = None;
        for round in 0..40_u32 {
            open(&mut proxies, [0, 1, 63, 64, 70][round as usize % 5]);
            for (number, proxy) in (0_u32..).zip(proxies.rows()) {
                let is_wanted = number.wrapping_mul(2_654_435_761) % 7 < round % 4;
                if is_wanted && model.insert(proxy.id, number).is_none() {
                    unsettled.note(number);
                }
            }
            assert_eq!(unsettled.len(), model.len());
            let mut all: Vec<u32> = unsettled.iter().collect();
            all.sort_unstable();
            let mut expected: Vec<u32> = model.values().copied().collect();
            expected.sort_unstable();
            assert_eq!(all, expected);
            let behind: Vec<(AccountId, u32)> = model
                .iter()
                .filter(|(account, _)| Some(**account) > after)
                .map(|(account, number)| (*account, *number))
                .collect();
            let limit = [1, 30, 64, 1_000][round as usize % 4];
            let (taken, is_more) = unsettled.take_behind(after, limit, &proxies);
            let expected = behind.iter().take(limit);
            assert_eq!(taken, expected.map(|(_, number)| *number).collect::<Vec<_>>(), "{round}");
            assert_eq!(is_more, behind.len() > limit);
            after = behind.get(limit - 1).filter(|_| is_more).map(|(account, _)| *account);
            for (account, _) in behind.iter().take(limit) {
                model.remove(account);
            }
            assert_eq!(unsettled.is_empty(), model.is_empty());
        }
        assert!(proxies.rows().len() > 1_000);
    }
}
