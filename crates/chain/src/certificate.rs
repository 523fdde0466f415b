//! Validator sets and certificates.
//!
//! A certificate is valid only for distinct members of the registered set, at
//! least a quorum of them, each with a valid signature over this very header.
//! Nothing in it is taken from the prover: the set comes from the verifier.
//!
//! A header names its parent by hash, so what a quorum signs it signs with all
//! that came before: a certificate holds for every ancestor of its header, shown
//! with the headers in between ([`Certificate::verify_descent`]).

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{BlockHeight, Domain, Hash, PublicKey, Signature, SigningKey};

use crate::header::Header;

/// Most validators of one chain.
pub const VALIDATORS_MAX: usize = 64;
/// Most headers from one, without it, to the descendant that a quorum signed.
pub const DESCENDANTS_MAX: usize = 4_096;

/// The registered validators of a chain, in their fixed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "UncheckedSet")]
pub struct ValidatorSet {
    version: u64,
    keys: Vec<PublicKey>,
}

/// What a file or message says; not checked yet.
#[derive(Deserialize)]
struct UncheckedSet {
    version: u64,
    keys: Vec<PublicKey>,
}

impl TryFrom<UncheckedSet> for ValidatorSet {
    type Error = ValidatorSetError;
    fn try_from(unchecked: UncheckedSet) -> Result<Self, ValidatorSetError> {
        Self::new(unchecked.version, unchecked.keys)
    }
}

/// Why a list of keys is no validator set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValidatorSetError {
    /// Empty or beyond [`VALIDATORS_MAX`].
    #[error("a validator set has 1 to {VALIDATORS_MAX} keys, found {0}")]
    Size(usize),
    /// The same key twice.
    #[error("validator key {0} is listed twice")]
    Duplicate(PublicKey),
    /// Anybody can sign for the key.
    #[error("validator key {0} is weak: anybody can sign for it")]
    WeakKey(PublicKey),
}

impl ValidatorSet {
    /// A set of distinct keys. `version` 0 is the genesis set. Whether the keys
    /// are any good, [`ValidatorSet::check_keys`] says: that is dear, so it is
    /// asked when a set is registered and not whenever one is read.
    ///
    /// # Errors
    /// [`ValidatorSetError`] for a bad size or a repeated key.
    pub fn new(version: u64, keys: Vec<PublicKey>) -> Result<Self, ValidatorSetError> {
        if keys.is_empty() || keys.len() > VALIDATORS_MAX {
            return Err(ValidatorSetError::Size(keys.len()));
        }
        for (index, key) in keys.iter().enumerate() {
            if keys[..index].contains(key) {
                return Err(ValidatorSetError::Duplicate(*key));
            }
        }
        Ok(Self { version, keys })
    }

    /// Checks that a signature for each key takes its secret.
    ///
    /// # Errors
    /// [`ValidatorSetError::WeakKey`] names the first that anybody can sign for.
    pub fn check_keys(&self) -> Result<(), ValidatorSetError> {
        match self.keys.iter().find(|key| key.is_weak()) {
            Some(key) => Err(ValidatorSetError::WeakKey(*key)),
            None => Ok(()),
        }
    }

    /// How many times the set has rotated.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The keys, in order; a validator's number is its index.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Signatures that a certificate needs: more than half.
    #[must_use]
    pub fn quorum(&self) -> usize {
        self.keys.len() / 2 + 1
    }

    /// The hash that headers name the set by.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Domain::ValidatorSet.hash_value(self)
    }
}

impl Encode for ValidatorSet {
    fn encode(&self, out: &mut Vec<u8>) {
        self.version.encode(out);
        encode_list(&self.keys, out);
    }
}

impl Decode for ValidatorSet {
    const BYTES_MIN: usize = 12;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = u64::decode(reader)?;
        let keys = decode_list(reader, "validators", VALIDATORS_MAX)?;
        let found = keys.len() as u64;
        Self::new(version, keys)
            .map_err(|_| DecodeError::Invalid { what: "validator set", value: found })
    }
}

/// One validator's signature over a header that it executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Index in the validator set.
    pub validator: u16,
    /// Over [`Header::hash`].
    pub signature: Signature,
}
tributary_types::canonical!(Vote { validator: u16, signature: Signature });

impl Vote {
    /// Signs a header.
    #[must_use]
    pub fn sign(validator: u16, key: &SigningKey, header_hash: &Hash) -> Self {
        Self { validator, signature: key.sign(header_hash) }
    }

    /// Whether this is a signature of a member of `set` over `header_hash`.
    ///
    /// # Errors
    /// [`CertificateError::UnknownValidator`] or [`CertificateError::WrongSignature`].
    pub fn verify(&self, set: &ValidatorSet, header_hash: &Hash) -> Result<(), CertificateError> {
        let unknown = CertificateError::UnknownValidator(self.validator);
        let key = set.keys().get(usize::from(self.validator)).ok_or(unknown)?;
        if key.verifies(header_hash, &self.signature) {
            Ok(())
        } else {
            Err(CertificateError::WrongSignature(self.validator))
        }
    }
}

/// Signatures of a quorum over one header, ordered by validator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Strictly ascending by validator.
    pub votes: Vec<Vote>,
}

/// Why a certificate does not hold for a header.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// The header names another validator set than the registered one.
    #[error("header is of validator set {found}, registered is {expected}")]
    WrongSet {
        /// The registered set.
        expected: Hash,
        /// What the header names.
        found: Hash,
    },
    /// Fewer signatures than the quorum.
    #[error("{found} signatures, quorum is {needed}")]
    NoQuorum {
        /// Signatures present.
        found: usize,
        /// Signatures required.
        needed: usize,
    },
    /// Not strictly ascending: a signer twice, or out of order.
    #[error("validator {0} signs twice or out of order")]
    NotAscending(u16),
    /// No such member of the set.
    #[error("validator {0} is not in the set")]
    UnknownValidator(u16),
    /// A signature does not verify.
    #[error("signature of validator {0} is wrong")]
    WrongSignature(u16),
}

/// Why a header is not proved by a certificate of a descendant.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DescentError {
    /// More headers up to the signed one than [`DESCENDANTS_MAX`].
    #[error("{0} headers up to the signed one, at most {DESCENDANTS_MAX} are allowed")]
    TooMany(usize),
    /// A header that does not follow the one before it.
    #[error("the header shown as height {0} does not follow the one before it")]
    NotAChild(BlockHeight),
    /// The certificate does not hold for the last one.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
}

impl Certificate {
    /// Checks the certificate of `header` against the registered `set`. Cheap
    /// checks come first.
    ///
    /// # Errors
    /// [`CertificateError`] says which rule fails.
    pub fn verify(
        &self,
        cluster: &Hash,
        header: &Header,
        set: &ValidatorSet,
    ) -> Result<(), CertificateError> {
        let expected = set.hash();
        if header.validator_set != expected {
            return Err(CertificateError::WrongSet { expected, found: header.validator_set });
        }
        let (found, needed) = (self.votes.len(), set.quorum());
        if found < needed {
            return Err(CertificateError::NoQuorum { found, needed });
        }
        for pair in self.votes.windows(2) {
            if pair[0].validator >= pair[1].validator {
                return Err(CertificateError::NotAscending(pair[1].validator));
            }
        }
        let hash = header.hash(cluster);
        self.votes.iter().try_for_each(|vote| vote.verify(set, &hash))
    }

    /// Checks that this certifies `header` itself or, where there are any, the
    /// last of its `descendants`: each the child of the one before.
    ///
    /// # Errors
    /// [`DescentError`] says which rule fails.
    pub fn verify_descent(
        &self,
        cluster: &Hash,
        header: &Header,
        descendants: &[Header],
        set: &ValidatorSet,
    ) -> Result<(), DescentError> {
        if descendants.len() > DESCENDANTS_MAX {
            return Err(DescentError::TooMany(descendants.len()));
        }
        let mut last = header;
        for child in descendants {
            if !child.follows(last, cluster) {
                return Err(DescentError::NotAChild(child.height));
            }
            last = child;
        }
        Ok(self.verify(cluster, last, set)?)
    }
}

impl Encode for Certificate {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(&self.votes, out);
    }
}

impl Decode for Certificate {
    const BYTES_MIN: usize = 4;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { votes: decode_list(reader, "votes", VALIDATORS_MAX)? })
    }
}
