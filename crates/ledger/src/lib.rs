//! Floor 2: the deterministic state machines of user chains and HF chains.

pub mod page;

pub use page::{Page, PageKey};
