//! Floor 4: mutually authenticated connections between the processes of a
//! cluster, over QUIC and TLS 1.3. Only this crate names quinn and rustls.
//!
//! It carries bytes and knows nothing of ledgers. A service listens with a
//! [`Handler`]; whoever wants something of it holds a [`PeerLink`], which
//! restores its connection by itself. Both sides show certificates of the
//! cluster's CA; role and name stand in them ([`Identity`]).
//!
//! ```text
//!  PeerLink::request ──▶ Handler::request        many at once, replies in any order
//!  PeerLink::send ─────▶ Handler::message        one way, in order
//!  PeerLink::send_large ▶ Handler::large_message  one way, a stream of its own
//! ```
//!
//! ```no_run
//! # async fn example(credentials: tributary_transport::Credentials)
//! # -> Result<(), Box<dyn std::error::Error>> {
//! use tributary_transport::{Endpoint, Expected, RoleKind};
//!
//! let endpoint = Endpoint::client(&credentials)?;
//! let node = endpoint.connect("127.0.0.1:7001".parse()?, Expected::any(RoleKind::Node));
//! let reply = node.request("question".as_bytes()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! All limits stand in [`limits`]. What it lacks: revocation lists (certificates
//! are short-lived and replaced on disk, see [`Renewal`]), and
//! any retry: whether to repeat a request only its sender can know ([`Backoff`]
//! says when).

pub mod authority;
mod backoff;
mod closed_port;
mod credentials;
mod dialler;
mod expiry;
mod frame;
#[cfg(test)]
mod hostile;
mod identity;
pub mod limits;
mod link;
mod listener;
mod outgoing;
mod pem;
mod queue;
mod refusals;
mod renewal;
mod reset;
mod served;
mod shortcut;
mod socket;
mod stats;
mod stream;
mod validity;
mod verifier;

pub use backoff::Backoff;
pub use credentials::{Credentials, CredentialsError};
pub use identity::{Expected, Identity, IdentityError, Role, RoleKind};
pub use link::{Endpoint, PeerLink, RequestError, SendError};
pub use listener::{Handler, Listener};
pub use refusals::RefusalLog;
pub use renewal::Renewal;
pub use shortcut::Shortcuts;
pub use socket::BindError;
pub use stats::TransportStats;
pub use validity::Outside;
