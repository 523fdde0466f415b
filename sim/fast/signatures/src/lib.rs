//! Stands in for `ed25519-zebra` where the simulator is in a hurry: the same
//! names, signatures of the same size, a thousand times as fast, and **no
//! security whatever**. Whoever knows a public key can sign for it.
//!
//! That does not matter to the simulator: its liars sign with the keys that
//! they hold. It would matter to anything else, which is why this is in a
//! workspace of its own. That the real signatures hold what these pretend is
//! tested where they are used, and by the same seeds run with them.

/// A secret key.
#[derive(Debug, Clone, Copy)]
pub struct SigningKey([u8; 32]);

/// The key that a signature is checked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationKey([u8; 32]);

/// The bytes of a key that nobody has looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerificationKeyBytes([u8; 32]);

/// 64 bytes that depend on key and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// The signature is another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error;

impl From<[u8; 32]> for SigningKey {
    fn from(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl SigningKey {
    /// Signs a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        VerificationKey::from(self).signature(message)
    }
}

impl From<&SigningKey> for VerificationKey {
    fn from(key: &SigningKey) -> Self {
        Self(blake3::derive_key("tributary sim fast public key", &key.0))
    }
}

impl TryFrom<[u8; 32]> for VerificationKey {
    type Error = Error;
    fn try_from(bytes: [u8; 32]) -> Result<Self, Error> {
        Ok(Self(bytes))
    }
}

impl From<VerificationKey> for [u8; 32] {
    fn from(key: VerificationKey) -> Self {
        key.0
    }
}

impl From<[u8; 32]> for VerificationKeyBytes {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl VerificationKey {
    /// Checks a signature.
    ///
    /// # Errors
    /// [`Error`] if it is another one.
    pub fn verify(&self, signature: &Signature, message: &[u8]) -> Result<(), Error> {
        if self.signature(message) == *signature { Ok(()) } else { Err(Error) }
    }

    fn signature(&self, message: &[u8]) -> Signature {
        let hash = blake3::keyed_hash(&self.0, message);
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(hash.as_bytes());
        bytes[32..].copy_from_slice(hash.as_bytes());
        Signature(bytes)
    }
}

impl Signature {
    /// The signature of these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: &[u8; 64]) -> Self {
        Self(*bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; 64] {
        self.0
    }
}

/// Many signatures at once.
pub mod batch {
    use super::{Error, Signature, VerificationKey, VerificationKeyBytes};

    /// Signatures that are to be checked together.
    #[derive(Debug, Default)]
    pub struct Verifier {
        fails: bool,
    }

    impl Verifier {
        /// Nothing to check yet.
        #[must_use]
        pub fn new() -> Self {
            Self::default()
        }

        /// Adds a signature.
        pub fn queue(&mut self, (key, signature, message): (VerificationKeyBytes, Signature, &[u8])) {
            self.fails |= VerificationKey(key.0).verify(&signature, message).is_err();
        }

        /// Checks all of them.
        ///
        /// # Errors
        /// [`Error`] if one does not hold.
        pub fn verify<R>(self, _coefficients: R) -> Result<(), Error> {
            if self.fails { Err(Error) } else { Ok(()) }
        }
    }
}
