//! Payments: time-ordered ids and the fixed 88-byte record.
//!
//! The record is the same bytes on the wire, in the log and in the block; it
//! is never re-encoded. Its reserved bytes must be zero, so one payment has
//! one encoding.

mod id;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::account::{AccountId, AccountIdError};
use crate::amount::Amount;
use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::hash::{Domain, Hash};
use crate::id::AssetId;

pub use self::id::{PaymentId, PaymentIdError};

/// What a payment is, as its sender declares it. The ledger checks that the
/// classes of both accounts fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum PaymentKind {
    /// A user pays a merchant (its proxy on the payer's chain).
    Payment = 1,
    /// A merchant gives money back to a user.
    Refund = 2,
    /// A merchant pays a user for another reason.
    Payout = 3,
    /// User to user (same chain or across chains), or HF account to HF account.
    Transfer = 4,
    /// An issuer brings money in: to a user, or to an HF account on the HF chain.
    Issue = 5,
    /// Money leaves: a user or HF account pays an issuer of its own chain.
    Redeem = 6,
}

impl PaymentKind {
    fn from_u8(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Payment),
            2 => Some(Self::Refund),
            3 => Some(Self::Payout),
            4 => Some(Self::Transfer),
            5 => Some(Self::Issue),
            6 => Some(Self::Redeem),
            _ => None,
        }
    }
}

/// 16 opaque bytes of the sender's own: a short text or a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Reference(pub [u8; 16]);

impl Reference {
    /// A text of at most 16 bytes, or `None` if it is longer.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self(bytes))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.0.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        match std::str::from_utf8(&self.0[..length]) {
            Ok(text) if text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') => {
                f.pad(text)
            }
            _ => self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// One payment: 88 bytes, little-endian, no padding.
#[derive(Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub struct PaymentRecord {
    id: [u8; 16],
    debit: U128,
    credit: U128,
    amount: U128,
    asset: U32,
    kind: u8,
    reserved_zero: u8,
    reserved_zero_too: U16,
    reference: [u8; 16],
}

const _: () = assert!(size_of::<PaymentRecord>() == PaymentRecord::BYTES);

/// The parts of a payment, checked one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Identity and duplicate protection.
    pub id: PaymentId,
    /// What the sender declares.
    pub kind: PaymentKind,
    /// The account that pays.
    pub debit: AccountId,
    /// The account that is paid.
    pub credit: AccountId,
    /// How much, in minor units of the asset; never zero in a valid payment.
    pub amount: Amount,
    /// In which asset.
    pub asset: AssetId,
    /// The sender's own reference.
    #[serde(with = "reference_text")]
    pub reference: Reference,
}

/// Which field of a record is malformed. These are errors of shape: a record
/// with one never enters a block.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    /// The id is no UUIDv7.
    #[error("id: {0}")]
    Id(#[from] PaymentIdError),
    /// The debit account id is malformed.
    #[error("debit: {0}")]
    Debit(AccountIdError),
    /// The credit account id is malformed.
    #[error("credit: {0}")]
    Credit(AccountIdError),
    /// No such kind.
    #[error("kind: {0} is not a payment kind")]
    Kind(u8),
    /// Reserved bytes are not zero.
    #[error("reserved bytes are not zero")]
    Reserved,
}

impl PaymentRecord {
    /// Size on the wire, in the log and in the block.
    pub const BYTES: usize = 88;

    /// Checks the shape of every field.
    ///
    /// # Errors
    /// [`RecordError`] names the first malformed field.
    pub fn parse(&self) -> Result<Payment, RecordError> {
        if self.reserved_zero != 0 || self.reserved_zero_too.get() != 0 {
            return Err(RecordError::Reserved);
        }
        Ok(Payment {
            id: PaymentId::from_bytes(self.id)?,
            kind: PaymentKind::from_u8(self.kind).ok_or(RecordError::Kind(self.kind))?,
            debit: AccountId::from_u128(self.debit.get()).map_err(RecordError::Debit)?,
            credit: AccountId::from_u128(self.credit.get()).map_err(RecordError::Credit)?,
            amount: Amount::new(self.amount.get()),
            asset: AssetId::new(self.asset.get()),
            reference: Reference(self.reference),
        })
    }

    /// The bytes of some records, one behind the other.
    #[must_use]
    pub fn bytes_of(records: &[Self]) -> &[u8] {
        records.as_bytes()
    }

    /// So many records where they stand.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    pub fn view_each<'a>(reader: &mut Reader<'a>, count: usize) -> Result<&'a [Self], DecodeError> {
        let bytes = reader.take(count.saturating_mul(Self::BYTES), "payment records")?;
        let value = bytes.len() as u64;
        <[Self]>::ref_from_bytes(bytes)
            .map_err(|_| DecodeError::Invalid { what: "length of payment records", value })
    }

    /// The 16 bytes of the id, unchecked.
    #[must_use]
    pub const fn id_bytes(&self) -> &[u8; 16] {
        &self.id
    }

    /// The numbers of the accounts that pay and are paid, unchecked.
    #[must_use]
    #[inline]
    pub const fn account_numbers(&self) -> [u128; 2] {
        [self.debit.get(), self.credit.get()]
    }

    /// What the owner of the debit account signs.
    #[must_use]
    pub fn signing_hash(&self, cluster: &Hash) -> Hash {
        Domain::Payment.hash_parts(&[cluster.as_bytes(), self.as_bytes()])
    }
}

impl From<&Payment> for PaymentRecord {
    fn from(payment: &Payment) -> Self {
        Self {
            id: payment.id.to_be_bytes(),
            debit: payment.debit.get().into(),
            credit: payment.credit.get().into(),
            amount: payment.amount.get().into(),
            asset: payment.asset.get().into(),
            kind: payment.kind as u8,
            reserved_zero: 0,
            reserved_zero_too: 0.into(),
            reference: payment.reference.0,
        }
    }
}

impl fmt::Debug for PaymentRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.parse() {
            Ok(payment) => payment.fmt(f),
            Err(error) => write!(f, "PaymentRecord(malformed: {error})"),
        }
    }
}

impl Encode for PaymentRecord {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes());
    }

    fn encode_each(records: &[Self], out: &mut Vec<u8>) {
        out.extend_from_slice(Self::bytes_of(records));
    }
}

impl Decode for PaymentRecord {
    const BYTES_MIN: usize = Self::BYTES;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes: [u8; Self::BYTES] = reader.array("payment record")?;
        Ok(zerocopy::transmute!(bytes))
    }

    fn decode_each(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
        Self::view_each(reader, count).map(<[Self]>::to_vec)
    }
}

mod reference_text {
    use super::Reference;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Reference, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Reference, D::Error> {
        let text = String::deserialize(deserializer)?;
        if let Ok(bytes) = crate::hash::parse_hex(&text) {
            return Ok(Reference(bytes));
        }
        Reference::from_text(&text)
            .ok_or_else(|| serde::de::Error::custom("reference is longer than 16 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{AccountClass, Slot};
    use crate::codec::decode_exact;
    use crate::id::TimeMs;
    use crate::institution::InstitutionId;
    use crate::name::AccountName;

    fn sample() -> Payment {
        let account = |class, name: &str| {
            let name: AccountName = name.parse().unwrap();
            AccountId::named(class, InstitutionId::new(7), &name, Slot::new(42).unwrap())
        };
        Payment {
            id: PaymentId::new(TimeMs::new(1_700_000_000_000), [9; 10]),
            kind: PaymentKind::Payment,
            debit: account(AccountClass::User, "c17850"),
            credit: account(AccountClass::Hf, "m85123A"),
            amount: Amount::new(1_530),
            asset: AssetId::new(1),
            reference: Reference::from_text("536365-1").unwrap(),
        }
    }

    #[test]
    fn record_round_trips_through_its_bytes() {
        let record = PaymentRecord::from(&sample());
        let bytes = record.to_bytes();
        assert_eq!(bytes.len(), PaymentRecord::BYTES);
        let back: PaymentRecord = decode_exact(&bytes).unwrap();
        assert_eq!(back.parse(), Ok(sample()));
    }

    #[test]
    fn many_records_are_encoded_as_one_by_one() {
        let records: Vec<_> = (0..5_u8)
            .map(|number| {
                let id = PaymentId::new(TimeMs::new(number.into()), [number; 10]);
                PaymentRecord::from(&Payment { id, ..sample() })
            })
            .collect();
        let bytes = records.to_bytes();
        let singly: Vec<u8> = records.iter().flat_map(Encode::to_bytes).collect();
        assert_eq!(bytes, [&[5, 0, 0, 0], singly.as_slice()].concat());
        assert_eq!(decode_exact::<Vec<PaymentRecord>>(&bytes), Ok(records));
        for count in [4, 6, u8::MAX] {
            let wrong = [&[count, 0, 0, 0], singly.as_slice()].concat();
            assert!(decode_exact::<Vec<PaymentRecord>>(&wrong).is_err(), "{count}");
        }
    }

    #[test]
    fn reserved_bytes_must_be_zero() {
        let mut record = PaymentRecord::from(&sample());
        record.reserved_zero = 1;
        assert_eq!(record.parse(), Err(RecordError::Reserved));
    }
}
