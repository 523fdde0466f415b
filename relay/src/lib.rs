//! Floor 6: the relay, which carries proved messages between chains.

pub mod config;
