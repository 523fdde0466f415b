//! Signatures of batches and owners: verified on many cores, and those of
//! owners only once by whoever leads.
//!
//! ```text
//!  admission ─▶ pool: batch, owners ──good──▶ cache ◀──looks first── execution
//!                      │ wrong batch: refused                          │ the rest
//!                      ▼                                               ▼
//!                  chain thread ───────────────────────────────▶ the same pool
//! ```
//!
//! A leader finds in the cache what it admitted; a follower, which admits
//! nothing, verifies on the pool. What is found or verified where changes how
//! long execution takes, never its outcome: a tag enters the cache only after
//! its signature was verified.

mod cache;
mod pool;

pub use pool::SignaturePool;
