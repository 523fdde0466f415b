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

impl Ledger {
    /// Reads what these payments, at most [`RUN_PAYMENTS`], will look up, those
    /// that are not malformed.
    pub(crate) fn read_ahead<E>(&self, payments: &[Result<Payment, E>]) -> Vec<Near> {
        let valid = || payments.iter().flatten();
        self.core.window.read_ahead(valid().map(|payment| payment.id));
        let ids = || valid().flat_map(|payment| [payment.debit, payment.credit]);
        let hashes: Vec<u64> = ids().map(|id| hash_u128(id.get())).collect();
        // First without looking at what is read: the processor then need not guess.
        let slots = ids().zip(&hashes).map(|(id, hash)| self.first_slot(id, *hash));
        black_box(slots.fold(0, |all, slot| all ^ slot));
        let mut hashes = hashes.into_iter();
        let mut probable = |id| hashes.next().and_then(|hash| self.probable_row(id, hash));
        let near = |payment: &Result<Payment, E>| match payment {
            Ok(payment) => {
                Near { debit: probable(payment.debit), credit: probable(payment.credit) }
            }
            Err(_) => Near::default(),
        };
        let near: Vec<Near> = payments.iter().map(near).collect();
        let rows = ids().zip(near_rows(payments, &near));
        black_box(rows.fold(0, |all, (id, row)| all ^ self.read_row(id, row)));
        near
    }

    fn first_slot(&self, id: AccountId, hash: u64) -> u32 {
        match (id.class(), &self.side) {
            (AccountClass::Hf, Side::User(user)) => user.proxies.first_slot(hash),
            (AccountClass::Hf, Side::Hf(hf)) => hf.merchants.first_slot(hash),
            _ => self.core.accounts.first_slot(hash),
        }
    }

    fn probable_row(&self, id: AccountId, hash: u64) -> Option<u32> {
        match (id.class(), &self.side) {
            (AccountClass::Hf, Side::User(user)) => user.proxies.probable_row(hash),
            (AccountClass::Hf, Side::Hf(hf)) => hf.merchants.probable_row(hash),
            _ => self.core.accounts.probable_row(hash),
        }
    }

    fn read_row(&self, id: AccountId, row: Option<u32>) -> u32 {
        let Some(row) = row else { return 0 };
        match (id.class(), &self.side) {
            (AccountClass::Hf, Side::User(user)) => user.proxies.row(row).read_ahead(),
            (AccountClass::Hf, Side::Hf(hf)) => hf.merchants.row(row).read_ahead(),
            _ => self.core.accounts.row(row).read_ahead(),
        }
    }
}

/// The rows of all payments that are not malformed, as their ids come.
fn near_rows<'a, E>(
    payments: &'a [Result<Payment, E>],
    near: &'a [Near],
) -> impl Iterator<Item = Option<u32>> + 'a {
    let valid = payments.iter().zip(near).filter(|(payment, _)| payment.is_ok());
    valid.flat_map(|(_, near)| [near.debit, near.credit])
}

/// Reads rows that are about to be used.
pub(crate) fn together<'a, R: Row + 'a>(rows: impl Iterator<Item = &'a R>) {
    black_box(rows.fold(0, |all, row| all ^ row.read_ahead()));
}
