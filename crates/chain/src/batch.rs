//! Batches: payments and operations under one institution's signature.
//!
//! The signature covers the cluster, the chain and every byte, so whoever
//! forwards a batch can alter nothing. It stays in the block: anyone can
//! verify again.

use serde::{Deserialize, Serialize};
use tributary_types::codec::{
    Decode, DecodeError, Encode, Reader, decode_list, encode_count, encode_list,
};
use tributary_types::{
    ChainId, Domain, Hash, InstitutionId, PaymentRecord, PublicKey, Signature, SigningKey,
    canonical,
};

use crate::operation::Operation;

/// Most payments in one batch.
pub const BATCH_PAYMENTS_MAX: usize = 8_192;
/// Most operations in one batch.
pub const BATCH_OPERATIONS_MAX: usize = 4_096;

/// An owner's signature over one payment of the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnerSignature {
    /// Index of the payment in the batch.
    pub payment: u32,
    /// Over [`PaymentRecord::signing_hash`].
    pub signature: Signature,
}
canonical!(OwnerSignature { payment: u32, signature: Signature });

/// A signed batch for one chain. Operations execute before payments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Where it executes.
    pub chain: ChainId,
    /// Who asks for it.
    pub institution: InstitutionId,
    /// The key that signed; it must be registered for the institution.
    pub key: PublicKey,
    /// In order of execution.
    pub operations: Vec<Operation>,
    /// In order of execution, after the operations.
    pub payments: Vec<PaymentRecord>,
    /// Strictly ascending by payment.
    pub owner_signatures: Vec<OwnerSignature>,
    /// Over [`Batch::signing_hash`].
    pub signature: Signature,
}

impl Batch {
    /// Signs payments and operations for one chain.
    #[must_use]
    pub fn sign(
        cluster: &Hash,
        chain: ChainId,
        institution: InstitutionId,
        key: &SigningKey,
        operations: Vec<Operation>,
        payments: Vec<PaymentRecord>,
        owner_signatures: Vec<OwnerSignature>,
    ) -> Self {
        let unsigned = Signature::from_bytes([0; 64]);
        let mut batch = Self {
            chain,
            institution,
            key: key.public(),
            operations,
            payments,
            owner_signatures,
            signature: unsigned,
        };
        batch.signature = key.sign(&batch.signing_hash(cluster));
        batch
    }

    /// What the institution signs.
    #[must_use]
    pub fn signing_hash(&self, cluster: &Hash) -> Hash {
        // The canonical bytes, but without a copy of the payments.
        let (mut before, mut behind) = (Vec::new(), Vec::new());
        self.encode_before_payments(&mut before);
        encode_list(&self.owner_signatures, &mut behind);
        let payments = PaymentRecord::bytes_of(&self.payments);
        Domain::Batch.hash_parts(&[cluster.as_bytes(), &before, payments, &behind])
    }

    /// Whether the signature is that of the named key.
    #[must_use]
    pub fn is_signed(&self, cluster: &Hash) -> bool {
        self.key.verifies(&self.signing_hash(cluster), &self.signature)
    }

    /// The owner's signature over payment `index`, if the batch carries one.
    #[must_use]
    pub fn owner_signature(&self, index: u32) -> Option<&Signature> {
        let found = self.owner_signatures.binary_search_by_key(&index, |entry| entry.payment);
        found.ok().map(|position| &self.owner_signatures[position].signature)
    }

    /// Outcomes that executing the batch yields at once.
    #[must_use]
    pub fn outcome_count(&self) -> usize {
        self.operations.len() + self.payments.len()
    }

    /// Everything before the bytes of the payments themselves.
    fn encode_before_payments(&self, out: &mut Vec<u8>) {
        self.chain.encode(out);
        self.institution.encode(out);
        self.key.encode(out);
        encode_list(&self.operations, out);
        encode_count(self.payments.len(), out);
    }
}

impl Encode for Batch {
    fn encode(&self, out: &mut Vec<u8>) {
        self.encode_before_payments(out);
        PaymentRecord::encode_each(&self.payments, out);
        encode_list(&self.owner_signatures, out);
        self.signature.encode(out);
    }

    fn bytes_estimate(&self) -> usize {
        self.payments.len() * PaymentRecord::BYTES
            + self.operations.len() * 160
            + self.owner_signatures.len() * 68
            + 160
    }
}

impl Decode for Batch {
    const BYTES_MIN: usize = 2 + 4 + 32 + 12 + 64;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let batch = Self {
            chain: ChainId::decode(reader)?,
            institution: InstitutionId::decode(reader)?,
            key: PublicKey::decode(reader)?,
            operations: decode_list(reader, "operations", BATCH_OPERATIONS_MAX)?,
            payments: decode_list(reader, "payments", BATCH_PAYMENTS_MAX)?,
            owner_signatures: decode_list(reader, "owner signatures", BATCH_PAYMENTS_MAX)?,
            signature: Signature::decode(reader)?,
        };
        let ascending =
            batch.owner_signatures.windows(2).all(|pair| pair[0].payment < pair[1].payment);
        let beyond = batch
            .owner_signatures
            .last()
            .is_some_and(|last| last.payment as usize >= batch.payments.len());
        if !ascending || beyond {
            return Err(DecodeError::Invalid { what: "owner signature order", value: 0 });
        }
        Ok(batch)
    }
}
