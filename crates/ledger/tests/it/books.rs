//! The books: reports of all chains prove that nothing is missing, and tell an
//! old report from a missing penny.

use tributary_ledger::{BooksError, BooksReport, Ledger, check_books};
use tributary_types::{Amount, PaymentKind};

use crate::harness::{HF, ONE, TWO, World, float};

fn reports(world: &World) -> Vec<BooksReport> {
    world.ledgers.values().map(Ledger::books).collect()
}

#[test]
fn what_was_issued_is_held_or_in_flight_at_every_moment() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(10, 5));
    let alice = world.open("alice", ONE, 500);
    let bob = world.open("bob", TWO, 500);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 100);
    world.pay(ONE, PaymentKind::Transfer, alice, bob, 30);
    world.pay(TWO, PaymentKind::Refund, shop, bob, 20);
    world.advance(200);
    for (from, to) in [(ONE, HF), (TWO, HF), (HF, TWO), (ONE, TWO), (HF, ONE), (TWO, ONE)] {
        world.tick(from);
        let books = world.books().assets.remove(0);
        assert_eq!(books.issued.to_string(), "1000");
        let held = [books.users, books.proxies, books.merchants, books.in_flight];
        assert_eq!(held.into_iter().sum::<tributary_ledger::Balance>(), books.issued);
        world.carry(from, to).unwrap();
    }
    world.relay();
    world.settle();
    assert!(world.books().assets[0].in_flight.is_zero());
}

#[test]
fn a_report_that_is_too_old_is_not_taken_for_a_missing_penny() {
    let (mut world, _) = World::settled();
    let old = reports(&world);
    let alice = world.user("alice", ONE);
    let shop = world.merchant("shop");
    world.pay(ONE, PaymentKind::Payment, alice, shop, 50);
    world.advance(200);
    world.tick(ONE);
    world.relay();
    let new = reports(&world);
    check_books(&old).unwrap();
    check_books(&new).unwrap();
    // HF has more of chain one than chain one's old report has sent.
    let mixed = [old[0].clone(), new[1].clone(), new[2].clone()];
    let error = check_books(&mixed).unwrap_err();
    assert!(matches!(error, BooksError::Inconsistent { chain: ONE, peer: HF, .. }), "{error}");
    // Chain one has pruned what HF's old report has not received.
    let mixed = [new[0].clone(), new[1].clone(), old[2].clone()];
    let error = check_books(&mixed).unwrap_err();
    assert!(matches!(error, BooksError::Inconsistent { chain: HF, peer: ONE, .. }), "{error}");
}

#[test]
fn a_missing_penny_is_named() {
    let (world, _) = World::settled();
    let mut reports = reports(&world);
    let honest = reports.clone();
    reports[0].assets[0].users = reports[0].assets[0].users.minus(Amount::new(1).into());
    assert!(matches!(check_books(&reports), Err(BooksError::Unbalanced { chain: ONE, .. })));
    let mut reports = honest.clone();
    reports[0].channels[1].carried[0].amount = Amount::new(299);
    let error = check_books(&reports).unwrap_err();
    let BooksError::Control { first, second, control, in_flight, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!((*first, *second), (ONE, HF));
    assert_eq!((control.to_string(), in_flight.to_string()), ("300".into(), "299".into()));
    let two = [honest[0].clone(), honest[1].clone()];
    assert!(matches!(check_books(&two), Err(BooksError::Missing(HF))));
    let twice = [honest[0].clone(), honest[0].clone()];
    assert!(matches!(check_books(&twice), Err(BooksError::Duplicate(ONE))));
}

#[test]
fn reports_travel_as_json_and_postcard() {
    let (world, _) = World::settled();
    for report in reports(&world) {
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<BooksReport>(&json).unwrap(), report);
        let bytes = postcard::to_stdvec(&report).unwrap();
        assert_eq!(postcard::from_bytes::<BooksReport>(&bytes).unwrap(), report);
    }
}
