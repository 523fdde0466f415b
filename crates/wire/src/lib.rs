//! Floor 4: what processes say to each other, one enum per edge.
//!
//! | edge | request | reply |
//! | --- | --- | --- |
//! | router, relay → node | [`node::NodeRequest`] | [`node::NodeReply`] |
//! | front-end → router | [`router::RouterRequest`] | [`router::RouterReply`] |
//! | node → node of the same chain | [`peer::PeerFrame`] | none |
//!
//! Control messages are postcard; what is hashed or signed travels inside them
//! as its canonical bytes ([`Canonical`]) and is decoded by the canonical codec
//! only. Decoding is bounded by the frame that carries the message.

pub mod canonical;
mod growing;
pub mod node;
mod outcomes;
pub mod peer;
pub mod query;
pub mod router;

pub use canonical::Canonical;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::growing::Growing;

/// Most bytes of one request or reply; transports enforce it per frame.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// A message that does not decode.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("malformed message: {0}")]
pub struct WireError(String);

/// The bytes of a message.
#[must_use]
pub fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::serialize_with_flavor(message, Growing::new())
        .expect("messages have no unserialisable parts")
}

/// Reads a message that fills `bytes`; it may borrow from them.
///
/// # Errors
/// [`WireError`] for anything else.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, WireError> {
    match postcard::take_from_bytes(bytes) {
        Ok((message, [])) => Ok(message),
        Ok((_, rest)) => Err(WireError(format!("{} bytes after the end", rest.len()))),
        Err(error) => Err(WireError(error.to_string())),
    }
}
