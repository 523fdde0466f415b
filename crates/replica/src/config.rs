//! How a replica is set up, what it starts from, and why it may refuse to.

use std::sync::Arc;

use thiserror::Error;
use tributary_chain::{Certificate, Header, ValidatorSet};
use tributary_ledger::{GenesisError, InPlace, RestoreError, SignatureVerifier};
use tributary_types::{BlockHeight, ChainId, PublicKey, SigningKey};

use crate::effect::Fatality;
use crate::store::{Checkpoint, LoadedLog};

/// Everything a replica must know beside the genesis.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// The chain.
    pub chain: ChainId,
    /// Index in the chain's validator set; its raft id is one more.
    pub validator: u16,
    /// Signs headers; must match the set at that index.
    pub key: SigningKey,
    /// Length of a raft tick.
    pub tick_ms: u64,
    /// Ticks between heartbeats of a leader.
    pub heartbeat_ticks: u32,
    /// Shortest election timeout; the longest is just below twice that.
    pub election_ticks: u32,
    /// Queues and sizes.
    pub limits: Limits,
    /// Verifies owner signatures for execution; by default in place, one thread.
    pub verifier: Arc<dyn SignatureVerifier>,
}

/// Bounds of everything that could grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Blocks proposed and not yet executed.
    pub in_flight_blocks_max: usize,
    /// Requests waiting to be proposed.
    pub pending_requests_max: usize,
    /// Bytes of requests waiting to be proposed.
    pub pending_bytes_max: usize,
    /// Reads waiting for their barrier.
    pub pending_reads_max: usize,
    /// Bytes of committed entries that are executed until raft is asked what else is
    /// to be done, sending among it; one entry may be larger.
    pub work_bytes_max: u64,
    /// Bytes of the log that wait to be executed, committed or not, beyond which a
    /// replica [`is behind`](crate::Replica::is_behind).
    pub unexecuted_bytes_max: usize,
    /// A checkpoint is due after this many bytes of bodies…
    pub checkpoint_after_bytes: usize,
    /// … or after this many blocks, whichever is first.
    pub checkpoint_after_blocks: u64,
    /// Bytes of entries behind a checkpoint that stay in the log, so that a
    /// slow follower needs no snapshot.
    pub log_tail_bytes: usize,
    /// Ticks after which a snapshot that was sent and brought no answer is
    /// given up and sent again.
    pub snapshot_install_ticks_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            in_flight_blocks_max: 8,
            pending_requests_max: 16_384,
            pending_bytes_max: 32 << 20,
            pending_reads_max: 16_384,
            work_bytes_max: 256 << 10,
            // Some times what a leader has in flight.
            unexecuted_bytes_max: 32 << 20,
            checkpoint_after_bytes: 64 << 20,
            checkpoint_after_blocks: 65_536,
            log_tail_bytes: 16 << 20,
            snapshot_install_ticks_max: 600,
        }
    }
}

impl ReplicaConfig {
    /// The settings of a production cluster: 50 ms ticks, a heartbeat every
    /// two, an election after 13 to 25.
    #[must_use]
    pub fn new(chain: ChainId, validator: u16, key: SigningKey) -> Self {
        Self {
            chain,
            validator,
            key,
            tick_ms: 50,
            heartbeat_ticks: 2,
            election_ticks: 13,
            limits: Limits::default(),
            verifier: Arc::new(InPlace),
        }
    }
}

impl ReplicaConfig {
    /// Whether the settings make sense together.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let wrong = |text: &str| Err(StartError::Setting(text.to_owned()));
        if self.tick_ms == 0 || self.heartbeat_ticks == 0 {
            return wrong("tick_ms and heartbeat_ticks must be at least 1");
        }
        if self.election_ticks <= self.heartbeat_ticks {
            return wrong("election_ticks must be above heartbeat_ticks");
        }
        if self.limits.in_flight_blocks_max == 0 {
            return wrong("in_flight_blocks_max must be at least 1");
        }
        Ok(())
    }

    /// Whether index and key are those of a member of the set.
    pub(crate) fn check_identity(&self, set: &ValidatorSet) -> Result<(), StartError> {
        let (keys, validator) = (set.keys(), self.validator);
        let Some(expected) = keys.get(usize::from(validator)).copied() else {
            let (chain, count) = (self.chain, keys.len());
            return Err(StartError::UnknownValidator { chain, validator, count });
        };
        let found = self.key.public();
        if found != expected {
            return Err(StartError::WrongKey { validator, expected, found });
        }
        Ok(())
    }
}

/// What storage holds when a replica starts; all empty for a new one.
#[derive(Debug, Clone, Default)]
pub struct Restored {
    /// The last checkpoint with all its pages.
    pub checkpoint: Option<Checkpoint>,
    /// The log.
    pub log: LoadedLog,
    /// The highest certified header in the archive. Replay must pass through
    /// it.
    pub certified: Option<(Header, Certificate)>,
}

/// Why a replica refuses to start. Storage is untouched.
#[derive(Debug, Error)]
pub enum StartError {
    /// The genesis does not know the chain, or is invalid.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The validator index is outside the set.
    #[error("validator {validator} does not exist, chain {chain} has {count}")]
    UnknownValidator {
        /// The chain.
        chain: ChainId,
        /// The configured index.
        validator: u16,
        /// Size of the set.
        count: usize,
    },
    /// The signing key is not the registered one.
    #[error("key {found} is not validator {validator}'s registered key {expected}")]
    WrongKey {
        /// The configured index.
        validator: u16,
        /// What the set holds.
        expected: PublicKey,
        /// The configured key.
        found: PublicKey,
    },
    /// A setting makes no sense.
    #[error("setting: {0}")]
    Setting(String),
    /// The checkpoint does not give the state that its header names.
    #[error("checkpoint at height {height}: {error}")]
    Checkpoint {
        /// Of which height.
        height: BlockHeight,
        /// Why.
        error: RestoreError,
    },
    /// The log and the checkpoint do not meet, or the log lost entries that
    /// were durable.
    #[error("log: {0}")]
    Log(String),
    /// Replay did not lead where it led before.
    #[error("recovery: {0}")]
    Recovery(#[from] Fatality),
}
