//! Bodies: what consensus orders is bounded and in order.

use tributary_chain::body::{BODY_BATCHES_MAX, BODY_DELIVERIES_MAX};
use tributary_chain::certificate::VALIDATORS_MAX;
use tributary_chain::{Body, ClockReport};
use tributary_types::TimeMs;
use tributary_types::codec::{DecodeError, Encode, decode_exact};

use crate::sample;

fn with_clocks(validators: &[u16]) -> Body {
    let report = |validator: &u16| ClockReport { validator: *validator, time: TimeMs::new(5) };
    Body { clocks: validators.iter().map(report).collect(), ..Body::default() }
}

#[test]
fn clock_reports_are_one_per_validator_and_in_order() {
    let check = |validators: &[u16], ok: bool| {
        let bytes = with_clocks(validators).to_bytes();
        assert_eq!(decode_exact::<Body>(&bytes).is_ok(), ok, "{validators:?}");
    };
    check(&[], true);
    check(&[0, 1, 2], true);
    check(&[1, 0], false);
    check(&[1, 1], false);
}

#[test]
fn a_body_is_time_only_without_batches_and_deliveries() {
    assert!(Body::default().is_time_only());
    assert!(with_clocks(&[0]).is_time_only());
    assert!(!Body { batches: vec![sample::batch()], ..Body::default() }.is_time_only());
}

#[test]
fn the_root_covers_every_byte() {
    let mut bytes = Body { batches: vec![sample::batch()], ..with_clocks(&[0, 1]) }.to_bytes();
    let root = Body::root_of_bytes(&bytes);
    for index in 0..bytes.len() {
        bytes[index] ^= 1;
        assert_ne!(Body::root_of_bytes(&bytes), root);
        bytes[index] ^= 1;
    }
}

#[test]
fn longer_lists_than_the_limits_are_refused_unread() {
    let check = |list: usize, limit: usize, what: &'static str| {
        let found = limit + 1;
        let mut bytes = Body::default().to_bytes();
        bytes[4 * list..4 * list + 4].copy_from_slice(&u32::try_from(found).unwrap().to_le_bytes());
        let refused = DecodeError::TooMany { what, found, limit };
        assert_eq!(decode_exact::<Body>(&bytes), Err(refused));
    };
    check(0, VALIDATORS_MAX, "clock reports");
    check(1, BODY_DELIVERIES_MAX, "deliveries");
    check(2, BODY_BATCHES_MAX, "batches");
}
