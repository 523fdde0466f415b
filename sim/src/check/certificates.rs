//! A certificate is of one chain's header, by distinct members of the chain's
//! set, a quorum of them. Written apart from the code that verifies it.

use std::collections::BTreeSet;

use tributary_chain::{Certificate, Header};

use crate::cluster::Cluster;

/// Checks a certificate that a replica gives out.
///
/// # Errors
/// What is wrong with it.
pub fn certified(
    header: &Header,
    certificate: &Certificate,
    cluster: &Cluster,
) -> Result<(), String> {
    let place = format!("chain {} height {}", header.chain, header.height);
    let set = cluster.set(header.chain).ok_or_else(|| format!("{place}: no such chain"))?;
    let hash = header.hash(&cluster.hash);
    let mut signers = BTreeSet::new();
    for vote in &certificate.votes {
        let key = set.keys().get(usize::from(vote.validator));
        let signs = key.is_some_and(|key| key.verifies(&hash, &vote.signature));
        if !signs || !signers.insert(vote.validator) {
            return Err(format!("{place}: the vote of {} does not count", vote.validator));
        }
    }
    if signers.len() * 2 <= set.keys().len() {
        return Err(format!("{place}: {} of {} signed", signers.len(), set.keys().len()));
    }
    Ok(())
}
