//! Ed25519 by ZIP-215: verification one by one and in batches always agree.

use proptest::prelude::*;
use tributary_types::verify::JOINED_SIGNATURES_MAX;
use tributary_types::{Domain, Hash, PublicKey, Signature, SignatureCheck, SigningKey, verify_all};

type Item = (PublicKey, Hash, Signature);

/// Encodings of the eight points of small order: first the canonical ones, then
/// those with a sign of zero or a coordinate beyond the field, which ZIP-215
/// accepts and RFC 8032 leaves open.
const SMALL_ORDER_POINTS: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// The order of the base point, little-endian (RFC 8032, section 5.1).
const GROUP_ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn bytes(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn signature(r: [u8; 32], s: [u8; 32]) -> Signature {
    let mut whole = [0; 64];
    whole[..32].copy_from_slice(&r);
    whole[32..].copy_from_slice(&s);
    Signature::from_bytes(whole)
}

fn valid(seed: u8, text: &[u8]) -> Item {
    let key = SigningKey::from_seed([seed; 32]);
    let message = Domain::Payment.hash(text);
    (key.public(), message, key.sign(&message))
}

fn checks(items: &[Item]) -> Vec<SignatureCheck> {
    let check = |(key, message, signature): &Item| SignatureCheck {
        key: *key,
        message: *message,
        signature: *signature,
    };
    items.iter().map(check).collect()
}

/// Both ways of verification give `expected`, also for the item among others.
fn check(item: Item, expected: bool) {
    let (key, message, signature) = &item;
    assert_eq!(key.verifies(message, signature), expected, "one by one: {item:?}");
    assert_eq!(verify_all(&checks(&[item])), [expected], "batch of one: {item:?}");
    let among_others = [valid(1, b"before"), item, valid(2, b"after"), valid(1, b"last")];
    let answers = verify_all(&checks(&among_others));
    assert_eq!(answers, [true, expected, true, true], "batch: {item:?}");
}

#[test]
fn small_order_points_verify_alike_in_every_combination() {
    let message = Domain::Payment.hash(b"anything");
    for key in SMALL_ORDER_POINTS {
        for r in SMALL_ORDER_POINTS {
            let item = (PublicKey::from_bytes(bytes(key)), message, signature(bytes(r), [0; 32]));
            check(item, true);
        }
    }
}

#[test]
fn keys_of_small_order_are_known_as_weak() {
    for key in SMALL_ORDER_POINTS {
        assert!(PublicKey::from_bytes(bytes(key)).is_weak(), "{key}");
    }
    assert!(!valid(1, b"").0.is_weak());
    let no_point = PublicKey::from_bytes([2; 32]);
    assert!(!no_point.is_weak());
}

#[test]
fn a_key_that_is_no_point_verifies_nothing() {
    let (_, message, signature) = valid(1, b"text");
    check((PublicKey::from_bytes([2; 32]), message, signature), false);
}

#[test]
fn the_second_half_of_a_signature_must_be_below_the_group_order() {
    let (key, message, signature) = valid(3, b"text");
    let mut carry = 0_u16;
    let mut shifted = *signature.as_bytes();
    for (byte, order) in shifted[32..].iter_mut().zip(bytes(GROUP_ORDER)) {
        let [low, high] = (u16::from(*byte) + u16::from(order) + carry).to_le_bytes();
        *byte = low;
        carry = u16::from(high);
    }
    assert_eq!(carry, 0, "the sum still fits");
    check((key, message, signature), true);
    check((key, message, Signature::from_bytes(shifted)), false);
}

#[test]
fn nothing_to_verify_has_no_answers() {
    assert!(verify_all(&[]).is_empty());
}

#[test]
fn a_wrong_signature_among_many_is_found_wherever_it_stands() {
    let count = u16::try_from(JOINED_SIGNATURES_MAX).unwrap() + 44;
    let mut items: Vec<Item> =
        (0..count).map(|number| valid(number.to_le_bytes()[0], &number.to_le_bytes())).collect();
    assert_eq!(verify_all(&checks(&items)), vec![true; items.len()]);
    for position in [0, JOINED_SIGNATURES_MAX - 1, JOINED_SIGNATURES_MAX, items.len() - 1] {
        let right = items[position];
        items[position].1 = Domain::Payment.hash(b"other text");
        let mut expected = vec![true; items.len()];
        expected[position] = false;
        assert_eq!(verify_all(&checks(&items)), expected, "position {position}");
        items[position] = right;
    }
}

#[test]
fn two_wrong_signatures_do_not_cancel_out() {
    let (key, message, first) = valid(1, b"text");
    let (_, other_message, second) = valid(1, b"other text");
    let swapped = [(key, message, second), (key, other_message, first), valid(2, b"text")];
    assert_eq!(verify_all(&checks(&swapped)), [false, false, true]);
}

#[test]
fn signatures_follow_rfc_8032() {
    // Section 7.1 signs raw bytes; ours are always 32-byte hashes, so the seed
    // and public key of its TEST 3 are what can be compared.
    let seed = bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7");
    let public = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
    assert_eq!(SigningKey::from_seed(seed).public().as_bytes(), &public);
}

#[test]
fn a_private_key_does_not_show_itself() {
    let key = SigningKey::from_seed([0xab; 32]);
    let shown = format!("{key:?}");
    assert!(!shown.contains("abab"));
    assert!(shown.contains(&key.public().to_string()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_changed_bit_is_refused_both_ways(
        seed in any::<u8>(),
        text in any::<[u8; 8]>(),
        bit in 0..(32 + 32 + 64) * 8_usize,
    ) {
        let (key, message, signature) = valid(seed, &text);
        let mut all = [key.as_bytes().as_slice(), message.as_bytes(), signature.as_bytes()].concat();
        all[bit / 8] ^= 1 << (bit % 8);
        let item = (
            PublicKey::from_bytes(all[..32].try_into().unwrap()),
            Hash::from_bytes(all[32..64].try_into().unwrap()),
            Signature::from_bytes(all[64..].try_into().unwrap()),
        );
        check(item, false);
    }

    #[test]
    fn arbitrary_signatures_verify_alike(key in any::<u8>(), r in 0..14_usize, s in 0..3_u8) {
        let (key, message, _) = valid(key, b"text");
        let mut low = [0; 32];
        low[0] = s;
        let item = (key, message, signature(bytes(SMALL_ORDER_POINTS[r]), low));
        check(item, false);
    }
    #[test]
    fn any_mixture_is_answered_as_one_by_one(kinds in prop::collection::vec(0..6_u8, 0..40)) {
        let odd = |number: usize| bytes(SMALL_ORDER_POINTS[number % SMALL_ORDER_POINTS.len()]);
        let item = |(number, kind): (usize, &u8)| {
            let (key, message, right) = valid(u8::try_from(number % 7).unwrap(), &[*kind]);
            match kind {
                0 => (PublicKey::from_bytes(odd(number)), message, signature(odd(3 * number), [0; 32])),
                1 => (key, Domain::Payment.hash(b"other text"), right),
                2 => (PublicKey::from_bytes([2; 32]), message, right),
                3 => (key, message, signature(odd(number), [0; 32])),
                _ => (key, message, right),
            }
        };
        let checks = checks(&kinds.iter().enumerate().map(item).collect::<Vec<_>>());
        let singly: Vec<bool> = checks.iter().map(SignatureCheck::holds).collect();
        prop_assert_eq!(verify_all(&checks), singly);
    }
}
