//! Account ids: what bech32m catches, and what an id keeps for life.

use proptest::prelude::*;
use proptest::sample::Index;
use tributary_types::{
    AccountClass, AccountId, AccountIdError, AccountName, AssetId, ChainId, InstitutionId, Slot,
};

use crate::any;

/// The 32 characters of the data part (BIP-173).
const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// Length of the prefix with its separator.
const PREFIX_LENGTH: usize = "tacc1".len();

fn sample() -> AccountId {
    let name: AccountName = "c17850".parse().unwrap();
    AccountId::named(AccountClass::User, InstitutionId::new(7), &name, Slot::new(42).unwrap())
}

fn is_refused(text: &str) -> bool {
    text.parse::<AccountId>() == Err(AccountIdError::Text(text.to_owned()))
}

#[test]
fn every_substitution_of_one_character_is_caught() {
    let text = sample().to_string();
    for position in PREFIX_LENGTH..text.len() {
        for character in ALPHABET {
            let mut wrong = text.clone().into_bytes();
            if wrong[position] != *character {
                wrong[position] = *character;
                let wrong = String::from_utf8(wrong).unwrap();
                assert!(is_refused(&wrong), "{wrong}");
            }
        }
    }
}

#[test]
fn every_swap_of_neighbours_is_caught() {
    let text = sample().to_string();
    for position in PREFIX_LENGTH..text.len() - 1 {
        let mut wrong = text.clone().into_bytes();
        wrong.swap(position, position + 1);
        let wrong = String::from_utf8(wrong).unwrap();
        assert!(wrong == text || is_refused(&wrong), "{wrong}");
    }
}

#[test]
fn a_missing_or_doubled_character_is_caught() {
    let text = sample().to_string();
    for position in 0..text.len() {
        let mut missing = text.clone();
        let character = missing.remove(position);
        assert!(is_refused(&missing), "{missing}");
        let mut doubled = text.clone();
        doubled.insert(position, character);
        assert!(is_refused(&doubled), "{doubled}");
    }
}

proptest! {
    /// Bech32m catches up to four errors in a text of at most 90 characters.
    #[test]
    fn up_to_four_wrong_characters_are_caught(
        account in any::account(),
        errors in prop::collection::vec((any::<Index>(), any::<Index>()), 1..=4),
    ) {
        let text = account.to_string();
        let mut wrong = text.clone().into_bytes();
        for (position, character) in errors {
            let position = PREFIX_LENGTH + position.index(wrong.len() - PREFIX_LENGTH);
            wrong[position] = ALPHABET[character.index(ALPHABET.len())];
        }
        let wrong = String::from_utf8(wrong).unwrap();
        prop_assert!(wrong == text || is_refused(&wrong));
    }

    #[test]
    fn arbitrary_text_is_refused_or_the_text_of_an_id(text in "tacc1[02-9ac-hj-np-z]{0,40}") {
        if let Ok(account) = text.parse::<AccountId>() {
            prop_assert_eq!(account.to_string(), text);
        }
    }

    #[test]
    fn an_accepted_number_has_parts_that_exist(raw in any::<u128>(), class in 0..6_u128) {
        let raw = raw & (u128::MAX >> 8) | class << 120;
        match AccountId::from_u128(raw) {
            Ok(account) => {
                prop_assert_eq!(account.get(), raw);
                prop_assert_eq!(account.class() as u128, class);
                prop_assert!(account.slot().is_some() != account.home_chain().is_some());
            }
            Err(AccountIdError::Class(found)) => {
                prop_assert!(u128::from(found) == class && !(1..=4).contains(&class));
            }
            Err(error) => prop_assert!(matches!(error, AccountIdError::Slot(Slot::COUNT..))),
        }
    }

    #[test]
    fn a_named_account_tells_its_class_slot_and_institution(
        class in prop::sample::select(vec![AccountClass::User, AccountClass::Hf]),
        bank in any::institution(),
        other_bank in any::institution(),
        name in any::name(),
        slot in any::slot(),
    ) {
        let account = AccountId::named(class, bank, &name, slot);
        prop_assert_eq!(account.class(), class);
        prop_assert_eq!(account.slot(), Some(slot));
        prop_assert_eq!(account.institution(), bank);
        prop_assert!(account.is_named(bank, &name));
        prop_assert_eq!(account.is_named(other_bank, &name), bank == other_bank);
    }
}

#[test]
fn capitals_are_the_same_id_and_mixed_case_is_refused() {
    let text = sample().to_string();
    assert_eq!(text.to_uppercase().parse(), Ok(sample()));
    assert!(is_refused(&text.replacen("tacc", "TACC", 1)));
}

#[test]
fn another_prefix_checksum_or_length_is_refused() {
    use bech32::{Bech32, Bech32m, Hrp};
    let bytes = sample().get().to_be_bytes();
    let prefix = Hrp::parse("tacc").unwrap();
    let encoded = |bytes: &[u8]| bech32::encode::<Bech32m>(prefix, bytes).unwrap();
    assert_eq!(encoded(&bytes).parse(), Ok(sample()));
    assert!(is_refused(&encoded(&bytes[..15])));
    assert!(is_refused(&encoded(&[bytes.as_slice(), &[0]].concat())));
    assert!(is_refused(&encoded(&[])));
    let other = Hrp::parse("tacd").unwrap();
    assert!(is_refused(&bech32::encode::<Bech32m>(other, &bytes).unwrap()));
    assert!(is_refused(&bech32::encode::<Bech32>(prefix, &bytes).unwrap()));
    let undefined_class = encoded(&[0; 16]).parse::<AccountId>();
    assert_eq!(undefined_class, Err(AccountIdError::Class(0)));
}

#[test]
fn padding_bits_cannot_make_a_second_text() {
    use bech32::primitives::iter::{ByteIterExt as _, Fe32IterExt as _};
    use bech32::{Bech32m, Fe32, Hrp};
    let prefix = Hrp::parse("tacc").unwrap();
    let symbols: Vec<Fe32> = sample().get().to_be_bytes().into_iter().bytes_to_fes().collect();
    let text_of = |symbols: &[Fe32]| -> String {
        symbols.iter().copied().with_checksum::<Bech32m>(&prefix).chars().collect()
    };
    assert_eq!(text_of(&symbols).parse(), Ok(sample()));
    // 26 symbols are 130 bits: two more than an id has.
    let mut padded = symbols.clone();
    let last = padded.len() - 1;
    padded[last] = Fe32::try_from(padded[last].to_u8() | 1).unwrap();
    assert!(is_refused(&text_of(&padded)));
    let mut extended = symbols;
    extended.push(Fe32::Q);
    assert!(is_refused(&text_of(&extended)));
}

#[test]
fn issuer_and_control_accounts_are_one_per_chain_and_asset() {
    let mut seen = std::collections::BTreeSet::new();
    let mut distinct = |account: AccountId| assert!(seen.insert(account), "{account}");
    for chain in [0, 1, 2, u16::MAX].map(ChainId::new) {
        for asset in [0, 1, u32::MAX].map(AssetId::new) {
            for bank in [0, 1, 0x00ff_ffff].map(InstitutionId::new) {
                distinct(AccountId::issuer(bank, asset, chain));
            }
            for peer in [0, 1, 2, u16::MAX].map(ChainId::new) {
                distinct(AccountId::control(chain, peer, asset));
            }
        }
    }
}
