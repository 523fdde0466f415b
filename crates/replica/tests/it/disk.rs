//! A replica's storage in memory: what is durable, and what a crash takes.

use std::collections::{BTreeMap, VecDeque};

use tributary_chain::{Certificate, Header};
use tributary_ledger::{Page, PageKey};
use tributary_replica::Restored;
use tributary_replica::store::{Checkpoint, HardState, LoadedLog, LogEntry, LogWrite};

#[derive(Default)]
pub struct Disk {
    hard_state: HardState,
    entries: BTreeMap<u64, LogEntry>,
    checkpoint: Option<Checkpoint>,
    pages: BTreeMap<PageKey, Page>,
    /// Written, not synced: oldest first.
    unsynced: VecDeque<(u64, LogWrite)>,
    /// The archive; written without sync.
    pub certified: Option<(Header, Certificate)>,
}

impl Disk {
    pub fn write(&mut self, number: u64, write: LogWrite) {
        self.unsynced.push_back((number, write));
    }

    /// Makes everything up to `number` durable.
    pub fn sync(&mut self, number: u64) {
        while let Some((_, write)) = self.unsynced.pop_front_if(|(next, _)| *next <= number) {
            self.apply(write);
        }
    }

    /// A crash: all but the oldest `kept` of the unsynced writes are lost.
    pub fn crash(&mut self, kept: usize) {
        let kept = kept.min(self.unsynced.len());
        let torn: Vec<_> = self.unsynced.drain(..).take(kept).collect();
        torn.into_iter().for_each(|(_, write)| self.apply(write));
    }

    pub fn unsynced(&self) -> usize {
        self.unsynced.len()
    }

    pub fn save(&mut self, checkpoint: Checkpoint, complete: bool) {
        if complete {
            self.pages.clear();
        }
        for page in &checkpoint.pages {
            if page.bytes.is_empty() {
                self.pages.remove(&page.key);
            } else {
                self.pages.insert(page.key, page.clone());
            }
        }
        self.checkpoint = Some(checkpoint);
    }

    pub fn restored(&self) -> Restored {
        let checkpoint = self.checkpoint.clone().map(|checkpoint| Checkpoint {
            pages: self.pages.values().cloned().collect(),
            ..checkpoint
        });
        let entries = self.entries.values().cloned().collect();
        let log = LoadedLog { hard_state: self.hard_state, entries };
        Restored { checkpoint, log, certified: self.certified.clone() }
    }

    pub fn log_length(&self) -> usize {
        self.entries.len()
    }

    fn apply(&mut self, write: LogWrite) {
        if let Some(first) = write.entries.first() {
            self.entries.split_off(&first.index);
        }
        for entry in write.entries {
            let last = self.entries.last_key_value().map(|(index, _)| *index);
            assert!(
                last.is_none_or(|last| last + 1 == entry.index),
                "a gap before {}",
                entry.index
            );
            self.entries.insert(entry.index, entry);
        }
        if let Some(hard_state) = write.hard_state {
            assert!(hard_state.term >= self.hard_state.term, "the term went back");
            self.hard_state = hard_state;
        }
        if let Some(compact_to) = write.compact_to {
            self.entries = self.entries.split_off(&(compact_to + 1));
        }
    }
}
