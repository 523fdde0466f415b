//! Where the model and a ledger part.

use std::fmt::{Debug, Display};

use thiserror::Error;
use tributary_types::{BlockHeight, ChainId};

/// The first thing that is not as predicted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("chain {chain}, block {height}: {what}: the model says {expected}, found {found}")]
pub struct Difference {
    /// Where.
    pub chain: ChainId,
    /// When.
    pub height: BlockHeight,
    /// What was compared.
    pub what: String,
    /// According to the model.
    pub expected: String,
    /// According to the ledger.
    pub found: String,
}

impl Difference {
    pub(super) fn new(
        chain: ChainId,
        height: BlockHeight,
        what: impl Into<String>,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let (what, expected, found) = (what.into(), expected.into(), found.into());
        Self { chain, height, what, expected, found }
    }
}

/// Compares two values of a block; what they are is put into words only if
/// they differ.
pub(super) fn expect<T: Debug + PartialEq>(
    (chain, height): (ChainId, BlockHeight),
    what: impl Display,
    expected: &T,
    found: &T,
) -> Result<(), Difference> {
    if expected == found {
        return Ok(());
    }
    let what = what.to_string();
    Err(Difference::new(chain, height, what, format!("{expected:?}"), format!("{found:?}")))
}
