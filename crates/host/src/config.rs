//! The configuration of a node process (`shard-node` or `hf-aggregator`).
//!
//! ```toml
//! name = "node-1"                  # as in topology.toml and in the certificate
//! genesis = "../genesis.json"      # what the cluster began with
//! topology = "../topology.toml"    # see `tributary_service::topology`
//! data_dir = "data"                # log, checkpoints, archive; created if absent
//! shortcuts = true                 # optional: peers on this machine use UNIX sockets
//!
//! [tls]
//! ca = "../ca/ca.pem"
//! certificate = "certificate.pem"  # role node, this name
//! key = "key.pem"
//!
//! [[replica]]                      # exactly those that topology.toml gives this node
//! chain = 1
//! validator = 0                    # index in the genesis' validator list
//! key = "../keys/chain-1-validator-0.seed" # 64 hexadecimal digits, mode 0600
//!
//! [limits]                         # optional, like each of its keys; see [`Limits`]
//! chain_inputs_max = 4096
//! ```
//!
//! Relative paths start at the directory of the file. Where the node listens
//! stands in the topology, once for all. Every key can be overridden; see
//! `tributary_service::settings`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tributary_service::settings::{Settings, SettingsError, resolve};
use tributary_service::tls::TlsPaths;
use tributary_types::ChainId;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    /// This node's name in the topology and in its certificate.
    pub name: String,
    /// The genesis file (JSON).
    pub genesis: PathBuf,
    /// The topology file.
    pub topology: PathBuf,
    /// Where everything durable lies. One process at a time.
    pub data_dir: PathBuf,
    /// Whether peers on its machine, of its user, speak by UNIX sockets instead of
    /// streams of QUIC.
    #[serde(default = "tributary_service::settings::yes")]
    pub shortcuts: bool,
    /// Who this process is.
    pub tls: TlsPaths,
    /// The replicas it hosts.
    #[serde(rename = "replica")]
    pub replicas: Vec<ReplicaConfig>,
    /// Queue lengths and waits.
    #[serde(default)]
    pub limits: Limits,
}

/// One hosted replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReplicaConfig {
    /// The chain.
    pub chain: ChainId,
    /// Index in its validator set.
    pub validator: u16,
    /// File with the validator's signing seed.
    pub key: PathBuf,
}

/// Named limits. What is full answers `overloaded`; nothing waits unbounded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Requests, and as many messages of peers, that wait for one chain's
    /// thread.
    pub chain_inputs_max: usize,
    /// Batches, of all chains, that are verified or executed.
    pub submissions_max: usize,
    /// Log writes that wait for the log's thread.
    pub log_writes_max: usize,
    /// Blocks, certificates and checkpoints that wait for the archive's thread.
    pub archive_writes_max: usize,
    /// Reads of the archive that wait or run.
    pub archive_reads_max: usize,
    /// Threads that read the archive.
    pub archive_read_threads: usize,
    /// Payments in decoded blocks that are kept for readers.
    pub cached_payments_max: usize,
    /// Requests that may wait for something newer or for a certificate.
    pub waiters_max: usize,
    /// Threads that verify signatures; 0 for one per core.
    pub signature_threads: usize,
    /// Owner signatures that were verified at admission and are remembered for
    /// execution, at about 20 bytes each; 0 for none.
    pub remembered_signatures_max: usize,
    /// Bytes of bodies after which a chain's state is saved…; by default its
    /// share of what a process may have unsaved.
    pub checkpoint_after_bytes: Option<usize>,
    /// … or blocks, whichever is first.
    pub checkpoint_after_blocks: u64,
    /// Bytes of entries behind a saved state that stay in a chain's log, by
    /// default a quarter of those after which it is saved. A replica that was
    /// away for longer is caught up by a whole state.
    pub log_tail_bytes: Option<usize>,
}

impl Default for Limits {
    fn default() -> Self {
        let replica = tributary_replica::Limits::default();
        Self {
            chain_inputs_max: 4_096,
            submissions_max: 4_096,
            log_writes_max: 1_024,
            archive_writes_max: 512,
            archive_reads_max: 256,
            archive_read_threads: 2,
            cached_payments_max: 262_144,
            waiters_max: 1_024,
            signature_threads: 0,
            remembered_signatures_max: 262_144,
            checkpoint_after_bytes: None,
            checkpoint_after_blocks: replica.checkpoint_after_blocks,
            log_tail_bytes: None,
        }
    }
}

impl Limits {
    fn validate(&self) -> Result<(), SettingsError> {
        let counts = [
            ("limits.chain_inputs_max", self.chain_inputs_max),
            ("limits.submissions_max", self.submissions_max),
            ("limits.log_writes_max", self.log_writes_max),
            ("limits.archive_writes_max", self.archive_writes_max),
            ("limits.archive_reads_max", self.archive_reads_max),
            ("limits.archive_read_threads", self.archive_read_threads),
            ("limits.waiters_max", self.waiters_max),
            ("limits.checkpoint_after_bytes", self.checkpoint_after_bytes.unwrap_or(1)),
        ];
        match counts.iter().find(|(_, count)| *count == 0) {
            Some((key, _)) => Err(invalid(key, "must not be 0")),
            None if self.checkpoint_after_blocks == 0 => {
                Err(invalid("limits.checkpoint_after_blocks", "must not be 0"))
            }
            None => Ok(()),
        }
    }
}

impl Settings for NodeConfig {
    fn resolve_paths(&mut self, base: &Path) {
        resolve(base, &mut self.genesis);
        resolve(base, &mut self.topology);
        resolve(base, &mut self.data_dir);
        self.tls.resolve_paths(base);
        for replica in &mut self.replicas {
            resolve(base, &mut replica.key);
        }
    }

    fn validate(&self) -> Result<(), SettingsError> {
        if self.name.is_empty() {
            return Err(invalid("name", "must not be empty"));
        }
        if self.replicas.is_empty() {
            return Err(invalid("replica", "a node hosts at least one replica"));
        }
        let mut chains = BTreeSet::new();
        for replica in &self.replicas {
            if !chains.insert(replica.chain) {
                let rule = format!("chain {} stands twice", replica.chain);
                return Err(invalid("replica.chain", &rule));
            }
        }
        self.limits.validate()?;
        self.tls.validate()
    }
}

fn invalid(key: &str, reason: &str) -> SettingsError {
    SettingsError::Invalid { key: key.to_owned(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        name = "node-1"
        genesis = "genesis.json"
        topology = "topology.toml"
        data_dir = "data"
        [tls]
        ca = "ca.pem"
        certificate = "certificate.pem"
        key = "key.pem"
        [[replica]]
        chain = 1
        validator = 0
        key = "chain-1.seed"
        [limits]
        chain_inputs_max = 16
    "#;

    fn check(file: &str) -> Result<NodeConfig, String> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "certificate.pem", "key.pem"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let path = dir.path().join("config.toml");
        std::fs::write(&path, file).unwrap();
        let loaded = tributary_service::settings::load_from(&path, [], &[]);
        loaded.map_err(|error| error.to_string())
    }

    #[test]
    fn limits_have_defaults_one_by_one() {
        let config = check(FILE).unwrap();
        let expected = Limits { chain_inputs_max: 16, ..Limits::default() };
        assert_eq!(config.limits, expected);
        assert!(config.replicas[0].key.is_absolute());
    }

    #[test]
    fn bad_configurations_are_one_sentence() {
        for (from, to, expected) in [
            ("chain_inputs_max", "chain_input_max", "limits.chain_input_max: unknown field"),
            ("= 16", "= 0", "setting limits.chain_inputs_max: must not be 0"),
            ("\"node-1\"", "\"\"", "setting name: must not be empty"),
            ("\"key.pem\"", "\"other.pem\"", "other.pem is not a file"),
        ] {
            assert!(FILE.contains(from));
            let error = check(&FILE.replace(from, to)).unwrap_err();
            assert!(error.contains(expected) && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_chain_is_hosted_once() {
        let twice = "[[replica]]\nchain = 1\nvalidator = 1\nkey = \"b\"\n[limits]";
        let error = check(&FILE.replace("[limits]", twice)).unwrap_err();
        assert_eq!(error, "setting replica.chain: chain 1 stands twice");
    }
}
