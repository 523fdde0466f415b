//! One value, one encoding: for every type, in both directions.

use std::fmt::Debug;

use proptest::prelude::*;
use tributary_types::codec::{Decode, decode_exact};
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetCode, AssetId, BlockHeight, ChainId, Hash,
    InstitutionId, OutcomeCode, PaymentId, PaymentRecord, Position, PublicKey, Receipt, Signature,
    Slot, TimeMs,
};

use crate::any;

check_canonical! {
    u8_is_canonical: u8 = any::<u8>();
    u16_is_canonical: u16 = any::<u16>();
    u32_is_canonical: u32 = any::<u32>();
    u64_is_canonical: u64 = any::<u64>();
    u128_is_canonical: u128 = any::<u128>();
    bool_is_canonical: bool = any::<bool>();
    array_is_canonical: [u8; 7] = any::<[u8; 7]>();
    option_is_canonical: Option<u32> = any::<Option<u32>>();
    list_is_canonical: Vec<Option<u16>> = prop::collection::vec(any::<Option<u16>>(), 0..20);
    pair_is_canonical: (u16, bool) = any::<(u16, bool)>();
    nested_is_canonical: Vec<Vec<u8>> =
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..5), 0..5);
    hash_is_canonical: Hash = any::hash();
    public_key_is_canonical: PublicKey = any::public_key();
    signature_is_canonical: Signature = any::signature();
    amount_is_canonical: Amount = any::amount();
    slot_is_canonical: Slot = any::slot();
    class_is_canonical: AccountClass = any::class();
    name_is_canonical: AccountName = any::name();
    account_is_canonical: AccountId = any::account();
    chain_is_canonical: ChainId = any::<u16>().prop_map(ChainId::new);
    height_is_canonical: BlockHeight = any::<u64>().prop_map(BlockHeight::new);
    time_is_canonical: TimeMs = any::<u64>().prop_map(TimeMs::new);
    asset_is_canonical: AssetId = any::<u32>().prop_map(AssetId::new);
    institution_is_canonical: InstitutionId = any::institution();
    asset_code_is_canonical: AssetCode = any::asset_code();
    payment_id_is_canonical: PaymentId = any::payment_id();
    record_is_canonical: PaymentRecord = any::record();
    position_is_canonical: Position = any::position();
    outcome_code_is_canonical: OutcomeCode = any::outcome_code();
    receipt_is_canonical: Receipt = any::receipt();
}

proptest! {
    #[test]
    fn a_record_that_parses_is_the_record_of_its_payment(
        mut bytes in prop::collection::vec(any::<u8>(), PaymentRecord::BYTES),
        debit in any::account(),
        credit in any::account(),
        kind in 0..8_u8,
        reserved in prop::sample::select(vec![[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 128]]),
    ) {
        bytes[6] = bytes[6] & 0x0f | 0x70;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        bytes[16..32].copy_from_slice(&debit.get().to_le_bytes());
        bytes[32..48].copy_from_slice(&credit.get().to_le_bytes());
        bytes[68] = kind;
        bytes[69..72].copy_from_slice(&reserved);
        let record: PaymentRecord = decode_exact(&bytes).unwrap();
        let parsed = record.parse();
        prop_assert_eq!(parsed.is_ok(), (1..=6).contains(&kind) && reserved == [0; 3]);
        if let Ok(payment) = parsed {
            prop_assert_eq!(PaymentRecord::from(&payment), record);
        }
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    fn check<T: Decode + Debug + PartialEq>(bytes: &[u8], sentence: &str) {
        assert_eq!(decode_exact::<T>(bytes).unwrap_err().to_string(), sentence);
    }
    check::<bool>(&[2], "2 is not a valid flag");
    check::<Option<u8>>(&[2, 0], "2 is not a valid flag");
    check::<Slot>(&16_384_u16.to_le_bytes(), "16384 is not a valid slot");
    check::<AccountClass>(&[5], "5 is not a valid account class");
    check::<InstitutionId>(&(1_u32 << 24).to_le_bytes(), "16777216 is not a valid institution");
    check::<OutcomeCode>(&9_u16.to_le_bytes(), "9 is not a valid outcome code");
    check::<PaymentId>(&[0x44; 16], "4 is not a valid payment id version");
    check::<u32>(&[1, 2, 3], "4 bytes needed for u32, 3 left");
    check::<u32>(&[1, 2, 3, 4, 5], "1 bytes after the end of the value");
}

#[test]
fn a_name_has_no_second_encoding() {
    let check = |bytes: [u8; 32]| assert!(decode_exact::<AccountName>(&bytes).is_err());
    check([0; 32]);
    let mut after_the_end = [0; 32];
    after_the_end[0] = b'a';
    after_the_end[2] = b'b';
    check(after_the_end);
    check([b' '; 32]);
    check([0xff; 32]);
    assert!(decode_exact::<AccountName>(&[b'a'; 32]).is_ok());
}

#[test]
fn an_asset_code_has_no_second_encoding() {
    let check = |bytes: &[u8; 8]| assert!(decode_exact::<AssetCode>(bytes).is_err());
    check(b"GBP\0X\0\0\0");
    check(b"gbp\0\0\0\0\0");
    check(b"\0\0\0\0\0\0\0\0");
    check(b"X-\0\0\0\0\0\0");
}
