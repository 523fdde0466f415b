//! The disk of one node: what is durable, what only looks so, and what a crash
//! leaves of it.
//!
//! Like the real storage: writes of the log are applied whole and in order, and
//! a crash leaves any prefix of those that were not synced. A checkpoint is
//! replaced in one step, and what was put into the archive before it is then
//! durable too. Of the archive's newer part a crash leaves any prefix. Wrong
//! bytes in the log are found by its checksums; here that is simply known.

use std::collections::{BTreeMap, VecDeque};

use tributary_chain::{Certificate, Header};
use tributary_ledger::{Page, PageKey};
use tributary_replica::Restored;
use tributary_replica::store::{Checkpoint, HardState, LoadedLog, LogEntry, LogWrite};
use tributary_types::ChainId;

use crate::prng::Prng;

/// Certified headers that the archive keeps for each chain.
const CERTIFIED_KEPT: usize = 64;

/// See the module head.
#[derive(Debug, Default)]
pub struct Disk {
    chains: BTreeMap<ChainId, Stored>,
    /// Written and not synced, oldest first, with the replica's number.
    unsynced: VecDeque<(u64, LogWrite)>,
    /// Takes no more writes.
    pub full: bool,
    /// Every sync takes this much longer.
    pub slower_us: u64,
}

/// What is stored of one chain.
#[derive(Debug, Default)]
struct Stored {
    hard_state: HardState,
    entries: BTreeMap<u64, LogEntry>,
    /// Index up to which entries were dropped.
    compacted_to: u64,
    checkpoint: Option<Checkpoint>,
    pages: BTreeMap<PageKey, Vec<u8>>,
    certified: VecDeque<(Header, Certificate)>,
    /// How many of them a crash does not take.
    certified_durable: usize,
}

impl Disk {
    /// Hands a write to the log.
    pub fn write(&mut self, number: u64, write: LogWrite) {
        self.unsynced.push_back((number, write));
    }

    /// Writes that are not durable.
    #[must_use]
    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    /// Makes the oldest `count` writes durable; whose they are, with their
    /// numbers.
    pub fn sync(&mut self, count: usize) -> Vec<(ChainId, u64)> {
        let count = count.min(self.unsynced.len());
        let writes: Vec<_> = self.unsynced.drain(..count).collect();
        let mut done = Vec::with_capacity(writes.len());
        for (number, write) in writes {
            done.push((write.chain, number));
            self.chains.entry(write.chain).or_default().apply(write);
        }
        done
    }

    /// The process ends now: chance says how much of what is not durable stays.
    pub fn crash(&mut self, prng: &mut Prng) {
        let kept = prng.index(self.unsynced.len() + 1);
        self.sync(kept);
        self.unsynced.clear();
        for stored in self.chains.values_mut() {
            let loose = stored.certified.len() - stored.certified_durable;
            let kept = stored.certified_durable + prng.index(loose + 1);
            stored.certified.truncate(kept);
            stored.certified_durable = kept;
        }
    }

    /// Replaces a chain's checkpoint; all of the archive is durable then.
    pub fn save(&mut self, chain: ChainId, checkpoint: &Checkpoint, complete: bool) {
        let stored = self.chains.entry(chain).or_default();
        if complete {
            stored.pages.clear();
        }
        for Page { key, bytes } in &checkpoint.pages {
            if bytes.is_empty() {
                stored.pages.remove(key);
            } else {
                stored.pages.insert(*key, bytes.clone());
            }
        }
        stored.checkpoint = Some(Checkpoint { pages: Vec::new(), ..checkpoint.clone() });
        for stored in self.chains.values_mut() {
            stored.certified_durable = stored.certified.len();
        }
    }

    /// Puts a certified header into the archive.
    pub fn certified(&mut self, header: Header, certificate: Certificate) {
        let stored = self.chains.entry(header.chain).or_default();
        stored.certified.push_back((header, certificate));
        if stored.certified.len() > CERTIFIED_KEPT {
            stored.certified.pop_front();
            stored.certified_durable = stored.certified_durable.saturating_sub(1);
        }
    }

    /// What a process finds when it starts.
    #[must_use]
    pub fn restored(&self, chain: ChainId) -> Restored {
        let Some(stored) = self.chains.get(&chain) else { return Restored::default() };
        let pages =
            stored.pages.iter().map(|(key, bytes)| Page { key: *key, bytes: bytes.clone() });
        let checkpoint = stored.checkpoint.clone();
        let checkpoint =
            checkpoint.map(|checkpoint| Checkpoint { pages: pages.collect(), ..checkpoint });
        let entries = stored.entries.values().cloned().collect();
        let log = LoadedLog { hard_state: stored.hard_state, entries };
        let certified = stored.certified.iter().max_by_key(|(header, _)| header.height).cloned();
        Restored { checkpoint, log, certified }
    }

    /// Flips one bit of a stored checkpoint. Returns the chain, if any has one.
    pub fn flip_bit(&mut self, prng: &mut Prng) -> Option<ChainId> {
        let with_pages: Vec<_> = self
            .chains
            .iter()
            .filter(|(_, stored)| !stored.pages.is_empty())
            .map(|(chain, _)| *chain)
            .collect();
        let chain = *prng.pick(&with_pages)?;
        let pages = &mut self.chains.get_mut(&chain)?.pages;
        let page = prng.index(pages.len());
        let bytes = pages.values_mut().nth(page)?;
        let place = prng.index(bytes.len());
        *bytes.get_mut(place)? ^= 1 << prng.below(8);
        Some(chain)
    }

    /// The durable hard state of a chain.
    #[must_use]
    pub fn hard_state(&self, chain: ChainId) -> HardState {
        self.chains.get(&chain).map_or_else(HardState::default, |stored| stored.hard_state)
    }

    /// The last raft index that is durable in a chain's log or checkpoint.
    #[must_use]
    pub fn last_index(&self, chain: ChainId) -> u64 {
        let Some(stored) = self.chains.get(&chain) else { return 0 };
        let logged = stored.entries.last_key_value().map_or(0, |(index, _)| *index);
        logged.max(self.checkpoint_index(chain)).max(stored.compacted_to)
    }

    /// The raft index of a chain's durable checkpoint.
    #[must_use]
    pub fn checkpoint_index(&self, chain: ChainId) -> u64 {
        let checkpoint = self.chains.get(&chain).and_then(|stored| stored.checkpoint.as_ref());
        checkpoint.map_or(0, |checkpoint| checkpoint.index)
    }

    /// Whether a block's body is durable here, in the log or executed in the
    /// checkpoint.
    #[must_use]
    pub fn holds_block(&self, header: &Header, body: &[u8]) -> bool {
        let Some(stored) = self.chains.get(&header.chain) else { return false };
        let executed =
            stored.checkpoint.as_ref().is_some_and(|saved| saved.header.height >= header.height);
        executed || stored.entries.values().rev().any(|entry| entry.data == body)
    }

    /// Entries in a chain's durable log.
    #[must_use]
    pub fn log_length(&self, chain: ChainId) -> usize {
        self.chains.get(&chain).map_or(0, |stored| stored.entries.len())
    }
}

impl Stored {
    fn apply(&mut self, write: LogWrite) {
        if let Some(first) = write.entries.first() {
            self.entries.split_off(&first.index);
        }
        self.entries.extend(write.entries.into_iter().map(|entry| (entry.index, entry)));
        if let Some(hard_state) = write.hard_state {
            self.hard_state = hard_state;
        }
        if let Some(compact_to) = write.compact_to {
            self.entries = self.entries.split_off(&(compact_to + 1));
            self.compacted_to = self.compacted_to.max(compact_to);
        }
    }
}
