//! Payments: time-ordered ids and the fixed 88-byte record.
//!
//! The record is the same bytes on the wire, in the log and in the block; it
//! is never re-encoded. Its reserved bytes must be zero, so one payment has
//! one encoding.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use zerocopy::little_endian::{U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::account::{AccountId, AccountIdError};
use crate::amount::Amount;
use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::hash::{Domain, Hash};
use crate::id::{AssetId, TimeMs};

/// A UUIDv7 (RFC 9562, section 5.7): 48 bits of milliseconds, then entropy.
/// Sorting ids sorts them by time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaymentId([u8; 16]);

/// The text or bytes are no UUIDv7.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0} is not a UUID of version 7")]
pub struct PaymentIdError(String);

/// Where the fields of a UUIDv7 stand in its 128 bits.
const TIME_SHIFT: u32 = 80;
const VERSION_BITS: u128 = 0xf << 76;
const VERSION_7: u128 = 7 << 76;
const VARIANT_BITS: u128 = 0b11 << 62;
const VARIANT: u128 = 0b10 << 62;

impl PaymentId {
    /// Builds an id from a moment and 74 bits of entropy. Of the moment the low
    /// 48 bits are kept: enough until the year 10889.
    #[must_use]
    pub fn new(time: TimeMs, entropy: [u8; 10]) -> Self {
        let mut random = [0; 16];
        random[6..].copy_from_slice(&entropy);
        let random = u128::from_be_bytes(random) & !(VERSION_BITS | VARIANT_BITS);
        let bits = u128::from(time.get()) << TIME_SHIFT | random | VERSION_7 | VARIANT;
        Self(bits.to_be_bytes())
    }

    /// Checks version and variant.
    ///
    /// # Errors
    /// [`PaymentIdError`] if the bytes are another kind of UUID.
    pub fn from_bytes(bytes: [u8; 16]) -> Result<Self, PaymentIdError> {
        let version_7 = bytes[6] >> 4 == 7 && bytes[8] >> 6 == 0b10;
        if version_7 {
            Ok(Self(bytes))
        } else {
            Err(PaymentIdError(uuid::Uuid::from_bytes(bytes).to_string()))
        }
    }

    /// The bytes, most significant first.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The moment inside the id.
    #[must_use]
    pub const fn time(&self) -> TimeMs {
        let b = &self.0;
        TimeMs::new(u64::from_be_bytes([0, 0, b[0], b[1], b[2], b[3], b[4], b[5]]))
    }
}

impl fmt::Display for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).fmt(f)
    }
}

impl fmt::Debug for PaymentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PaymentId {
    type Err = PaymentIdError;
    fn from_str(text: &str) -> Result<Self, PaymentIdError> {
        let uuid: uuid::Uuid = text.parse().map_err(|_| PaymentIdError(text.to_owned()))?;
        Self::from_bytes(uuid.into_bytes())
    }
}

impl Serialize for PaymentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            self.0.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PaymentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error as _;
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
        } else {
            Self::from_bytes(<[u8; 16]>::deserialize(deserializer)?).map_err(D::Error::custom)
        }
    }
}

impl Encode for PaymentId {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for PaymentId {
    const BYTES_MIN: usize = 16;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes: [u8; 16] = reader.array("payment id")?;
        Self::from_bytes(bytes).map_err(|_| DecodeError::Invalid {
            what: "payment id version",
            value: u64::from(bytes[6] >> 4),
        })
    }
}

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

    /// The 16 bytes of the id, unchecked.
    #[must_use]
    pub const fn id_bytes(&self) -> &[u8; 16] {
        &self.id
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
            id: payment.id.0,
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
}

impl Decode for PaymentRecord {
    const BYTES_MIN: usize = Self::BYTES;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bytes: [u8; Self::BYTES] = reader.array("payment record")?;
        Ok(zerocopy::transmute!(bytes))
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
    fn reserved_bytes_must_be_zero() {
        let mut record = PaymentRecord::from(&sample());
        record.reserved_zero = 1;
        assert_eq!(record.parse(), Err(RecordError::Reserved));
    }

    #[test]
    fn ids_sort_by_time_and_carry_it() {
        let early = PaymentId::new(TimeMs::new(5), [255; 10]);
        let late = PaymentId::new(TimeMs::new(6), [0; 10]);
        assert!(early < late);
        assert_eq!(late.time(), TimeMs::new(6));
        assert!("3f2504e0-4f89-41d3-9a0c-0305e82c3301".parse::<PaymentId>().is_err());
    }

    #[test]
    fn an_id_is_the_uuid_of_its_time_and_entropy() {
        for entropy in [[0; 10], [0xff; 10], [0x5a; 10], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]] {
            for time in [0, 1_700_000_000_000, (1 << 48) - 1, (1 << 48) + 7, u64::MAX] {
                let builder = uuid::Builder::from_unix_timestamp_millis(time, &entropy);
                let id = PaymentId::new(TimeMs::new(time), entropy);
                assert_eq!(*id.as_bytes(), builder.into_uuid().into_bytes());
                assert_eq!(PaymentId::from_bytes(*id.as_bytes()), Ok(id));
            }
        }
    }
}
