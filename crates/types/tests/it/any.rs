//! Arbitrary values of every type with a canonical encoding.

use proptest::prelude::*;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetCode, AssetId, BlockHeight, ChainId, Hash,
    InstitutionId, OutcomeCode, PaymentId, PaymentKind, PaymentRecord, Position, PublicKey,
    Receipt, Reference, Signature, Slot, TimeMs, payment::Payment,
};

pub fn hash() -> impl Strategy<Value = Hash> {
    any::<[u8; 32]>().prop_map(Hash::from_bytes)
}

pub fn public_key() -> impl Strategy<Value = PublicKey> {
    any::<[u8; 32]>().prop_map(PublicKey::from_bytes)
}

pub fn signature() -> impl Strategy<Value = Signature> {
    (any::<[u8; 32]>(), any::<[u8; 32]>()).prop_map(|(r, s)| {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Signature::from_bytes(bytes)
    })
}

pub fn amount() -> impl Strategy<Value = Amount> {
    prop_oneof![
        any::<u128>().prop_map(Amount::new),
        (0..100_u128).prop_map(Amount::new),
        Just(Amount::new(u128::MAX)),
    ]
}

pub fn slot() -> impl Strategy<Value = Slot> {
    (0..Slot::COUNT).prop_map(|number| Slot::new(number).unwrap())
}

pub fn institution() -> impl Strategy<Value = InstitutionId> {
    (0..=InstitutionId::MAX.get()).prop_map(InstitutionId::new)
}

pub fn name() -> impl Strategy<Value = AccountName> {
    "[!-~]{1,32}".prop_map(|text| text.parse().unwrap())
}

pub fn class() -> impl Strategy<Value = AccountClass> {
    use AccountClass::{Control, Hf, Issuer, User};
    prop::sample::select(vec![User, Hf, Issuer, Control])
}

pub fn asset_code() -> impl Strategy<Value = AssetCode> {
    "[A-Z]{3}|X-[A-Z0-9]{1,6}".prop_map(|text| text.parse().unwrap())
}

pub fn account() -> impl Strategy<Value = AccountId> {
    let asset = any::<u32>().prop_map(AssetId::new);
    let chain = any::<u16>().prop_map(ChainId::new);
    let routed = prop::sample::select(vec![AccountClass::User, AccountClass::Hf]);
    prop_oneof![
        (routed, institution(), name(), slot())
            .prop_map(|(class, bank, name, slot)| AccountId::named(class, bank, &name, slot)),
        (institution(), asset.clone(), chain.clone())
            .prop_map(|(bank, asset, chain)| AccountId::issuer(bank, asset, chain)),
        (chain.clone(), chain, asset)
            .prop_map(|(own, peer, asset)| AccountId::control(own, peer, asset)),
    ]
}

pub fn payment_id() -> impl Strategy<Value = PaymentId> {
    (0..1_u64 << 48, any::<[u8; 10]>())
        .prop_map(|(time, entropy)| PaymentId::new(TimeMs::new(time), entropy))
}

pub fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(Reference),
        "[ -~]{0,16}".prop_map(|text| Reference::from_text(&text).unwrap()),
    ]
}

pub fn payment_kind() -> impl Strategy<Value = PaymentKind> {
    use PaymentKind::{Issue, Payment, Payout, Redeem, Refund, Transfer};
    prop::sample::select(vec![Payment, Refund, Payout, Transfer, Issue, Redeem])
}

prop_compose! {
    pub fn payment()(
        id in payment_id(),
        kind in payment_kind(),
        debit in account(),
        credit in account(),
        amount in amount(),
        asset in any::<u32>(),
        reference in reference(),
    ) -> Payment {
        Payment { id, kind, debit, credit, amount, asset: AssetId::new(asset), reference }
    }
}

pub fn record() -> impl Strategy<Value = PaymentRecord> {
    payment().prop_map(|payment| PaymentRecord::from(&payment))
}

pub fn position() -> impl Strategy<Value = Position> {
    (0..1_u64 << 40, 0..Position::INDEX_LIMIT)
        .prop_map(|(height, index)| Position::new(BlockHeight::new(height), index).unwrap())
}

pub fn outcome_code() -> impl Strategy<Value = OutcomeCode> {
    prop::sample::select(OutcomeCode::ALL)
}

prop_compose! {
    pub fn receipt()(
        code in outcome_code(),
        replay in any::<bool>(),
        detail in amount(),
        previous_debit in position(),
        previous_credit in position(),
    ) -> Receipt {
        Receipt { code, replay, detail, previous_debit, previous_credit }
    }
}
