//! `verify`: proofs in files, checked offline against the genesis alone.

use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use tributary_client::{
    Genesis, OutcomeProof, StateProof, load_genesis, verify_balance, verify_outcome,
};

/// A proof as it stands in a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Proof {
    /// What became of a payment or operation.
    Outcome(Box<OutcomeProof>),
    /// The balance of an account or merchant.
    Balance(Box<StateProof>),
}

/// Writes a proof.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, proof: &Proof) -> Result<()> {
    let text = serde_json::to_string_pretty(proof)?;
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Checks the proof in `path` against `genesis` and says what it proves.
///
/// # Errors
/// If it does not hold.
pub fn run(path: &Path, genesis: &Path) -> Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let proof: Proof = serde_json::from_str(&text)
        .with_context(|| format!("{} holds no proof", path.display()))?;
    let genesis = load_genesis(genesis)?;
    check(&proof, &genesis).with_context(|| format!("{} does not hold", path.display()))?;
    let header = match &proof {
        Proof::Outcome(proof) => &proof.header,
        Proof::Balance(proof) => &proof.header,
    };
    println!(
        "verified: certified by a quorum of chain {} at block {} ({} ms)",
        header.chain, header.height, header.time
    );
    Ok(())
}

fn check(proof: &Proof, genesis: &Genesis) -> Result<()> {
    match proof {
        Proof::Outcome(proof) => verify_outcome(proof, genesis)?,
        Proof::Balance(proof) => verify_balance(proof, genesis)?,
    }
    Ok(())
}
