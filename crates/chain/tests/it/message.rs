//! Counters and statements: the sums that settlement rests on.

use proptest::prelude::*;
use tributary_chain::message::STATEMENT_ROWS_MAX;
use tributary_chain::{Counters, Statement, StatementRow};
use tributary_types::codec::{DecodeError, Encode, decode_exact};
use tributary_types::{AccountClass, AccountId, Amount, Hash};

use crate::{any, sample};

fn counters(received: u128, refunded: u128, funded: u128, swept: u128) -> Counters {
    Counters {
        received: Amount::new(received),
        refunded: Amount::new(refunded),
        funded: Amount::new(funded),
        swept: Amount::new(swept),
        payments: 1,
    }
}

#[test]
fn a_balance_is_received_less_refunded_plus_funded_less_swept() {
    let check = |counters: Counters, expected: Option<u128>| {
        assert_eq!(counters.balance(), expected.map(Amount::new), "{counters:?}");
    };
    check(counters(0, 0, 0, 0), Some(0));
    check(counters(100, 30, 5, 60), Some(15));
    check(counters(0, 5, 5, 0), Some(0));
    check(counters(10, 11, 0, 0), None);
    check(counters(10, 0, 0, 11), None);
    check(counters(u128::MAX, 0, 0, u128::MAX), Some(0));
    check(counters(u128::MAX, 0, 1, 1), None);
    check(counters(5, u128::MAX, 0, 1), None);
}

proptest! {
    #[test]
    fn nothing_in_a_successor_shrinks(earlier in any::counters(), later in any::counters()) {
        prop_assert!(earlier.is_successor_of(&earlier));
        let grew = [
            later.received >= earlier.received,
            later.refunded >= earlier.refunded,
            later.funded >= earlier.funded,
            later.swept >= earlier.swept,
            later.payments >= earlier.payments,
        ];
        prop_assert_eq!(later.is_successor_of(&earlier), grew == [true; 5]);
    }

    #[test]
    fn the_hash_of_a_statement_covers_every_field(statement in any::statement(), other in any::statement()) {
        prop_assert_eq!(statement.hash() == other.hash(), statement == other);
        let relinked = Statement { previous: Hash::from_bytes([7; 32]), ..statement.clone() };
        prop_assert_ne!(relinked.hash(), statement.hash());
    }
}

#[test]
fn statement_rows_are_one_per_account_and_in_order() {
    let statement = sample::statement();
    let rows = statement.rows.clone();
    assert!(rows.len() >= 2);
    let check = |rows: Vec<_>, ok: bool| {
        let statement = Statement { rows, ..statement.clone() };
        assert_eq!(decode_exact::<Statement>(&statement.to_bytes()).is_ok(), ok);
        let text = serde_json::to_string(&statement).unwrap();
        assert_eq!(serde_json::from_str::<Statement>(&text).is_ok(), ok);
        let bytes = postcard::to_allocvec(&statement).unwrap();
        assert_eq!(postcard::from_bytes::<Statement>(&bytes).is_ok(), ok);
    };
    check(rows.clone(), true);
    check(vec![rows[1], rows[0]], false);
    check(vec![rows[0], rows[0]], false);
}

#[test]
fn a_statement_with_too_many_rows_is_refused_unread() {
    let mut bytes = Statement { rows: Vec::new(), ..sample::statement() }.to_bytes();
    let (found, limit) = (STATEMENT_ROWS_MAX + 1, STATEMENT_ROWS_MAX);
    let at = bytes.len() - 4;
    bytes[at..].copy_from_slice(&u32::try_from(found).unwrap().to_le_bytes());
    let refused = DecodeError::TooMany { what: "statement rows", found, limit };
    assert_eq!(decode_exact::<Statement>(&bytes), Err(refused));
}

#[test]
fn a_statement_with_too_many_rows_is_refused_in_text() {
    let row = sample::statement().rows[0];
    let mut rows: Vec<_> = (0..=STATEMENT_ROWS_MAX)
        .map(|number| {
            let name = format!("shop{number}").parse().unwrap();
            let (institution, slot) = (row.account.institution(), row.account.slot().unwrap());
            let account = AccountId::named(AccountClass::Hf, institution, &name, slot);
            StatementRow { account, ..row }
        })
        .collect();
    rows.sort_unstable_by_key(|row| row.account);
    let check = |rows: &[StatementRow]| {
        let statement = Statement { rows: rows.to_vec(), ..sample::statement() };
        let text = serde_json::to_string(&statement).unwrap();
        serde_json::from_str::<Statement>(&text).map_err(|error| error.to_string())
    };
    assert!(check(&rows[..STATEMENT_ROWS_MAX]).is_ok());
    let refused = check(&rows).unwrap_err();
    assert!(refused.starts_with("4097 statement rows, limit is 4096"), "{refused}");
}
