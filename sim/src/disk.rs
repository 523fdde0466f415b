//! The disk of one node: what is durable, what only looks so, and what a crash
//! leaves of it.
//!
//! Like the real storage: writes of the log are applied whole and in order, and
//! a crash leaves any prefix of those that were not synced, the next one torn.
//! A checkpoint is replaced in one step, and what was put into the archive
//! before it is then durable too. Of the archive's newer part a crash leaves
//! any prefix.
//!
//! Everything that is stored has a checksum, verified by the process that
//! starts from it: wrong bytes in what was synced are an error, a torn write
//! behind that is dropped. Pages of a checkpoint alone come without one here,
//! although the real ones have it: a state must notice by itself that its bytes
//! were changed.

mod record;
mod sealed;

use std::collections::{BTreeMap, VecDeque};

use tributary_chain::{Certificate, Header};
use tributary_ledger::{Page, PageKey};
use tributary_replica::Restored;
use tributary_replica::store::{Checkpoint, HardState, LoadedLog, LogWrite};
use tributary_types::codec::{Decode, Encode, decode_exact};
use tributary_types::{BlockHeight, ChainId};

use self::record::{
    Certified, LogRecord, SavedState, WriteRecord, data_of, entry, entry_bytes, known,
};
use self::sealed::Sealed;
use crate::prng::Prng;

pub use self::sealed::Corrupt;

/// Certified headers that the archive keeps for each chain.
const CERTIFIED_KEPT: usize = 64;

/// See the module head.
#[derive(Debug, Default)]
pub struct Disk {
    chains: BTreeMap<ChainId, Stored>,
    /// Written and not synced, oldest first, with the replica's number.
    unsynced: VecDeque<(u64, LogWrite)>,
    /// What a crash left of a write, behind everything that was synced.
    torn: Option<Sealed>,
    /// What is wrong with it: two faults of one kind may overlap.
    pub troubles: Troubles,
}

/// What is wrong with a disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Troubles {
    /// It takes no more writes, for so many reasons.
    pub full: u32,
    /// Every sync takes this much longer.
    pub slower_us: u64,
}

/// What is stored of one chain.
#[derive(Debug, Default)]
struct Stored {
    /// Of a [`LogRecord`].
    record: Option<Sealed>,
    /// By index.
    entries: BTreeMap<u64, Sealed>,
    /// How far the log went in each term, whatever became of it later.
    reached: BTreeMap<u64, u64>,
    /// Of a [`SavedState`].
    checkpoint: Option<Sealed>,
    pages: BTreeMap<PageKey, Vec<u8>>,
    /// Of [`Certified`], oldest first.
    certified: VecDeque<(BlockHeight, Sealed)>,
    /// How many of them a crash does not take.
    certified_durable: usize,
}

/// Something whose bits may flip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A page of the checkpoint.
    Page,
    /// The rest of the checkpoint.
    Checkpoint,
    /// An entry of the log.
    Entry,
    /// What is remembered beside the entries.
    Record,
    /// The newest certified header in the archive.
    Certified,
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
        if let Some((_, write)) = self.unsynced.pop_front() {
            let mut torn = Sealed::new(WriteRecord::from(write).to_bytes());
            torn.tear(prng);
            self.torn = Some(torn);
        }
        self.unsynced.clear();
        for stored in self.chains.values_mut() {
            let loose = stored.certified.len() - stored.certified_durable;
            let kept = stored.certified_durable + prng.index(loose + 1);
            stored.certified.truncate(kept);
            stored.certified_durable = kept;
        }
    }

    /// A process opens the log: what a crash tore is dropped.
    pub fn open(&mut self) {
        let bytes = self.torn.take().and_then(|torn| torn.read("write").ok());
        let write = bytes.and_then(|bytes| decode_exact::<WriteRecord>(&bytes).ok());
        if let Some(Ok(write)) = write.map(WriteRecord::write) {
            self.chains.entry(write.chain).or_default().apply(write);
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
                stored.pages.insert(*key, bytes.to_bytes().into_owned());
            }
        }
        stored.checkpoint = Some(Sealed::new(SavedState::from(checkpoint).to_bytes()));
        for stored in self.chains.values_mut() {
            stored.certified_durable = stored.certified.len();
        }
    }

    /// Puts a certified header into the archive.
    pub fn certified(&mut self, header: Header, certificate: Certificate) {
        let stored = self.chains.entry(header.chain).or_default();
        let height = header.height;
        let sealed = Sealed::new(Certified { header, certificate }.to_bytes());
        stored.certified.push_back((height, sealed));
        if stored.certified.len() > CERTIFIED_KEPT {
            stored.certified.pop_front();
            stored.certified_durable = stored.certified_durable.saturating_sub(1);
        }
    }

    /// What a process finds when it starts.
    ///
    /// # Errors
    /// [`Corrupt`] if something that was synced is not what was written.
    pub fn restored(&self, chain: ChainId) -> Result<Restored, Corrupt> {
        let Some(stored) = self.chains.get(&chain) else { return Ok(Restored::default()) };
        Ok(Restored {
            checkpoint: stored.load_checkpoint()?,
            log: stored.load_log()?,
            certified: stored.load_certified()?,
        })
    }

    /// Flips one bit of what is stored of a chain, and says of what; nothing if
    /// nothing is. What a crash tore is dropped, or found whole, before: later it
    /// would write over what was changed, which no log in files does.
    pub fn flip_bit(&mut self, prng: &mut Prng) -> Option<(ChainId, Part)> {
        self.open();
        let parts: Vec<_> = self
            .chains
            .iter()
            .flat_map(|(chain, stored)| stored.parts().map(|part| (*chain, part)))
            .collect();
        let (chain, part) = *prng.pick(&parts)?;
        let stored = self.chains.get_mut(&chain)?;
        match part {
            Part::Page => {
                let page = prng.index(stored.pages.len());
                let bytes = stored.pages.values_mut().nth(page)?;
                let place = prng.index(bytes.len());
                *bytes.get_mut(place)? ^= 1 << prng.below(8);
            }
            Part::Checkpoint => stored.checkpoint.as_mut()?.flip_bit(prng),
            Part::Entry => {
                let entry = prng.index(stored.entries.len());
                stored.entries.values_mut().nth(entry)?.flip_bit(prng);
            }
            Part::Record => stored.record.as_mut()?.flip_bit(prng),
            Part::Certified => stored.newest_certified_mut()?.flip_bit(prng),
        }
        Some((chain, part))
    }

    /// The durable hard state of a chain.
    #[must_use]
    pub fn hard_state(&self, chain: ChainId) -> HardState {
        self.chains.get(&chain).map_or_else(HardState::default, |it| it.record().hard_state())
    }

    /// The last raft index that is durable in a chain's log or checkpoint.
    #[must_use]
    pub fn last_index(&self, chain: ChainId) -> u64 {
        let Some(stored) = self.chains.get(&chain) else { return 0 };
        let logged = stored.entries.last_key_value().map_or(0, |(index, _)| *index);
        logged.max(self.checkpoint_index(chain)).max(stored.record().compacted_to)
    }

    /// The last raft index that was ever durable in a chain's log while this term
    /// was its last.
    #[must_use]
    pub fn reached(&self, chain: ChainId, term: u64) -> u64 {
        let stored = self.chains.get(&chain);
        stored.and_then(|stored| stored.reached.get(&term)).copied().unwrap_or(0)
    }

    /// The raft index of a chain's durable checkpoint.
    #[must_use]
    pub fn checkpoint_index(&self, chain: ChainId) -> u64 {
        let saved = self.chains.get(&chain).and_then(Stored::saved_state);
        saved.map_or(0, |saved| saved.index)
    }

    /// Whether a block's body is durable here, in the log or executed in the
    /// checkpoint.
    #[must_use]
    pub fn holds_block(&self, header: &Header, body: &[u8]) -> bool {
        let Some(stored) = self.chains.get(&header.chain) else { return false };
        let executed =
            stored.saved_state().is_some_and(|saved| saved.header.height >= header.height);
        executed || stored.entries.values().rev().any(|entry| data_of(entry.written()) == body)
    }

    /// Entries in a chain's durable log.
    #[must_use]
    pub fn log_length(&self, chain: ChainId) -> usize {
        self.chains.get(&chain).map_or(0, |stored| stored.entries.len())
    }
}

impl Stored {
    fn apply(&mut self, write: LogWrite) {
        let mut record = self.record();
        if let Some(first) = write.entries.first() {
            while self.entries.last_key_value().is_some_and(|(index, _)| *index >= first.index) {
                self.entries.pop_last();
            }
        }
        let sealed = |entry| Sealed::new(entry_bytes(entry));
        self.entries.extend(write.entries.iter().map(|entry| (entry.index, sealed(entry))));
        if let Some(hard_state) = write.hard_state {
            record.set_hard_state(hard_state);
        }
        if let Some(compact_to) = write.compact_to {
            while self.entries.first_key_value().is_some_and(|(index, _)| *index <= compact_to) {
                self.entries.pop_first();
            }
            record.compacted_to = record.compacted_to.max(compact_to);
        }
        if write.hard_state.is_some() || write.compact_to.is_some() {
            self.record = Some(Sealed::new(record.to_bytes()));
        }
        let last = self.entries.last_key_value().map_or(record.compacted_to, |(index, _)| *index);
        let reached = self.reached.entry(record.hard_state().term).or_default();
        *reached = last.max(*reached);
    }

    fn record(&self) -> LogRecord {
        known(self.record.as_ref().map(Sealed::written))
    }

    fn saved_state(&self) -> Option<SavedState> {
        decode_exact(self.checkpoint.as_ref()?.written()).ok()
    }

    fn newest_certified_mut(&mut self) -> Option<&mut Sealed> {
        self.certified.iter_mut().max_by_key(|(height, _)| *height).map(|(_, sealed)| sealed)
    }

    fn load_checkpoint(&self) -> Result<Option<Checkpoint>, Corrupt> {
        let Some(sealed) = &self.checkpoint else { return Ok(None) };
        let SavedState { index, term, header } = read(sealed, "checkpoint")?;
        let pages =
            self.pages.iter().map(|(key, bytes)| Page { key: *key, bytes: bytes.clone().into() });
        Ok(Some(Checkpoint { index, term, header, pages: pages.collect() }))
    }

    fn load_log(&self) -> Result<LoadedLog, Corrupt> {
        let record = self.record.as_ref().map(|sealed| read::<LogRecord>(sealed, "log record"));
        let hard_state = record.transpose()?.unwrap_or_default().hard_state();
        let load = |sealed: &Sealed| {
            let what = "log entry";
            entry(&sealed.read(what)?).map_err(|_| Corrupt(what))
        };
        let entries = self.entries.values().map(load).collect::<Result<_, _>>()?;
        Ok(LoadedLog { hard_state, entries })
    }

    fn load_certified(&self) -> Result<Option<(Header, Certificate)>, Corrupt> {
        let newest = self.certified.iter().max_by_key(|(height, _)| *height);
        let Some((_, sealed)) = newest else { return Ok(None) };
        let Certified { header, certificate } = read(sealed, "certified header")?;
        Ok(Some((header, certificate)))
    }

    /// What there is that a process reads when it starts.
    fn parts(&self) -> impl Iterator<Item = Part> {
        let there = [
            (Part::Page, !self.pages.is_empty()),
            (Part::Checkpoint, self.checkpoint.is_some()),
            (Part::Entry, !self.entries.is_empty()),
            (Part::Record, self.record.is_some()),
            (Part::Certified, !self.certified.is_empty()),
        ];
        there.into_iter().filter(|(_, is_there)| *is_there).map(|(part, _)| part)
    }
}

/// Reads a value whose checksum must hold.
fn read<T: Decode>(sealed: &Sealed, what: &'static str) -> Result<T, Corrupt> {
    decode_exact(&sealed.read(what)?).map_err(|_| Corrupt(what))
}

#[cfg(test)]
mod tests {
    use tributary_replica::store::LogEntry;

    use super::*;

    const CHAIN: ChainId = ChainId::new(1);

    fn write(indexes: std::ops::RangeInclusive<u64>, commit: u64) -> LogWrite {
        let entry = |index| LogEntry { index, term: 2, kind: 0, data: vec![7; 3].into() };
        let hard_state = Some(HardState { term: 2, vote: 1, commit });
        LogWrite {
            chain: CHAIN,
            entries: indexes.map(entry).collect(),
            hard_state,
            compact_to: None,
        }
    }

    fn disk() -> Disk {
        let mut disk = Disk::default();
        disk.write(1, write(1..=3, 2));
        disk.sync(1);
        disk
    }

    #[test]
    fn a_process_finds_what_was_synced() {
        let mut disk = disk();
        disk.open();
        let Restored { log, .. } = disk.restored(CHAIN).unwrap();
        assert_eq!(log.hard_state, HardState { term: 2, vote: 1, commit: 2 });
        assert_eq!(log.entries, write(1..=3, 2).entries);
    }

    #[test]
    fn a_flipped_bit_in_the_log_keeps_a_process_from_starting() {
        for seed in 0..50 {
            let mut disk = disk();
            let (chain, part) = disk.flip_bit(&mut Prng::new(seed)).unwrap();
            assert!(chain == CHAIN && [Part::Entry, Part::Record].contains(&part));
            disk.open();
            assert!(disk.restored(CHAIN).is_err(), "{part:?}");
            assert_eq!(disk.last_index(CHAIN), 3, "checkers know what was written");
        }
    }

    #[test]
    fn a_whole_write_behind_a_flipped_bit_does_not_mend_it() {
        for seed in 0..500 {
            let mut disk = disk();
            disk.write(2, write(4..=5, 4));
            let mut prng = Prng::new(seed);
            disk.crash(&mut prng);
            disk.flip_bit(&mut prng).unwrap();
            disk.open();
            assert!(disk.restored(CHAIN).is_err(), "seed {seed}");
        }
    }

    #[test]
    fn a_torn_write_behind_what_was_synced_is_dropped_or_whole() {
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..2_000 {
            let mut disk = disk();
            disk.write(2, write(3..=5, 4));
            disk.crash(&mut Prng::new(seed));
            disk.open();
            let log = disk.restored(CHAIN).unwrap().log;
            found.insert((log.entries.len(), log.hard_state.commit));
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [(3, 2), (5, 4)]);
    }
}
