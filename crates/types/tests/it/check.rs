//! What must hold of every canonical encoding; also used by the tests of
//! higher floors.

use std::fmt::Debug;

use proptest::sample::Index;
use tributary_types::codec::{Decode, DecodeError, Encode, decode_exact};

/// The value comes back from its bytes, and from no prefix or extension of them.
pub fn check_round_trip<T: Encode + Decode + PartialEq + Debug>(value: &T) {
    let mut bytes = value.to_bytes();
    assert!(bytes.len() >= T::BYTES_MIN, "{value:?} takes fewer bytes than its minimum");
    assert_eq!(decode_exact::<T>(&bytes).as_ref(), Ok(value));
    for length in 0..bytes.len() {
        let cut = decode_exact::<T>(&bytes[..length]);
        assert!(matches!(cut, Err(DecodeError::Truncated { .. })), "{length} bytes: {cut:?}");
    }
    bytes.push(0);
    assert_eq!(decode_exact::<T>(&bytes), Err(DecodeError::Trailing(1)));
}

/// Bytes that are accepted are the encoding of what they were read as.
pub fn check_accepted<T: Encode + Decode>(bytes: &[u8]) {
    if let Ok(value) = decode_exact::<T>(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

/// The value's encoding with one byte changed is refused, or another value's.
pub fn check_changed_byte<T: Encode + Decode>(value: &T, at: Index, flip: u8) {
    let mut bytes = value.to_bytes();
    let index = at.index(bytes.len());
    bytes[index] ^= flip;
    check_accepted::<T>(&bytes);
}

/// All of this for each type: on arbitrary values, on values with one byte
/// changed, and on arbitrary bytes.
macro_rules! check_canonical {
    ($($test:ident: $type:ty = $strategy:expr;)+) => {
        proptest::proptest! {
            $(
                #[test]
                fn $test(
                    value in $strategy,
                    at in proptest::prelude::any::<proptest::sample::Index>(),
                    flip in 1..=255_u8,
                ) {
                    $crate::check::check_round_trip::<$type>(&value);
                    $crate::check::check_changed_byte::<$type>(&value, at, flip);
                }
            )+

            #[test]
            fn arbitrary_bytes_are_refused_or_canonical(
                bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)
            ) {
                $( $crate::check::check_accepted::<$type>(&bytes); )+
            }
        }
    };
}
