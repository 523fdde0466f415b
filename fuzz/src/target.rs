//! Every fuzz target by name.

use crate::{
    archive, canonical, configuration, credentials, execution, frames, import, import_journal,
    log_rule, proof_file, proofs, raft_messages, state, storage, texts, wire,
};

/// One decoder and what must hold of whatever it is given.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// As in `cargo xtask fuzz --target NAME` and `corpus/NAME/`.
    pub name: &'static str,
    /// Panics if the property is broken.
    pub check: fn(&[u8]),
    /// Valid inputs to begin with.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Most bytes of an input that are of interest.
    pub bytes_max: usize,
}

/// Most bytes of an input that is one message.
const MESSAGE: usize = 4_096;
/// Most bytes of an input that is one line.
const LINE: usize = 128;
/// Most bytes of an input that is a text.
const TEXT: usize = 2_048;
/// Most bytes of an input that is a whole state.
const STATE: usize = 16_384;

/// All of them.
pub const TARGETS: [Target; 36] = [
    target("frames", frames::check, frames::samples, MESSAGE),
    target("node_request", wire::node_request, wire::node_requests, MESSAGE),
    target("node_reply", wire::node_reply, wire::node_replies, MESSAGE),
    target("router_request", wire::router_request, wire::router_requests, MESSAGE),
    target("router_reply", wire::router_reply, wire::router_replies, MESSAGE),
    target("peer_frame", wire::peer_frame, wire::peer_frames, MESSAGE),
    target("serde_values", wire::values, wire::value_samples, MESSAGE),
    target("peer_message", raft_messages::check, raft_messages::samples, MESSAGE),
    target("body", canonical::body, canonical::bodies, MESSAGE),
    target("batch", canonical::batch, canonical::batches, MESSAGE),
    target("delivery", canonical::delivery, canonical::deliveries, MESSAGE),
    target("message", canonical::message, canonical::messages, MESSAGE),
    target("header", canonical::header, canonical::headers, TEXT),
    target("certificate", canonical::certificate, canonical::certificates, TEXT),
    target("record", canonical::record, canonical::records, TEXT),
    target("outcomes", canonical::outcomes, canonical::outcome_samples, MESSAGE),
    target("proofs", proofs::check, proofs::samples, STATE),
    target("texts", texts::check, texts::samples, TEXT),
    target("rows", import::check, import::samples, TEXT),
    target("topology", configuration::topology, configuration::topologies, TEXT),
    target("settings", configuration::settings, configuration::settings_samples, TEXT),
    target("genesis", configuration::genesis, configuration::genesis_samples, MESSAGE),
    target("client_file", configuration::client, configuration::client_samples, TEXT),
    target("log_rule", log_rule::check, log_rule::samples, TEXT),
    target("state", state::check, state::samples, STATE),
    target("execution", execution::check, execution::samples, MESSAGE),
    target("stored_value", storage::stored_value, storage::stored_values, MESSAGE),
    target("stored_block", archive::stored_block, archive::stored_blocks, MESSAGE),
    target("served_blocks", archive::served_blocks, archive::served_samples, STATE),
    target("log_mark", storage::log_mark, storage::log_marks, TEXT),
    target("format_file", storage::format_file, storage::format_files, LINE),
    target("journal", import_journal::check, import_journal::samples, TEXT),
    target("rows_gz", import::compressed, import::compressed_samples, TEXT),
    target("proof_file", proof_file::check, proof_file::samples, STATE),
    target("credentials", credentials::check, credentials::samples, MESSAGE),
    target("key_file", credentials::key_file, credentials::key_files, LINE),
];

const fn target(
    name: &'static str,
    check: fn(&[u8]),
    samples: fn() -> Vec<Vec<u8>>,
    bytes_max: usize,
) -> Target {
    Target { name, check, samples, bytes_max }
}

impl Target {
    /// The target of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        TARGETS.into_iter().find(|target| target.name == name)
    }
}
