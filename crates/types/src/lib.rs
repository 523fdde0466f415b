//! Floor 0: the words every other crate speaks.
//!
//! Ids, amounts, hashes, keys, the canonical encoding, and the fixed-layout
//! payment record. Everything here is pure: no clock, no randomness, no IO.
//! What is hashed or signed anywhere in Tributary is encoded by [`codec`];
//! one value has exactly one encoding.

pub mod account;
pub mod amount;
pub mod codec;
pub mod hash;
pub mod id;
pub mod institution;
pub mod key;
pub mod name;
pub mod payment;
pub mod receipt;
pub mod verify;

pub use account::{AccountClass, AccountId, AccountIdError, Slot};
pub use amount::{Amount, AmountError};
pub use codec::{Decode, DecodeError, Encode, Reader};
pub use hash::{Domain, Hash};
pub use id::{AssetCode, AssetId, BlockHeight, ChainId, TimeMs};
pub use institution::{InstitutionId, InstitutionIdError};
pub use key::{PublicKey, Signature, SigningKey};
pub use name::{AccountName, NameError};
pub use payment::{PaymentId, PaymentKind, PaymentRecord, Reference};
pub use receipt::{OutcomeCode, Position, Receipt};
pub use verify::{SignatureCheck, verify_all};
