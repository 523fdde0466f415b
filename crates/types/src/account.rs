//! Account ids: class, slot, institution and serial in 128 bits; bech32m text.
//!
//! ```text
//!  bits 127..120   119..104   103..80        79..0
//!       class      slot       institution    serial
//! ```
//!
//! User and HF accounts are usually derived from a name: the serial is a hash
//! of institution and name, the slot is chosen by the placement rules when the
//! account is opened. Issuer and control accounts exist once per chain; their
//! slot field holds the chain number and is not a routing slot. An HF account
//! and its proxies on all user chains have the same id.

use std::fmt;
use std::str::FromStr;

use bech32::{Bech32m, Hrp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::id::{AssetId, ChainId};
use crate::institution::InstitutionId;
use crate::name::AccountName;

/// What an account is for; the top byte of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum AccountClass {
    /// A payer or payee on one user chain.
    User = 1,
    /// A high-frequency account on the HF chain, and its proxies.
    Hf = 2,
    /// Where money enters and leaves; may be negative. One per institution,
    /// asset and chain.
    Issuer = 3,
    /// What this chain owes another; may be negative. One per peer and asset.
    Control = 4,
}

impl AccountClass {
    fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::User),
            2 => Some(Self::Hf),
            3 => Some(Self::Issuer),
            4 => Some(Self::Control),
            _ => None,
        }
    }

    /// Whether balances of this class may be negative.
    #[must_use]
    pub const fn may_be_negative(self) -> bool {
        matches!(self, Self::Issuer | Self::Control)
    }
}

impl Encode for AccountClass {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for AccountClass {
    const BYTES_MIN: usize = 1;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = u8::decode(reader)?;
        Self::from_u8(value)
            .ok_or(DecodeError::Invalid { what: "account class", value: u64::from(value) })
    }
}

/// One of [`Slot::COUNT`] placement units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16")]
pub struct Slot(u16);

impl Slot {
    /// Number of slots.
    pub const COUNT: u16 = 16_384;

    /// A slot number, or `None` from [`Slot::COUNT`] on.
    #[must_use]
    pub const fn new(number: u16) -> Option<Self> {
        if number < Self::COUNT { Some(Self(number)) } else { None }
    }

    /// The number, below [`Slot::COUNT`].
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl TryFrom<u16> for Slot {
    type Error = AccountIdError;
    fn try_from(number: u16) -> Result<Self, AccountIdError> {
        Self::new(number).ok_or(AccountIdError::Slot(number))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Encode for Slot {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Slot {
    const BYTES_MIN: usize = 2;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = u16::decode(reader)?;
        Self::new(number).ok_or(DecodeError::Invalid { what: "slot", value: u64::from(number) })
    }
}

/// The id of one account; see the module head for its layout.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(u128);

/// Why a number or text is not an account id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountIdError {
    /// The class byte is not defined.
    #[error("account class {0} does not exist")]
    Class(u8),
    /// A user or HF account with a slot outside the slot space.
    #[error("slot {0} is not below 16384")]
    Slot(u16),
    /// Not bech32m, a wrong checksum, or another length.
    #[error("{0:?} is not an account id: expected bech32m text beginning with {PREFIX}1")]
    Text(String),
}

/// The human-readable part of an account id's text.
const PREFIX: &str = "tacc";
/// Bits of the serial.
const SERIAL_BITS: u32 = 80;

impl AccountId {
    fn from_parts(
        class: AccountClass,
        slot: u16,
        institution: InstitutionId,
        serial: u128,
    ) -> Self {
        Self(
            u128::from(class as u8) << 120
                | u128::from(slot) << 104
                | u128::from(institution.get()) << SERIAL_BITS
                | serial & ((1 << SERIAL_BITS) - 1),
        )
    }

    /// Checks a raw number, as found in a payment record.
    ///
    /// # Errors
    /// [`AccountIdError`] for an undefined class or a slot out of range.
    pub fn from_u128(raw: u128) -> Result<Self, AccountIdError> {
        let id = Self(raw);
        let class_byte = id.class_byte();
        let class = AccountClass::from_u8(class_byte).ok_or(AccountIdError::Class(class_byte))?;
        let slot = id.slot_field();
        let routed = matches!(class, AccountClass::User | AccountClass::Hf);
        if routed && slot >= Slot::COUNT {
            return Err(AccountIdError::Slot(slot));
        }
        Ok(id)
    }

    /// The raw number.
    #[must_use]
    pub const fn get(self) -> u128 {
        self.0
    }

    /// The account of `class` that is derived from a name and placed in `slot`.
    #[must_use]
    pub fn named(
        class: AccountClass,
        institution: InstitutionId,
        name: &AccountName,
        slot: Slot,
    ) -> Self {
        let seed = name.seed(institution);
        let mut serial = [0; 16];
        serial[..10].copy_from_slice(&seed[..10]);
        Self::from_parts(class, slot.get(), institution, u128::from_le_bytes(serial))
    }

    /// The issuer account of an institution and asset on one chain.
    #[must_use]
    pub fn issuer(institution: InstitutionId, asset: AssetId, chain: ChainId) -> Self {
        let serial = u128::from(asset.get());
        Self::from_parts(AccountClass::Issuer, chain.get(), institution, serial)
    }

    /// The account on `chain` that holds what it owes `peer` in one asset.
    #[must_use]
    pub fn control(chain: ChainId, peer: ChainId, asset: AssetId) -> Self {
        let serial = u128::from(peer.get()) << 32 | u128::from(asset.get());
        Self::from_parts(AccountClass::Control, chain.get(), InstitutionId::new(0), serial)
    }

    /// What the account is for.
    #[must_use]
    pub fn class(self) -> AccountClass {
        AccountClass::from_u8(self.class_byte()).unwrap_or(AccountClass::User)
    }

    /// The top byte; a defined class in every id that exists.
    const fn class_byte(self) -> u8 {
        self.0.to_be_bytes()[0]
    }

    /// The raw 16-bit slot field: a slot, or the chain of an issuer or control
    /// account.
    #[must_use]
    pub const fn slot_field(self) -> u16 {
        let bytes = self.0.to_be_bytes();
        u16::from_be_bytes([bytes[1], bytes[2]])
    }

    /// The routing slot of a user or HF account.
    #[must_use]
    pub fn slot(self) -> Option<Slot> {
        match self.class() {
            AccountClass::User | AccountClass::Hf => Slot::new(self.slot_field()),
            AccountClass::Issuer | AccountClass::Control => None,
        }
    }

    /// The chain of an issuer or control account.
    #[must_use]
    pub fn home_chain(self) -> Option<ChainId> {
        match self.class() {
            AccountClass::User | AccountClass::Hf => None,
            AccountClass::Issuer | AccountClass::Control => Some(ChainId::new(self.slot_field())),
        }
    }

    /// The sponsoring institution.
    #[must_use]
    pub const fn institution(self) -> InstitutionId {
        let bytes = self.0.to_be_bytes();
        InstitutionId::new(u32::from_be_bytes([0, bytes[3], bytes[4], bytes[5]]))
    }

    /// Whether this id is the one derived from `institution` and `name`,
    /// whichever slot it was placed in.
    #[must_use]
    pub fn is_named(self, institution: InstitutionId, name: &AccountName) -> bool {
        self.slot().is_some_and(|slot| Self::named(self.class(), institution, name, slot) == self)
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = bech32::encode::<Bech32m>(Hrp::parse_unchecked(PREFIX), &self.0.to_be_bytes())
            .map_err(|_| fmt::Error)?;
        f.pad(&text)
    }
}

impl fmt::Debug for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for AccountId {
    type Err = AccountIdError;
    fn from_str(text: &str) -> Result<Self, AccountIdError> {
        let wrong = || AccountIdError::Text(text.to_owned());
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|_| wrong())?;
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let raw: [u8; 16] = bytes.try_into().map_err(|_| wrong())?;
        let id = Self::from_u128(u128::from_be_bytes(raw))?;
        // Compares the prefix, and the padding, which the decoder ignores: without
        // it, one id would have many texts.
        if id.to_string().eq_ignore_ascii_case(text) { Ok(id) } else { Err(wrong()) }
    }
}

impl Serialize for AccountId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for AccountId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Self::from_u128(u128::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

impl Encode for AccountId {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for AccountId {
    const BYTES_MIN: usize = 16;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let raw = u128::decode(reader)?;
        Self::from_u128(raw)
            .map_err(|_| DecodeError::Invalid { what: "account id", value: (raw >> 64) as u64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> AccountId {
        let name: AccountName = "c17850".parse().unwrap();
        let institution = InstitutionId::new(7);
        AccountId::named(AccountClass::User, institution, &name, Slot::new(42).unwrap())
    }

    #[test]
    fn parts_come_back() {
        let id = sample();
        assert_eq!(id.class(), AccountClass::User);
        assert_eq!(id.slot(), Slot::new(42));
        assert_eq!(id.institution(), InstitutionId::new(7));
        assert!(id.is_named(InstitutionId::new(7), &"c17850".parse().unwrap()));
        assert!(!id.is_named(InstitutionId::new(8), &"c17850".parse().unwrap()));
    }

    #[test]
    fn every_single_character_error_in_the_text_is_caught() {
        let text = sample().to_string();
        assert_eq!(text.parse(), Ok(sample()));
        for position in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[position] = if wrong[position] == b'q' { b'p' } else { b'q' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(wrong.parse::<AccountId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn undefined_classes_and_slots_are_refused() {
        assert_eq!(AccountId::from_u128(0), Err(AccountIdError::Class(0)));
        let slot_16384 = 1_u128 << 120 | 16_384_u128 << 104;
        assert_eq!(AccountId::from_u128(slot_16384), Err(AccountIdError::Slot(16_384)));
    }

    #[test]
    fn issuer_and_control_accounts_name_their_chain() {
        let chain = ChainId::new(3);
        let issuer = AccountId::issuer(InstitutionId::new(1), AssetId::new(1), chain);
        assert_eq!((issuer.home_chain(), issuer.slot()), (Some(chain), None));
        let control = AccountId::control(chain, ChainId::new(9), AssetId::new(1));
        assert_eq!(control.home_chain(), Some(chain));
    }
}
