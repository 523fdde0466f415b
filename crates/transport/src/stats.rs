//! Counters of what crossed and what was refused, for the caller to export.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Counters of one listener or endpoint; they only grow, except
        /// `connections_open`.
        #[derive(Debug, Default)]
        pub struct TransportStats { $($(#[$doc])* pub $name: AtomicU64),+ }

        impl TransportStats {
            /// All counters by name.
            #[must_use]
            pub fn snapshot(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed))),+]
            }
        }
    };
}

counters! {
    /// Connections that are open now.
    connections_open,
    /// Connections that were accepted.
    connections_accepted,
    /// Connections whose requests and messages go by a shortcut.
    shortcuts_taken,
    /// Handshakes that failed: unknown CA, no certificate, wrong protocol, or too slow.
    handshakes_refused,
    /// Peers of a role or name that was not expected.
    identities_refused,
    /// Frames that broke the format.
    frames_malformed,
    /// Requests received.
    requests_received,
    /// Messages received, large ones included.
    messages_received,
    /// Payload bytes received.
    bytes_received,
    /// Payload bytes sent.
    bytes_sent,
    /// Requests and messages that found a full queue.
    queue_full,
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Counts `amount`.
pub(crate) fn count_bytes(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}
