//! Receipts: what became of a payment or operation.
//!
//! A receipt is data of the block. Its 35 bytes also link the history of both
//! accounts: each holds the [`Position`] of the account's previous entry, so
//! the history of an account is a proved list that needs no index.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::amount::Amount;
use crate::codec::{Decode, DecodeError, Encode, Reader};
use crate::id::BlockHeight;

/// Where an outcome stands: block height (40 bits) and index of the outcome in
/// that block (24 bits). Zero is "nowhere".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(u64);

impl Position {
    /// Before the first entry.
    pub const NONE: Self = Self(0);
    /// Outcomes that one block can hold.
    pub const INDEX_LIMIT: u32 = 1 << 24;

    /// The outcome `index` of the block at `height`; `None` beyond 24 bits of
    /// index or 40 bits of height.
    #[must_use]
    pub const fn new(height: BlockHeight, index: u32) -> Option<Self> {
        if index < Self::INDEX_LIMIT && height.get() < 1 << 40 {
            Some(Self(height.get() << 24 | index as u64))
        } else {
            None
        }
    }

    /// The block.
    #[must_use]
    pub const fn height(self) -> BlockHeight {
        BlockHeight::new(self.0 >> 24)
    }

    /// The outcome's index in its block.
    #[must_use]
    pub const fn index(self) -> u32 {
        (self.0 & 0xff_ffff) as u32
    }

    /// Whether this is [`Position::NONE`].
    #[must_use]
    pub const fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.height(), self.index())
    }
}

impl Encode for Position {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
    }
}

impl Decode for Position {
    const BYTES_MIN: usize = 8;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        u64::decode(reader).map(Self)
    }
}

macro_rules! outcome_codes {
    ($($(#[$doc:meta])* $name:ident = $value:literal $text:literal),+ $(,)?) => {
        /// What became of a payment or operation. Codes are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[repr(u16)]
        pub enum OutcomeCode { $($(#[$doc])* $name = $value),+ }

        impl OutcomeCode {
            /// Every code, in order.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable name, as shown to users.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }

            fn from_u16(value: u16) -> Option<Self> {
                match value { $($value => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

outcome_codes! {
    /// Executed, finally.
    Committed = 0 "committed",
    /// A refund or payout waits for the merchant's money. Not final.
    AwaitingFunds = 1 "awaiting_funds",
    /// Debited here, on its way to the payee's chain. Not final.
    InTransit = 2 "in_transit",
    /// The amount is zero.
    AmountZero = 10 "amount_zero",
    /// A total would exceed 128 bits.
    AmountOverflow = 11 "amount_overflow",
    /// The payment's asset is not the account's.
    AssetMismatch = 12 "asset_mismatch",
    /// The asset is not registered.
    UnknownAsset = 13 "unknown_asset",
    /// Debit and credit are the same account.
    SameAccount = 14 "same_account",
    /// The declared kind does not fit the classes of the accounts.
    KindMismatch = 15 "kind_mismatch",
    /// The debit account does not exist.
    UnknownDebitAccount = 20 "unknown_debit_account",
    /// The credit account does not exist.
    UnknownCreditAccount = 21 "unknown_credit_account",
    /// The debit account is frozen.
    DebitAccountFrozen = 22 "debit_account_frozen",
    /// The credit account is frozen.
    CreditAccountFrozen = 23 "credit_account_frozen",
    /// The debit account is closed.
    DebitAccountClosed = 24 "debit_account_closed",
    /// The credit account is closed.
    CreditAccountClosed = 25 "credit_account_closed",
    /// Not enough money; the receipt's detail is what was available.
    InsufficientFunds = 30 "insufficient_funds",
    /// Too many refunds of one merchant wait for funds already.
    TooManyWaiting = 31 "too_many_waiting",
    /// The id was used for other content.
    IdReused = 40 "id_reused",
    /// The id is older than the window.
    Expired = 41 "expired",
    /// The id lies further ahead than the window.
    FromFuture = 42 "from_future",
    /// The institution has no authority over the account.
    Unauthorized = 50 "unauthorized",
    /// The account has an owner key and the payment lacks its signature.
    OwnerSignatureMissing = 51 "owner_signature_missing",
    /// The owner's signature is wrong.
    OwnerSignatureInvalid = 52 "owner_signature_invalid",
    /// The batch's key is not registered for its institution.
    UnknownKey = 53 "unknown_key",
    /// The account's slot belongs to another chain; the detail is the version
    /// of the route table.
    Moved = 60 "moved",
    /// This kind of payment or operation does not run on this chain.
    WrongChain = 61 "wrong_chain",
    /// The record is malformed.
    Malformed = 70 "malformed",
    /// The account exists already with other properties.
    AccountExists = 80 "account_exists",
    /// The account cannot be closed: it still holds money or waits for some.
    AccountNotEmpty = 81 "account_not_empty",
    /// A registry entry exists already with other properties.
    RegistryConflict = 82 "registry_conflict",
    /// A named limit of the registry or table is reached.
    LimitReached = 83 "limit_reached",
    /// The account's status does not allow the change.
    StatusConflict = 84 "status_conflict",
    /// The key to register is one that anybody can sign for.
    WeakKey = 85 "weak_key",
}

impl OutcomeCode {
    /// Whether the money moved, finally.
    #[must_use]
    pub const fn is_committed(self) -> bool {
        matches!(self, Self::Committed)
    }

    /// Whether the outcome can still change.
    #[must_use]
    pub const fn is_pending(self) -> bool {
        matches!(self, Self::AwaitingFunds | Self::InTransit)
    }

    /// Whether it was refused, finally.
    #[must_use]
    pub const fn is_refused(self) -> bool {
        !self.is_committed() && !self.is_pending()
    }
}

impl fmt::Display for OutcomeCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Encode for OutcomeCode {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        (*self as u16).encode(out);
    }
}

impl Decode for OutcomeCode {
    const BYTES_MIN: usize = 2;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let value = u16::decode(reader)?;
        Self::from_u16(value)
            .ok_or(DecodeError::Invalid { what: "outcome code", value: u64::from(value) })
    }
}

/// What became of one payment or operation, and the history links of its
/// accounts. The canonical encoding takes [`Receipt::BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The outcome.
    pub code: OutcomeCode,
    /// Whether this repeats the outcome of an earlier submission under the same id.
    /// Chains remember 56 bits of a content's hash, and whoever makes both contents
    /// can make them fit, so a replay in a block is a pointer and no more: what was
    /// executed is what stands at [`Receipt::first`]. A node that answers with a
    /// replay has compared both.
    pub replay: bool,
    /// For `insufficient_funds` what was available; for `moved` the version of
    /// the route table; for a replay the [`Position`] of the first outcome;
    /// else zero.
    pub detail: Amount,
    /// Previous entry of the debit account's history.
    pub previous_debit: Position,
    /// Previous entry of the credit account's history.
    pub previous_credit: Position,
}

impl Receipt {
    /// Canonical size.
    pub const BYTES: usize = 35;

    /// The canonical bytes: the fields in order, little-endian.
    #[inline]
    #[must_use]
    pub fn to_array(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..2].copy_from_slice(&(self.code as u16).to_le_bytes());
        bytes[2] = u8::from(self.replay);
        bytes[3..19].copy_from_slice(&self.detail.get().to_le_bytes());
        bytes[19..27].copy_from_slice(&self.previous_debit.0.to_le_bytes());
        bytes[27..].copy_from_slice(&self.previous_credit.0.to_le_bytes());
        bytes
    }

    /// A receipt that moved nothing.
    #[must_use]
    pub const fn refused(code: OutcomeCode, detail: Amount) -> Self {
        Self {
            code,
            replay: false,
            detail,
            previous_debit: Position::NONE,
            previous_credit: Position::NONE,
        }
    }

    /// The receipt of a resubmission: the first outcome, and where it stands.
    #[must_use]
    pub fn repeating(code: OutcomeCode, first: Position) -> Self {
        Self { replay: true, ..Self::refused(code, Amount::new(u128::from(first.0))) }
    }

    /// Where the outcome stands that a replay repeats; `None` if it is no replay.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        let number = u64::try_from(self.detail.get()).ok()?;
        self.replay.then_some(Position(number))
    }
}

impl Encode for Receipt {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_array());
    }
}

impl Decode for Receipt {
    const BYTES_MIN: usize = Self::BYTES;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        // One look at whether so many bytes are left.
        let bytes: [u8; Self::BYTES] = reader.array("receipt")?;
        let mut fields = Reader::new(&bytes);
        Ok(Self {
            code: OutcomeCode::decode(&mut fields)?,
            replay: bool::decode(&mut fields)?,
            detail: Amount::decode(&mut fields)?,
            previous_debit: Position::decode(&mut fields)?,
            previous_credit: Position::decode(&mut fields)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::decode_exact;

    #[test]
    fn codes_round_trip_and_have_distinct_names() {
        let names: std::collections::BTreeSet<_> =
            OutcomeCode::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), OutcomeCode::ALL.len());
        for code in OutcomeCode::ALL {
            assert_eq!(decode_exact::<OutcomeCode>(&code.to_bytes()), Ok(*code));
        }
    }

    #[test]
    fn a_replay_names_the_first_outcome_and_nothing_else_does() {
        let first = Position::new(BlockHeight::new(77), 5).unwrap();
        let replay = Receipt::repeating(OutcomeCode::Committed, first);
        assert_eq!(replay.first(), Some(first));
        assert_eq!(Receipt { replay: false, ..replay }.first(), None);
        assert_eq!(Receipt { detail: Amount::new(u128::MAX), ..replay }.first(), None);
    }

    #[test]
    fn a_receipt_is_its_fields_one_behind_the_other() {
        let receipt = Receipt {
            code: OutcomeCode::Moved,
            replay: true,
            detail: Amount::new(u128::MAX - 5),
            previous_debit: Position(0x0102_0304_0506_0708),
            previous_credit: Position(9),
        };
        let mut fields = Vec::new();
        receipt.code.encode(&mut fields);
        receipt.replay.encode(&mut fields);
        receipt.detail.encode(&mut fields);
        receipt.previous_debit.encode(&mut fields);
        receipt.previous_credit.encode(&mut fields);
        assert_eq!(receipt.to_bytes(), fields);
        assert_eq!(decode_exact::<Receipt>(&fields), Ok(receipt));
        assert!(decode_exact::<Receipt>(&fields[1..]).is_err());
        for (at, wrong) in [(0, 0xff), (2, 2)] {
            let mut bytes = fields.clone();
            bytes[at] = wrong;
            assert!(decode_exact::<Receipt>(&bytes).is_err(), "{wrong} at {at}");
        }
    }

    #[test]
    fn positions_hold_height_and_index() {
        let position = Position::new(BlockHeight::new(77), 8_191).unwrap();
        assert_eq!((position.height().get(), position.index()), (77, 8_191));
        assert!(Position::new(BlockHeight::new(1), Position::INDEX_LIMIT).is_none());
    }
}
