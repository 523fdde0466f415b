//! What headers commit to about channels, kept until they are certified.
//!
//! Under load the state has moved on by the time a header is certified, so its
//! channel leaves are taken down when it is executed. If several blocks were
//! executed at once, only the last one's are: one of them suffices.

use std::collections::BTreeMap;

use tributary_chain::{Certificate, Header};
use tributary_ledger::Ledger;
use tributary_types::{BlockHeight, ChainId};

use super::published::{CertifiedView, LeafProof};

/// Executed heights whose certificates are waited for. A chain whose
/// validators are this far behind delivers from what comes next.
pub const CAPTURES_MAX: usize = 256;

/// Leaves of headers that are not certified yet.
#[derive(Debug, Default)]
pub struct Captures {
    by_height: BTreeMap<BlockHeight, (Header, BTreeMap<ChainId, LeafProof>)>,
}

impl Captures {
    /// Takes down what the ledger's header commits to.
    pub fn capture(&mut self, ledger: &Ledger) {
        let header = ledger.header();
        if self.by_height.contains_key(&header.height) {
            return;
        }
        let mut leaves = BTreeMap::new();
        for channel in ledger.channel_status() {
            // From after the last message on: the proof without the messages.
            let outgoing = ledger.outgoing(channel.peer, channel.sent, 0);
            if let Some(outgoing) = outgoing {
                let (leaf, path) = (outgoing.leaf, outgoing.path);
                let proof = LeafProof { leaf, path, channels: outgoing.channels };
                leaves.insert(channel.peer, proof);
            }
        }
        self.by_height.insert(header.height, (header.clone(), leaves));
        while self.by_height.len() > CAPTURES_MAX {
            self.by_height.pop_first();
        }
    }

    /// What a header commits to, now that it is certified; `None` if that was
    /// not taken down. Forgets it and all lower ones.
    pub fn certify(&mut self, header: &Header, certificate: &Certificate) -> Option<CertifiedView> {
        let mut kept = self.by_height.split_off(&header.height);
        let captured = kept.remove(&header.height);
        self.by_height = kept;
        let (_, leaves) = captured.filter(|(captured, _)| captured == header)?;
        Some(CertifiedView { header: header.clone(), certificate: certificate.clone(), leaves })
    }
}
