//! Reading ahead: what payments are about to look up is asked of memory while
//! those before them are executed, so that the processor need not wait for each.
//!
//! A state of a million accounts is far larger than a cache. Looking an account
//! up takes two dependent reads, of the index and of the row. So the index slots
//! of a payment are prefetched [`SLOTS_AHEAD`] payments before it is executed, and
//! its rows, which the slots tell, [`ROWS_AHEAD`] before. Nothing is decided:
//! results are those of execution alone, with or without this. Which rows were
//! found is told to execution, so that it need not search for them again
//! ([`Near`]).

use std::collections::VecDeque;

use prefetch_index::prefetch_index;
use tributary_types::{AccountClass, AccountId, PaymentRecord};

use crate::index_key::IndexKey;
use crate::ledger::{Ledger, Side};
use crate::row::Row;
use crate::table::Table;

/// How many payments ahead index slots are prefetched.
const SLOTS_AHEAD: usize = 32;
/// How many payments ahead of its slots a record is.
const RECORDS_AHEAD: usize = 64;
/// How many payments, or rows, ahead of their use rows are prefetched: by then the
/// slots that tell of them are there.
pub(crate) const ROWS_AHEAD: usize = 16;
const _: () = assert!(ROWS_AHEAD < SLOTS_AHEAD);

/// Where both sides of a payment most often are; each is looked at again, as
/// [`crate::table::Table::find_near`] does.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Near {
    pub(crate) debit: Option<u32>,
    pub(crate) credit: Option<u32>,
}

/// Payments that are executed one after the other, and what is known of the next
/// ones.
pub(crate) struct Ahead<'a> {
    records: &'a [PaymentRecord],
    /// Of the payment at an index in `records`, at the remainder of that index.
    ring: [[Sought; 2]; SLOTS_AHEAD],
}

/// One side of a payment, and the row that it most often has.
#[derive(Debug, Clone, Copy, Default)]
struct Sought {
    hash: u64,
    /// Whether it is among the proxies or merchants, not the accounts.
    is_hf: bool,
    row: Option<u32>,
}

impl Ledger {
    /// Begins to read ahead for these payments.
    pub(crate) fn read_ahead<'a>(&self, records: &'a [PaymentRecord]) -> Ahead<'a> {
        let mut ahead = Ahead { records, ring: [[Sought::default(); 2]; SLOTS_AHEAD] };
        for index in 0..SLOTS_AHEAD {
            self.seek(&mut ahead, index);
        }
        for index in 0..ROWS_AHEAD {
            self.locate(&mut ahead, index);
        }
        ahead
    }

    /// Where the sides of the payment at `index`, which is about to be executed,
    /// most often are. Indices ascend by one from 0.
    pub(crate) fn near(&self, ahead: &mut Ahead<'_>, index: usize) -> Near {
        // Its place is that of the payment whose slots are prefetched now.
        let [debit, credit] = ahead.ring[index % SLOTS_AHEAD];
        self.seek(ahead, index + SLOTS_AHEAD);
        self.locate(ahead, index + ROWS_AHEAD);
        Near { debit: debit.row, credit: credit.row }
    }

    /// Prefetches the slots of a payment, if there is one at `index`.
    fn seek(&self, ahead: &mut Ahead<'_>, index: usize) {
        let Some(record) = ahead.records.get(index) else { return };
        prefetch_index(ahead.records, index + RECORDS_AHEAD);
        self.core.window.prefetch(record.id_bytes());
        let sides = record.account_numbers().map(|number| Sought::of(number, self.core.index_key));
        for side in &sides {
            match (side.is_hf, &self.side) {
                (true, Side::User(user)) => user.proxies.prefetch_slot(side.hash),
                (true, Side::Hf(hf)) => hf.merchants.prefetch_slot(side.hash),
                (false, _) => self.core.accounts.prefetch_slot(side.hash),
            }
        }
        ahead.ring[index % SLOTS_AHEAD] = sides;
    }

    /// Prefetches the rows of a payment, if there is one at `index`.
    fn locate(&self, ahead: &mut Ahead<'_>, index: usize) {
        if index >= ahead.records.len() {
            return;
        }
        for side in &mut ahead.ring[index % SLOTS_AHEAD] {
            side.row = match (side.is_hf, &self.side) {
                (true, Side::User(user)) => user.proxies.prefetch_row(side.hash),
                (true, Side::Hf(hf)) => hf.merchants.prefetch_row(side.hash),
                (false, _) => self.core.accounts.prefetch_row(side.hash),
            };
        }
    }
}

/// Where each of many ids most often is, as the rows of a statement name them.
pub(crate) struct NearEach<'a, R, I> {
    table: &'a Table<R>,
    ids: I,
    /// Of those whose slots are prefetched, in order.
    hashes: VecDeque<u64>,
    /// Of those whose rows are, in order; they come before the others.
    rows: VecDeque<Option<u32>>,
}

impl<'a, R: Row, I: Iterator<Item = AccountId>> NearEach<'a, R, I> {
    pub(crate) fn new(table: &'a Table<R>, ids: I) -> Self {
        let hashes = VecDeque::with_capacity(SLOTS_AHEAD - ROWS_AHEAD);
        Self { table, ids, hashes, rows: VecDeque::with_capacity(ROWS_AHEAD) }
    }
}

impl<R: Row, I: Iterator<Item = AccountId>> Iterator for NearEach<'_, R, I> {
    type Item = Option<u32>;
    fn next(&mut self) -> Option<Option<u32>> {
        while self.rows.len() < ROWS_AHEAD {
            while self.hashes.len() < SLOTS_AHEAD - ROWS_AHEAD
                && let Some(id) = self.ids.next()
            {
                let hash = self.table.key().hash(id.get());
                self.table.prefetch_slot(hash);
                self.hashes.push_back(hash);
            }
            let Some(hash) = self.hashes.pop_front() else { break };
            self.rows.push_back(self.table.prefetch_row(hash));
        }
        self.rows.pop_front()
    }
}

impl Sought {
    /// A side by the number of its account, which need not be one.
    fn of(number: u128, key: IndexKey) -> Self {
        let is_hf = number.to_be_bytes()[0] == AccountClass::Hf as u8;
        Self { hash: key.hash(number), is_hf, row: None }
    }
}

#[cfg(test)]
mod tests {
    use tributary_types::{AssetId, InstitutionId, Slot};

    use super::*;
    use crate::account::Account;

    #[test]
    fn each_id_is_told_in_order_whether_it_is_there_or_not() {
        let id = |number: usize| {
            let name = format!("c{number}").parse().unwrap();
            let slot = Slot::new(3).unwrap();
            AccountId::named(AccountClass::User, InstitutionId::new(1), &name, slot)
        };
        let mut table = Table::new(IndexKey::KNOWN);
        for number in 0..200 {
            table.insert(Account::open(id(number), AssetId::new(1), None));
        }
        for count in [0, 1, ROWS_AHEAD, SLOTS_AHEAD, 200, 300] {
            let near: Vec<_> = table.near((0..count).map(id)).collect();
            assert_eq!(near.len(), count);
            for (number, near) in near.into_iter().enumerate() {
                assert_eq!(table.find_near(id(number), near), table.find(id(number)));
                let found = u32::try_from(number).ok().filter(|number| *number < 200);
                assert_eq!(table.find(id(number)), found);
            }
        }
    }
}
