//! The messages that channels carry, and the settlement statement.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{
    AccountId, Amount, AssetId, BlockHeight, Domain, Hash, OutcomeCode, PaymentId, PaymentRecord,
    TimeMs, canonical, canonical_enum,
};

use crate::certificate::ValidatorSet;
use crate::operation::{AccountStatus, FloatPolicy, RegistryChange};

/// Most rows of one statement; further dirty proxies wait for the next.
pub const STATEMENT_ROWS_MAX: usize = 4_096;

/// One message from one chain to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// User chain → HF chain: cumulative totals of every proxy that changed.
    Statement(Statement),
    /// User chain → HF chain: a proxy needs money.
    FundRequest(FundRequest),
    /// HF chain → user chain: the answer to one request.
    Fund(Fund),
    /// User chain → user chain: money for a user account there.
    Transfer(Transfer),
    /// The answer to one transfer.
    TransferOutcome(TransferOutcome),
    /// HF chain → user chain: opens, freezes, closes a proxy, sets its float.
    Merchant(MerchantNotice),
    /// HF chain → user chain: the registry changed.
    Registry(RegistryChange),
    /// Any chain: the next validator set, certified by the old one.
    ValidatorSet(ValidatorSet),
}
canonical_enum!(Message, "message", {
    1 => Statement(Statement),
    2 => FundRequest(FundRequest),
    3 => Fund(Fund),
    4 => Transfer(Transfer),
    5 => TransferOutcome(TransferOutcome),
    6 => Merchant(MerchantNotice),
    7 => Registry(RegistryChange),
    8 => ValidatorSet(ValidatorSet),
});

/// What a proxy has done since it was opened. Nothing here ever shrinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Paid by users.
    pub received: Amount,
    /// Given back or paid out to users.
    pub refunded: Amount,
    /// Brought down from the HF chain.
    pub funded: Amount,
    /// Taken up to the HF chain.
    pub swept: Amount,
    /// Number of payments, refunds and payouts.
    pub payments: u64,
}
canonical!(Counters {
    received: Amount,
    refunded: Amount,
    funded: Amount,
    swept: Amount,
    payments: u64
});

impl Counters {
    /// `received - refunded + funded - swept`; `None` if the counters cannot be
    /// those of a proxy (negative balance or overflow).
    #[must_use]
    pub fn balance(&self) -> Option<Amount> {
        let money_in = self.received.checked_add(self.funded)?;
        let money_out = self.refunded.checked_add(self.swept)?;
        money_in.checked_sub(money_out)
    }

    /// Whether every counter is at least that of `earlier`.
    #[must_use]
    pub fn is_successor_of(&self, earlier: &Self) -> bool {
        self.received >= earlier.received
            && self.refunded >= earlier.refunded
            && self.funded >= earlier.funded
            && self.swept >= earlier.swept
            && self.payments >= earlier.payments
    }
}

/// The totals of one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementRow {
    /// The merchant.
    pub account: AccountId,
    /// Its asset.
    pub asset: AssetId,
    /// Cumulative, as of the statement's last height.
    pub counters: Counters,
}
canonical!(StatementRow { account: AccountId, asset: AssetId, counters: Counters });

/// The settlement of one epoch of one user chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// 1, 2, 3… on each chain: (chain, epoch) is the settlement's identity.
    pub epoch: u64,
    /// First block that is new since the last statement.
    pub first_height: BlockHeight,
    /// The block that settles.
    pub last_height: BlockHeight,
    /// Its time.
    pub time: TimeMs,
    /// Hash of the statement before; [`Hash::ZERO`] for epoch 1.
    pub previous: Hash,
    /// Every proxy that changed, strictly ascending by account.
    #[serde(deserialize_with = "deserialize_rows")]
    pub rows: Vec<StatementRow>,
}

impl Statement {
    /// The link that the next statement names.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Domain::Statement.hash_value(self)
    }
}

impl Encode for Statement {
    fn encode(&self, out: &mut Vec<u8>) {
        self.epoch.encode(out);
        self.first_height.encode(out);
        self.last_height.encode(out);
        self.time.encode(out);
        self.previous.encode(out);
        encode_list(&self.rows, out);
    }

    fn bytes_estimate(&self) -> usize {
        Self::BYTES_MIN + self.rows.len() * StatementRow::BYTES_MIN
    }
}

impl Decode for Statement {
    const BYTES_MIN: usize = 68;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let statement = Self {
            epoch: u64::decode(reader)?,
            first_height: BlockHeight::decode(reader)?,
            last_height: BlockHeight::decode(reader)?,
            time: TimeMs::decode(reader)?,
            previous: Hash::decode(reader)?,
            rows: decode_list(reader, "statement rows", STATEMENT_ROWS_MAX)?,
        };
        if is_ascending(&statement.rows) {
            Ok(statement)
        } else {
            Err(DecodeError::Invalid { what: "statement row order", value: statement.epoch })
        }
    }
}

fn is_ascending(rows: &[StatementRow]) -> bool {
    rows.windows(2).all(|pair| pair[0].account < pair[1].account)
}

/// Rows that have canonical bytes, in whatever form they come.
fn deserialize_rows<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<StatementRow>, D::Error> {
    let rows: Vec<StatementRow> = Vec::deserialize(deserializer)?;
    if rows.len() > STATEMENT_ROWS_MAX {
        let text = format!("{} statement rows, limit is {STATEMENT_ROWS_MAX}", rows.len());
        return Err(D::Error::custom(text));
    }
    if !is_ascending(&rows) {
        return Err(D::Error::custom("statement rows are not in ascending order"));
    }
    Ok(rows)
}

/// A proxy asks for money: for waiting refunds, or to fill its float.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FundRequest {
    /// The merchant.
    pub account: AccountId,
    /// Its asset.
    pub asset: AssetId,
    /// How much.
    pub amount: Amount,
}
canonical!(FundRequest { account: AccountId, asset: AssetId, amount: Amount });

/// The answer to one [`FundRequest`]: what the merchant could pay of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fund {
    /// The merchant.
    pub account: AccountId,
    /// Its asset.
    pub asset: AssetId,
    /// What was asked.
    pub requested: Amount,
    /// What comes with this message; less than asked only if the merchant's
    /// balance did not suffice.
    pub granted: Amount,
}
canonical!(Fund { account: AccountId, asset: AssetId, requested: Amount, granted: Amount });

/// Money on its way to a user account of another chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// The payment as it was debited on the sending chain.
    pub payment: PaymentRecord,
}
canonical!(Transfer { payment: PaymentRecord });

impl Serialize for Transfer {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.payment.parse().map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Transfer {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let payment = tributary_types::payment::Payment::deserialize(deserializer)?;
        Ok(Self { payment: PaymentRecord::from(&payment) })
    }
}

/// What became of a transfer at the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferOutcome {
    /// Which.
    pub id: PaymentId,
    /// `committed`, or why it was refused and the money must go back.
    pub code: OutcomeCode,
}
canonical!(TransferOutcome { id: PaymentId, code: OutcomeCode });

/// What a user chain must know of a merchant. Always the whole of it: the last
/// notice is the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerchantNotice {
    /// The merchant; its proxy has the same id.
    pub account: AccountId,
    /// Its asset.
    pub asset: AssetId,
    /// Whether the proxy takes payments.
    pub status: AccountStatus,
    /// What the proxy keeps.
    pub float: FloatPolicy,
}
canonical!(MerchantNotice {
    account: AccountId,
    asset: AssetId,
    status: AccountStatus,
    float: FloatPolicy
});
