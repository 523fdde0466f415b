//! Reading ahead: what a run of payments is about to look up is read all at
//! once, so that the processor waits for many places of memory together
//! instead of for one after the other.
//!
//! A state of a million accounts is far larger than a cache. Looking an account
//! up takes two dependent reads, of the index and of the row; executing one
//! payment after the other waits for each. Here first all index slots of a run
//! are read, then all rows. Nothing is decided: results are those of execution
//! alone, with or without this.

use std::hint::black_box;

use tributary_types::payment::Payment;
use tributary_types::{AccountClass, AccountId};

use crate::core::Core;
use crate::ledger::{Ledger, Side};
use crate::row::Row;
use crate::table::Table;

/// Payments that are read ahead together: their rows fit the processor's
/// second cache.
pub(crate) const RUN_PAYMENTS: usize = 256;

impl Ledger {
    /// Reads what these payments, at most [`RUN_PAYMENTS`], will look up.
    pub(crate) fn read_ahead<'a>(&self, payments: impl Iterator<Item = &'a Payment> + Clone) {
        let Core { accounts, window, .. } = &self.core;
        let ids = || payments.clone().flat_map(|payment| [payment.debit, payment.credit]);
        let is_hf = |id: &AccountId| id.class() == AccountClass::Hf;
        window.read_ahead(payments.clone().map(|payment| payment.id));
        read_rows(accounts, ids().filter(|id| !is_hf(id)));
        match &self.side {
            Side::User(user) => read_rows(&user.proxies, ids().filter(is_hf)),
            Side::Hf(hf) => read_rows(&hf.merchants, ids().filter(is_hf)),
        }
    }
}

/// Reads the index slots of all `ids`, then the rows that they name.
fn read_rows<R: Row>(table: &Table<R>, ids: impl Iterator<Item = AccountId> + Clone) {
    // First without looking at what is read: the processor then need not guess.
    black_box(ids.clone().fold(0, |all, id| all ^ table.first_slot(id)));
    let mut rows = [None; 2 * RUN_PAYMENTS];
    for (row, id) in rows.iter_mut().zip(ids) {
        *row = table.probable_row(id);
    }
    together(rows.iter().flatten().map(|row| table.row(*row)));
}

/// Reads rows that are about to be used.
pub(crate) fn together<'a, R: Row + 'a>(rows: impl Iterator<Item = &'a R>) {
    black_box(rows.fold(0, |all, row| all ^ row.read_ahead()));
}
