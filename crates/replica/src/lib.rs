//! Floor 3: one replicated chain, sans-IO.

pub mod store;
