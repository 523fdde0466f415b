//! Texts that people type: what parses prints as a text that parses to the
//! same, and where one form is promised, as the same text.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use tributary_ledger::Balance;
use tributary_transport::Identity;
use tributary_types::hash::parse_hex;
use tributary_types::{
    AccountId, AccountName, Amount, AssetCode, AssetId, ChainId, Encode, Hash, InstitutionId,
    OutcomeCode, PaymentId, PublicKey,
};

use crate::canonical::one_encoding;
use crate::samples::{HF, ONE, WORLD, merchant, user};

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    same_text::<AccountName>(text);
    same_text::<AssetCode>(text);
    same_text::<Identity>(text);
    if let Some(account) = same_value::<AccountId>(text) {
        assert!(account.to_string().eq_ignore_ascii_case(text), "one account, two texts");
        one_encoding::<AccountId>(&account.to_bytes());
    }
    same_value::<Amount>(text);
    same_text::<Balance>(text);
    same_value::<AssetId>(text);
    same_value::<ChainId>(text);
    same_value::<InstitutionId>(text);
    same_value::<PaymentId>(text);
    if let Some(hash) = same_value::<Hash>(text) {
        assert_eq!(parse_hex::<32>(text).ok().as_ref(), Some(hash.as_bytes()));
    }
    same_value::<PublicKey>(text);
}

fn same_value<T>(text: &str) -> Option<T>
where
    T: FromStr + Display + PartialEq + Debug,
{
    let value: T = text.parse().ok()?;
    assert_eq!(value.to_string().parse::<T>().ok().as_ref(), Some(&value), "{text:?}");
    Some(value)
}

fn same_text<T>(text: &str)
where
    T: FromStr + Display + PartialEq + Debug,
{
    if let Some(value) = same_value::<T>(text) {
        assert_eq!(value.to_string(), text);
    }
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let texts = [
        merchant("shop").to_string(),
        user(&WORLD.genesis, "alice", ONE).to_string(),
        AccountId::control(ONE, HF, AssetId::new(1)).to_string(),
        "m85123A".to_owned(),
        "340282366920938463463374607431768211455".to_owned(),
        "-15".to_owned(),
        "GBP".to_owned(),
        "tributary:router/1/router-1".to_owned(),
        "tributary:node/shard-1".to_owned(),
        WORLD.genesis.hash().to_string(),
        WORLD.blocks[0].1.batches[0].operations[0].id.to_string(),
        OutcomeCode::Committed.to_string(),
        "65535".to_owned(),
    ];
    texts.map(String::into_bytes).into()
}
