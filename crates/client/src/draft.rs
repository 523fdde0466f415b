//! A payment that is to be submitted, with its owner's signature if it needs
//! one.

use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, Amount, AssetId, Hash, PaymentId, PaymentKind, PaymentRecord, Reference, Signature,
    SigningKey,
};

use crate::id::new_payment_id;

/// A payment to submit. A signature never stays on content that it does not
/// cover: changing a signed draft removes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentDraft {
    payment: Payment,
    owner_signature: Option<Signature>,
}

impl PaymentDraft {
    /// A payment with a fresh id and an empty reference.
    #[must_use]
    pub fn new(
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        amount: Amount,
        asset: AssetId,
    ) -> Self {
        let reference = Reference::default();
        let id = new_payment_id();
        Self::from(Payment { id, kind, debit, credit, amount, asset, reference })
    }

    /// The same payment under an id of the caller's.
    #[must_use]
    pub fn with_id(self, id: PaymentId) -> Self {
        Self::from(Payment { id, ..self.payment })
    }

    /// The same payment with the caller's own reference.
    #[must_use]
    pub fn with_reference(self, reference: Reference) -> Self {
        Self::from(Payment { reference, ..self.payment })
    }

    /// The payment under the signature of the payer's owner.
    #[must_use]
    pub fn signed(self, cluster: &Hash, owner: &SigningKey) -> Self {
        let signature = owner.sign(&self.record().signing_hash(cluster));
        Self { owner_signature: Some(signature), ..self }
    }

    /// The payment with a signature that was made elsewhere, over
    /// [`PaymentRecord::signing_hash`].
    #[must_use]
    pub fn with_signature(self, signature: Signature) -> Self {
        Self { owner_signature: Some(signature), ..self }
    }

    /// Its id.
    #[must_use]
    pub const fn id(&self) -> PaymentId {
        self.payment.id
    }

    /// Its content.
    #[must_use]
    pub const fn payment(&self) -> &Payment {
        &self.payment
    }

    /// The owner's signature.
    #[must_use]
    pub const fn owner_signature(&self) -> Option<&Signature> {
        self.owner_signature.as_ref()
    }

    /// Its bytes on the wire.
    #[must_use]
    pub fn record(&self) -> PaymentRecord {
        PaymentRecord::from(&self.payment)
    }
}

impl From<Payment> for PaymentDraft {
    #[inline]
    fn from(payment: Payment) -> Self {
        Self { payment, owner_signature: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::{AccountClass, AccountName, ChainId, InstitutionId, Slot};

    fn draft() -> PaymentDraft {
        let name: AccountName = "c17850".parse().unwrap();
        let (institution, asset) = (InstitutionId::new(1), AssetId::new(1));
        let slot = Slot::new(7).unwrap();
        let user = AccountId::named(AccountClass::User, institution, &name, slot);
        let issuer = AccountId::issuer(institution, asset, ChainId::new(1));
        PaymentDraft::new(PaymentKind::Issue, issuer, user, Amount::new(5), asset)
    }

    #[test]
    fn a_signature_covers_what_the_draft_says_and_nothing_else() {
        let (cluster, key) = (Hash::ZERO, SigningKey::from_seed([3; 32]));
        let signed = draft().signed(&cluster, &key);
        let hash = signed.record().signing_hash(&cluster);
        assert!(key.public().verifies(&hash, signed.owner_signature().unwrap()));
        let changed = signed.with_reference(Reference::from_text("other").unwrap());
        assert_eq!(changed.owner_signature(), None);
        assert_eq!(signed.with_id(new_payment_id()).owner_signature(), None);
    }
}
