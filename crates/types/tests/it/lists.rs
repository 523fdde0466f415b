//! A list costs what its bytes cost, whatever its count announces.

use tributary_types::codec::{
    DecodeError, Encode, LIST_LENGTH_MAX, Reader, decode_exact, decode_list,
};
use tributary_types::{Hash, PaymentRecord, Receipt};

/// A count without elements.
fn announced(count: u32) -> Vec<u8> {
    count.to_bytes()
}

#[test]
fn a_count_beyond_the_limit_is_refused_before_any_element() {
    let error = decode_exact::<Vec<Hash>>(&announced(u32::MAX)).unwrap_err();
    let found = u32::MAX as usize;
    assert_eq!(error, DecodeError::TooMany { what: "list", found, limit: LIST_LENGTH_MAX });
    let bytes = announced(3);
    let error = decode_list::<u8>(&mut Reader::new(&bytes), "votes", 2).unwrap_err();
    assert_eq!(error.to_string(), "votes has 3 elements, at most 2 are allowed");
}

#[test]
fn a_count_beyond_the_bytes_is_refused_before_any_element() {
    fn check<T: tributary_types::Decode + std::fmt::Debug>() {
        let limit = u32::try_from(LIST_LENGTH_MAX).unwrap();
        let mut bytes = announced(limit);
        bytes.extend([1; 500]);
        let error = decode_exact::<Vec<T>>(&bytes).unwrap_err();
        let needed = LIST_LENGTH_MAX * T::BYTES_MIN;
        assert_eq!(error, DecodeError::Truncated { what: "list", needed, left: 500 });
    }
    check::<u8>();
    check::<Hash>();
    check::<Receipt>();
    check::<PaymentRecord>();
    check::<Vec<Hash>>();
    check::<Option<PaymentRecord>>();
}

#[test]
fn nested_counts_are_bounded_by_what_is_left() {
    let mut bytes = announced(2);
    announced(1).into_iter().for_each(|byte| bytes.push(byte));
    bytes.push(7);
    bytes.extend(announced(u32::try_from(LIST_LENGTH_MAX).unwrap()));
    let error = decode_exact::<Vec<Vec<u8>>>(&bytes).unwrap_err();
    assert_eq!(error, DecodeError::Truncated { what: "list", needed: LIST_LENGTH_MAX, left: 0 });
}

#[test]
fn a_long_list_of_small_encodings_allocates_by_its_bytes_at_first() {
    // Each `None` is one byte long and 89 bytes large in memory.
    let list: Vec<Option<PaymentRecord>> = vec![None; 10_000];
    let bytes = list.to_bytes();
    assert_eq!(decode_exact(&bytes), Ok(list));
    let mut wrong = bytes;
    let last = wrong.len() - 1;
    wrong[last] = 2;
    assert!(decode_exact::<Vec<Option<PaymentRecord>>>(&wrong).is_err());
}
