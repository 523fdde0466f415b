//! Which headers validators sign without being asked.
//!
//! A header names its parent by hash, so a signature over one stands for all
//! before it, and a certificate proves every ancestor of its header
//! ([`tributary_chain::Certificate::verify_descent`]). Signing each of a thousand
//! headers a second would prove no more than signing some of them.
//!
//! A header is *due* by what it and its parent say, so all validators sign the
//! same ones: if the chain sent or received a message, which relays shall carry
//! at once; as the first of each span of block time; and after so many others.
//! The last header before a chain rests is signed a moment later
//! ([`REST_MS`]), and any other when a peer has signed it or somebody wants a
//! proof (`Replica::handle_certificate_wanted`).

use tributary_chain::Header;

/// The first header of each span of this many milliseconds of block time is
/// due: so long a block waits for its certificate while others follow.
pub const SIGNED_SPAN_MS: u64 = 50;
/// Each header whose height is a multiple of this is due, so that a proof holds
/// few headers between a block and the signed one.
pub const SIGNED_HEIGHTS: u64 = 32;
/// A header that no other has followed for so many milliseconds is signed with
/// the next tick.
pub const REST_MS: u64 = 25;

/// Whether a header is due; `parent` is the one before it.
pub(crate) fn is_due(parent: &Header, header: &Header) -> bool {
    let span = |header: &Header| header.time.get() / SIGNED_SPAN_MS;
    header.channels_root != parent.channels_root
        || span(header) != span(parent)
        || header.height.get().is_multiple_of(SIGNED_HEIGHTS)
}
