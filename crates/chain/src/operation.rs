//! Operations: everything an institution asks for that is not a payment.
//!
//! They travel in signed batches beside payments, carry a time-ordered id and
//! get a receipt like them. Each is idempotent: the same id answers with the
//! first outcome.

use serde::{Deserialize, Serialize};
use tributary_types::codec::{decode_list, encode_list};
use tributary_types::{
    AccountId, AccountName, Amount, AssetCode, AssetId, Decode, DecodeError, Encode, InstitutionId,
    PaymentId, PublicKey, Reader, canonical, canonical_enum,
};

/// Most batch keys of one institution: a registry message always fits a delivery.
pub const INSTITUTION_KEYS_MAX: usize = 64;

/// Whether an account takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum AccountStatus {
    /// Pays and is paid.
    Open = 0,
    /// Neither pays nor is paid until it is opened again.
    Frozen = 1,
    /// Is never paid again by a payment. What still arrives by settlement or a
    /// returned transfer is credited; an HF account may still pay out.
    Closed = 2,
}

impl Encode for AccountStatus {
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(*self as u8);
    }
}

impl Decode for AccountStatus {
    const BYTES_MIN: usize = 1;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(reader)? {
            0 => Ok(Self::Open),
            1 => Ok(Self::Frozen),
            2 => Ok(Self::Closed),
            other => Err(DecodeError::Invalid { what: "account status", value: u64::from(other) }),
        }
    }
}

/// One operation with its identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Identity and duplicate protection, in the same id space as payments.
    pub id: PaymentId,
    /// What to do.
    pub action: Action,
}
canonical!(Operation { id: PaymentId, action: Action });

/// What an operation does, and on which kind of chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// User chain: opens a user account.
    OpenAccount(OpenAccount),
    /// User chain: freezes, reopens or closes a user account.
    SetAccountStatus(SetStatus),
    /// HF chain: opens a high-frequency account; its proxies follow by channel.
    OpenMerchant(OpenMerchant),
    /// HF chain: freezes, reopens or closes a high-frequency account.
    SetMerchantStatus(SetStatus),
    /// HF chain: sets what a merchant keeps on each user chain.
    SetFloat(SetFloat),
    /// HF chain: adds to the registry (assets, institutions, keys).
    Register(RegistryChange),
}
canonical_enum!(Action, "action", {
    1 => OpenAccount(OpenAccount),
    2 => SetAccountStatus(SetStatus),
    3 => OpenMerchant(OpenMerchant),
    4 => SetMerchantStatus(SetStatus),
    5 => SetFloat(SetFloat),
    6 => Register(RegistryChange),
});

/// Opens a user account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAccount {
    /// The id, with the slot that placement chose.
    pub account: AccountId,
    /// The asset the account holds.
    pub asset: AssetId,
    /// If present, every debit needs this key's signature.
    pub owner: Option<PublicKey>,
}
canonical!(OpenAccount { account: AccountId, asset: AssetId, owner: Option<PublicKey> });

/// Changes the status of an account or merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetStatus {
    /// Which.
    pub account: AccountId,
    /// To what.
    pub status: AccountStatus,
}
canonical!(SetStatus { account: AccountId, status: AccountStatus });

/// Opens a high-frequency account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenMerchant {
    /// The id; its proxies on the user chains have the same one.
    pub account: AccountId,
    /// The name that the id is derived from; shown in listings.
    pub name: AccountName,
    /// The asset the account holds.
    pub asset: AssetId,
    /// What each proxy keeps on its chain.
    pub float: FloatPolicy,
}
canonical!(OpenMerchant {
    account: AccountId,
    name: AccountName,
    asset: AssetId,
    float: FloatPolicy
});

/// How much of a merchant's money stays on a user chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FloatPolicy {
    /// A settlement sweeps what lies above this.
    pub target: Amount,
    /// Below this a settlement asks for money up to the target. At most the
    /// target.
    pub low_mark: Amount,
}
canonical!(FloatPolicy { target: Amount, low_mark: Amount });

/// Sets the float of a merchant on all user chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetFloat {
    /// Which merchant.
    pub account: AccountId,
    /// The new policy.
    pub float: FloatPolicy,
}
canonical!(SetFloat { account: AccountId, float: FloatPolicy });

/// One change of the registry. Only the operating institution makes it, on the
/// HF chain; every user chain follows by channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistryChange {
    /// Adds an asset.
    Asset(AssetEntry),
    /// Adds an institution with its first key.
    Institution(InstitutionEntry),
    /// Adds a batch-signing key to an institution.
    AddKey(InstitutionKey),
    /// Takes a key's authority away, from the block that applies this.
    RevokeKey(InstitutionKey),
}
canonical_enum!(RegistryChange, "registry change", {
    1 => Asset(AssetEntry),
    2 => Institution(InstitutionEntry),
    3 => AddKey(InstitutionKey),
    4 => RevokeKey(InstitutionKey),
});

/// A registered asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetEntry {
    /// Its number in accounts and payments.
    pub id: AssetId,
    /// ISO 4217 or private code.
    pub code: AssetCode,
    /// Decimal places of the minor unit: 2 for pence.
    pub scale: u8,
}
canonical!(AssetEntry { id: AssetId, code: AssetCode, scale: u8 });

/// A registered institution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstitutionEntry {
    /// Its number in accounts and certificates.
    pub id: InstitutionId,
    /// Its name.
    pub name: AccountName,
    /// Keys that may sign its batches; at most [`INSTITUTION_KEYS_MAX`].
    pub keys: Vec<PublicKey>,
    /// Whether it may change the registry.
    pub operator: bool,
}

impl Encode for InstitutionEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        self.id.encode(out);
        self.name.encode(out);
        encode_list(&self.keys, out);
        self.operator.encode(out);
    }
}

impl Decode for InstitutionEntry {
    const BYTES_MIN: usize = 4 + AccountName::BYTES_MAX + 4 + 1;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: InstitutionId::decode(reader)?,
            name: AccountName::decode(reader)?,
            keys: decode_list(reader, "institution keys", INSTITUTION_KEYS_MAX)?,
            operator: bool::decode(reader)?,
        })
    }
}

/// A batch-signing key of an institution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstitutionKey {
    /// Whose.
    pub institution: InstitutionId,
    /// The key.
    pub key: PublicKey,
}
canonical!(InstitutionKey { institution: InstitutionId, key: PublicKey });
