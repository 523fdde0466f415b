//! Text, JSON and postcard: every value comes back, and shows as documented.

use std::fmt::Debug;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetCode, AssetId, Hash, InstitutionId,
    PaymentId, PaymentKind, PublicKey, Receipt, Reference, Signature, Slot, TimeMs,
};

use crate::any;

/// The value comes back from JSON (as text and as a tree) and from postcard.
fn check_serde<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
    let reader = json.as_bytes();
    assert_eq!(&serde_json::from_reader::<_, T>(reader).unwrap(), value, "{json}");
    let tree = serde_json::to_value(value).unwrap();
    assert_eq!(&serde_json::from_value::<T>(tree).unwrap(), value, "{json}");
    let packed = postcard::to_stdvec(value).unwrap();
    assert_eq!(&postcard::from_bytes::<T>(&packed).unwrap(), value);
    assert!(postcard::from_bytes::<T>(&packed[..packed.len() - 1]).is_err());
}

proptest! {
    #[test]
    fn every_type_round_trips_through_json_and_postcard(
        hash in any::hash(),
        key in any::public_key(),
        signature in any::signature(),
        amount in any::amount(),
        slot in any::slot(),
        name in any::name(),
        account in any::account(),
        code in any::asset_code(),
        payment in any::payment(),
        receipt in any::receipt(),
    ) {
        check_serde(&hash);
        check_serde(&key);
        check_serde(&signature);
        check_serde(&amount);
        check_serde(&slot);
        check_serde(&name);
        check_serde(&account);
        check_serde(&code);
        check_serde(&payment);
        check_serde(&receipt);
        check_serde(&vec![(Some(key), signature), (None, signature)]);
    }

    #[test]
    fn every_text_form_parses_back(
        hash in any::hash(),
        key in any::public_key(),
        signature in any::signature(),
        amount in any::amount(),
        institution in any::institution(),
        name in any::name(),
        account in any::account(),
        code in any::asset_code(),
        id in any::payment_id(),
    ) {
        prop_assert_eq!(hash.to_string().parse(), Ok(hash));
        prop_assert_eq!(key.to_string().parse(), Ok(key));
        prop_assert_eq!(signature.to_string().parse(), Ok(signature));
        prop_assert_eq!(amount.to_string().parse(), Ok(amount));
        prop_assert_eq!(institution.to_string().parse(), Ok(institution));
        prop_assert_eq!(name.to_string().parse(), Ok(name));
        prop_assert_eq!(account.to_string().parse(), Ok(account));
        prop_assert_eq!(code.to_string().parse(), Ok(code));
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }
}

#[test]
fn json_of_a_payment_reads_as_a_person_would_write_it() {
    let name: AccountName = "c17850".parse().unwrap();
    let bank = InstitutionId::new(7);
    let slot = Slot::new(42).unwrap();
    let payment = Payment {
        id: PaymentId::new(TimeMs::new(1_700_000_000_000), [9; 10]),
        kind: PaymentKind::Payment,
        debit: AccountId::named(AccountClass::User, bank, &name, slot),
        credit: AccountId::named(AccountClass::Hf, bank, &name, slot),
        amount: Amount::new(u128::MAX),
        asset: AssetId::new(1),
        reference: Reference::from_text("536365-1").unwrap(),
    };
    let json = serde_json::to_string(&payment).unwrap();
    let expected = format!(
        r#"{{"id":"{}","kind":"payment","debit":"{}","credit":"{}","amount":"{}","asset":1,"reference":"536365-1"}}"#,
        "018bcfe5-6800-7909-8909-090909090909",
        payment.debit,
        payment.credit,
        "340282366920938463463374607431768211455",
    );
    assert_eq!(json, expected);
}

#[test]
fn json_with_a_value_out_of_range_is_refused() {
    fn check<T: DeserializeOwned + Debug>(json: &str, sentence: &str) {
        let error = serde_json::from_str::<T>(json).unwrap_err().to_string();
        assert!(error.contains(sentence), "{error}");
    }
    check::<Amount>("5", "invalid type: integer `5`, expected a string");
    check::<Amount>(r#""-5""#, "not a whole number of minor units");
    check::<Amount>(r#""12.50""#, "not a whole number of minor units");
    check::<Slot>("16384", "slot 16384 is not below 16384");
    check::<InstitutionId>("16777216", "is not a whole number from 0 to 16777215");
    check::<AssetCode>(r#""GBPX""#, "is neither three capital letters");
    check::<Hash>(r#""00""#, "expected 64 hexadecimal digits");
    check::<PublicKey>(r#""zz""#, "expected 64 hexadecimal digits");
    check::<Signature>(r#""""#, "expected 128 hexadecimal digits");
    check::<PaymentId>(r#""3f2504e0-4f89-41d3-9a0c-0305e82c3301""#, "is not a UUID of version 7");
    check::<AccountName>(r#""two words""#, "printable ASCII characters without blanks");
    check::<Receipt>(r#"{"code":"lost"}"#, "unknown variant `lost`");
}

#[test]
fn postcard_with_a_value_out_of_range_is_refused() {
    let packed = postcard::to_stdvec(&0_u128).unwrap();
    assert!(postcard::from_bytes::<AccountId>(&packed).is_err());
    let packed = postcard::to_stdvec(&[0x44_u8; 16]).unwrap();
    assert!(postcard::from_bytes::<PaymentId>(&packed).is_err());
    let packed = postcard::to_stdvec(&[1_u8; 31].as_slice()).unwrap();
    assert!(postcard::from_bytes::<PublicKey>(&packed).is_err());
    let packed = postcard::to_stdvec(&[1_u8; 65].as_slice()).unwrap();
    assert!(postcard::from_bytes::<Signature>(&packed).is_err());
}
