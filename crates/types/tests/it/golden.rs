//! Bytes that must never change: they are in logs, blocks and signatures.

use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetCode, AssetId, BlockHeight, ChainId, Domain,
    Encode, InstitutionId, OutcomeCode, PaymentId, PaymentKind, PaymentRecord, Position, Receipt,
    Reference, SigningKey, Slot, TimeMs,
};

fn account(class: AccountClass, name: &str) -> AccountId {
    let name: AccountName = name.parse().unwrap();
    AccountId::named(class, InstitutionId::new(7), &name, Slot::new(42).unwrap())
}

fn sample_payment() -> Payment {
    Payment {
        id: PaymentId::new(TimeMs::new(1_700_000_000_000), [9; 10]),
        kind: PaymentKind::Refund,
        debit: account(AccountClass::Hf, "m85123A"),
        credit: account(AccountClass::User, "c17850"),
        amount: Amount::new(1_530),
        asset: AssetId::new(1),
        reference: Reference::from_text("536365-1").unwrap(),
    }
}

fn check(value: &impl Encode, expected: &[&str]) {
    assert_eq!(hex::encode(value.to_bytes()), expected.concat());
}

#[test]
fn payment_record() {
    check(
        &PaymentRecord::from(&sample_payment()),
        &[
            "018bcfe5680079098909090909090909", // id
            "edb6595f4ff5e625941f0700002a0002", // debit
            "ec9ccc8e78f9d6e4e78a0700002a0001", // credit
            "fa050000000000000000000000000000", // amount
            "01000000",                         // asset
            "02",                               // kind
            "000000",                           // reserved
            "3533363336352d310000000000000000", // reference
        ],
    );
}

#[test]
fn receipt() {
    let receipt = Receipt {
        code: OutcomeCode::InsufficientFunds,
        replay: true,
        detail: Amount::new(0x0102_0304),
        previous_debit: Position::new(BlockHeight::new(5), 6).unwrap(),
        previous_credit: Position::NONE,
    };
    check(
        &receipt,
        &[
            "1e00",                             // code
            "01",                               // replay
            "04030201000000000000000000000000", // detail
            "0600000500000000",                 // previous debit
            "0000000000000000",                 // previous credit
        ],
    );
}

#[test]
fn account_ids_and_their_text() {
    let user = account(AccountClass::User, "c17850");
    // Serial, institution, slot, class: little-endian from the lowest bit.
    check(&user, &["ec9ccc8e78f9d6e4e78a", "070000", "2a00", "01"]);
    assert_eq!(user.to_string(), "tacc1qyqz5qqqq79w0exkl9uganyuas9rvaec");
    let merchant = account(AccountClass::Hf, "m85123A");
    check(&merchant, &["edb6595f4ff5e625941f", "070000", "2a00", "02"]);
    assert_eq!(merchant.to_string(), "tacc1qgqz5qqqqu0egf0x74847kdka58qvu5v");
    let issuer = AccountId::issuer(InstitutionId::new(7), AssetId::new(1), ChainId::new(3));
    check(&issuer, &["01000000", "000000000000", "070000", "0300", "03"]);
    let control = AccountId::control(ChainId::new(3), ChainId::new(9), AssetId::new(1));
    check(&control, &["01000000", "0900", "00000000", "000000", "0300", "04"]);
}

#[test]
fn names_codes_and_placement() {
    let name: AccountName = "c17850".parse().unwrap();
    check(&name, &["633137383530", &"00".repeat(26)]);
    assert_eq!(name.placement_hash(InstitutionId::new(7)), 11_564);
    let code: AssetCode = "X-POINT1".parse().unwrap();
    check(&code, &["582d504f494e5431"]);
}

#[test]
fn what_an_owner_signs() {
    let cluster = Domain::Genesis.hash(b"cluster");
    let hash = PaymentRecord::from(&sample_payment()).signing_hash(&cluster);
    check(&hash, &["744eb3e0e5384679fb8d6887046506841587b674ef21d33ceef84f381bbc71bb"]);
    let key = SigningKey::from_seed([1; 32]);
    check(&key.public(), &["8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"]);
    check(
        &key.sign(&hash),
        &[
            "de8b1a45ce604eab6cbc5221013e9a106b0b3dedcf38b8dfe48471aee30aec23",
            "2c4c00dbe1d40371254df67430f959056bfee5f8a0ae87832b1f8897b0728f09",
        ],
    );
}

#[test]
fn outcome_codes() {
    let codes: Vec<String> =
        OutcomeCode::ALL.iter().map(|code| format!("{} {code}", *code as u16)).collect();
    let expected = [
        "0 committed",
        "1 awaiting_funds",
        "2 in_transit",
        "10 amount_zero",
        "11 amount_overflow",
        "12 asset_mismatch",
        "13 unknown_asset",
        "14 same_account",
        "15 kind_mismatch",
        "20 unknown_debit_account",
        "21 unknown_credit_account",
        "22 debit_account_frozen",
        "23 credit_account_frozen",
        "24 debit_account_closed",
        "25 credit_account_closed",
        "30 insufficient_funds",
        "31 too_many_waiting",
        "40 id_reused",
        "41 expired",
        "42 from_future",
        "50 unauthorized",
        "51 owner_signature_missing",
        "52 owner_signature_invalid",
        "53 unknown_key",
        "60 moved",
        "61 wrong_chain",
        "70 malformed",
        "80 account_exists",
        "81 account_not_empty",
        "82 registry_conflict",
        "83 limit_reached",
        "84 status_conflict",
        "85 weak_key",
    ];
    assert_eq!(codes, expected);
    for code in OutcomeCode::ALL {
        assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
    }
}
