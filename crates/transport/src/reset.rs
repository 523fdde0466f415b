//! Telling old peers that their connections are gone (RFC 9000, section 10.3).
//!
//! A process that is killed says nothing to its peers, which then wait until
//! their connections have been silent for long. Started again at the same
//! address with the same private key, it knows what to answer to whatever they
//! still send: a token that it gave them when the connection began, made of the
//! connection's id and a secret that grows from the private key. They notice
//! at their next datagram and connect anew.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};

/// What the secret is used for (BLAKE3 specification, section 2.3).
const CONTEXT: &str = "tributary 2026-11 stateless reset";
/// Length of the ids of a listener's connections, in bytes.
const CONNECTION_ID_BYTES: usize = 8;

/// The secret of one private key. Shown nowhere.
#[derive(Clone, Copy)]
pub(crate) struct ResetSecret([u8; 32]);

impl ResetSecret {
    /// The secret that grows from a private key.
    pub(crate) fn of(private_key: &[u8]) -> Self {
        Self(blake3::derive_key(CONTEXT, private_key))
    }

    /// Parameters of a listener that its peers know again.
    pub(crate) fn endpoint_config(self) -> EndpointConfig {
        let mut config = EndpointConfig::new(Arc::new(self));
        config.cid_generator(|| Box::new(RandomIds));
        config
    }

    fn token(&self, data: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, data)
    }
}

impl HmacKey for ResetSecret {
    fn sign(&self, data: &[u8], signature_out: &mut [u8]) {
        signature_out.copy_from_slice(self.token(data).as_bytes());
    }

    fn signature_len(&self) -> usize {
        blake3::OUT_LEN
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        // Comparing hashes of BLAKE3 takes the same time wherever they differ.
        let signature = <[u8; blake3::OUT_LEN]>::try_from(signature).map_err(|_| CryptoError)?;
        if self.token(data) == signature { Ok(()) } else { Err(CryptoError) }
    }
}

/// Random ids. quinn's own can be told from ids of other processes, so a new
/// process would leave those of its predecessor unanswered.
struct RandomIds;

impl ConnectionIdGenerator for RandomIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&rand::random::<[u8; CONNECTION_ID_BYTES]>())
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
