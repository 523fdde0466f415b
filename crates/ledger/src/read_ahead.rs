//! Reading ahead: what a run of payments is about to look up is read all at
//! once, so that the processor waits for many places of memory together
//! instead of for one after the other.
//!
//! A state of a million accounts is far larger than a cache. Looking an account
//! up takes two dependent reads, of the index and of the row; executing one
//! payment after the other waits for each. Here first all index slots of a run
//! are read, then all rows. Nothing is decided: results are those of execution
//! alone, with or without this. Which rows were found is told to execution, so
//! that it need not search for them again ([`Near`]).

use std::hint::black_box;

use tributary_types::payment::Payment;
use tributary_types::{AccountClass, AccountId};

use crate::index::hash_u128;
use crate::ledger::{Ledger, Side};
use crate::row::Row;

/// Payments that are read ahead together: their rows fit the processor's
/// second cache.
pub(crate) const RUN_PAYMENTS: usize = 256;

/// Where both sides of a payment most often are; each is looked at again, as
/// [`crate::table::Table::find_near`] does.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Near {
    pub(crate) debit: Option<u32>,
    pub(crate) credit: Option<u32>,
}

/// One side of a payment, and the row that it most often has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sought {
    hash: u64,
    /// Whether it is among the proxies or merchants, not the accounts.
    is_hf: bool,
    row: Option<u32>,
}

impl Ledger {
    /// Reads what these payments, at most [`RUN_PAYMENTS`], will look up, those
    /// that are not malformed; `sought` is then where the sides of each are.
    pub(crate) fn read_ahead<E>(
        &self,
        payments: &[Result<Payment, E>],
        sought: &mut Vec<[Sought; 2]>,
    ) {
        let ids = payments.iter().flatten().map(|payment| payment.id);
        self.core.window.read_ahead(ids);
        sought.clear();
        sought.extend(payments.iter().map(Sought::of));
        // First without looking at what is read: the processor then need not guess.
        let slots = sought.as_flattened().iter().map(|side| self.first_slot(side));
        black_box(slots.fold(0, |all, slot| all ^ slot));
        for side in sought.as_flattened_mut() {
            side.row = self.probable_row(side);
        }
        let rows = sought.as_flattened().iter().map(|side| self.read_row(side));
        black_box(rows.fold(0, |all, read| all ^ read));
    }

    fn first_slot(&self, side: &Sought) -> u32 {
        match (side.is_hf, &self.side) {
            (true, Side::User(user)) => user.proxies.first_slot(side.hash),
            (true, Side::Hf(hf)) => hf.merchants.first_slot(side.hash),
            (false, _) => self.core.accounts.first_slot(side.hash),
        }
    }

    fn probable_row(&self, side: &Sought) -> Option<u32> {
        match (side.is_hf, &self.side) {
            (true, Side::User(user)) => user.proxies.probable_row(side.hash),
            (true, Side::Hf(hf)) => hf.merchants.probable_row(side.hash),
            (false, _) => self.core.accounts.probable_row(side.hash),
        }
    }

    fn read_row(&self, side: &Sought) -> u32 {
        let Some(row) = side.row else { return 0 };
        match (side.is_hf, &self.side) {
            (true, Side::User(user)) => user.proxies.row(row).read_ahead(),
            (true, Side::Hf(hf)) => hf.merchants.row(row).read_ahead(),
            (false, _) => self.core.accounts.row(row).read_ahead(),
        }
    }
}

impl Near {
    /// Where both sides were found.
    pub(crate) const fn of([debit, credit]: &[Sought; 2]) -> Self {
        Self { debit: debit.row, credit: credit.row }
    }
}

impl Sought {
    /// Both sides of a payment. What is looked for instead of those of a
    /// malformed one does not matter: nobody asks where it is.
    fn of<E>(payment: &Result<Payment, E>) -> [Self; 2] {
        match payment {
            Ok(payment) => [Self::account(payment.debit), Self::account(payment.credit)],
            Err(_) => Default::default(),
        }
    }

    fn account(id: AccountId) -> Self {
        Self { hash: hash_u128(id.get()), is_hf: id.class() == AccountClass::Hf, row: None }
    }
}

/// Reads rows that are about to be used.
pub(crate) fn together<'a, R: Row + 'a>(rows: impl Iterator<Item = &'a R>) {
    black_box(rows.fold(0, |all, row| all ^ row.read_ahead()));
}
