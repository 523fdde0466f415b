//! Random histories of a log against a model of a few lines, with restarts,
//! purges, crashes of the process and of the machine between any two writes.

use std::collections::BTreeMap;
use std::path::Path;

use tributary_replica::store::{HardState, LoadedLog, LogEntry, LogStore, LogWrite};
use tributary_storage::RaftEngineLog;
use tributary_storage::memory::MemoryDisk;

use crate::conformance::{Backend, OnDisk};
use crate::support::{Dice, SMALL_LOG, chain, copy_directory, cut, entry, last_log_file, open_log};

const CHAINS: [u16; 4] = [1, 2, 3, 700];

/// What the log of one chain must be: the trait's words, and nothing else.
#[derive(Default)]
struct Model {
    hard_state: HardState,
    entries: BTreeMap<u64, LogEntry>,
    compacted_to: u64,
}

impl Model {
    fn last(&self) -> u64 {
        self.entries.last_key_value().map_or(self.compacted_to, |(index, _)| *index)
    }

    fn apply(&mut self, write: &LogWrite) {
        if let Some(first) = write.entries.first() {
            self.entries.retain(|index, _| *index < first.index);
        }
        self.entries.extend(write.entries.iter().map(|entry| (entry.index, entry.clone())));
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        self.compacted_to = self.compacted_to.max(write.compact_to.unwrap_or(0));
        self.entries.retain(|index, _| *index > self.compacted_to);
    }

    fn loaded(&self) -> LoadedLog {
        LoadedLog { hard_state: self.hard_state, entries: self.entries.values().cloned().collect() }
    }
}

/// Random writes that are legal for the logs as they are.
struct History {
    dice: Dice,
    models: BTreeMap<u16, Model>,
    term: u64,
}

impl History {
    fn new(seed: u64) -> Self {
        let models = CHAINS.map(|number| (number, Model::default())).into();
        Self { dice: Dice::new(seed), models, term: 1 }
    }

    fn step(&mut self, log: &mut impl LogStore) {
        let count = 1 + self.dice.below(3);
        let writes: Vec<_> = (0..count).map(|_| self.next()).collect();
        log.write(writes).unwrap();
    }

    fn next(&mut self) -> LogWrite {
        let dice = &mut self.dice;
        let (number, model) = {
            // The last chain writes rarely: its entries grow old.
            let busy = dice.below(20) > 0;
            let index = if busy { dice.below(3) } else { 3 };
            let number = CHAINS[usize::try_from(index).unwrap()];
            (number, self.models.get_mut(&number).unwrap())
        };
        let mut write = LogWrite { chain: chain(number), ..LogWrite::default() };
        let last = model.last();
        let first = match dice.below(10) {
            // A new leader replaces what was not committed.
            0 => {
                self.term += 1;
                last.saturating_sub(dice.below(6)).max(model.compacted_to) + 1
            }
            _ => last + 1,
        };
        let count = dice.below(5);
        let length = usize::try_from(dice.below(900)).unwrap();
        write.entries =
            (first..first + count).map(|index| entry(number, index, self.term, length)).collect();
        match dice.below(30) {
            0..4 => write.compact_to = Some(last.saturating_sub(dice.below(12))),
            // A snapshot from far ahead; the log goes on above it.
            4 => {
                write.compact_to = Some(last + 5 + dice.below(50));
                write.entries.clear();
            }
            _ => {}
        }
        if dice.below(3) == 0 {
            write.hard_state = Some(HardState { term: self.term, vote: 1, commit: first });
        }
        model.apply(&write);
        write
    }

    fn check(&self, log: &impl LogStore, when: &str) {
        for (number, model) in &self.models {
            let found = log.load(chain(*number)).unwrap();
            assert!(found == model.loaded(), "chain {number} {when}");
        }
    }
}

fn survives_restarts<B: Backend>(seed: u64) {
    let backend = B::new();
    let mut stores = backend.open();
    let mut history = History::new(seed);
    for step in 0..400 {
        history.step(&mut stores.log);
        match history.dice.below(25) {
            0..3 => B::maintain(&stores.log),
            3 => {
                drop(stores);
                stores = backend.open();
                history.check(&stores.log, &format!("after a restart at step {step}, seed {seed}"));
            }
            _ => {}
        }
    }
    history.check(&stores.log, "at the end");
}

#[test]
fn a_random_history_survives_restarts_and_purges_on_disk() {
    (0..4).for_each(survives_restarts::<OnDisk>);
}

#[test]
fn a_random_history_survives_restarts_in_memory() {
    (0..20).for_each(survives_restarts::<MemoryDisk>);
}

/// Copies the open log as it stands and opens the copy.
fn survives_crashes(seed: u64, lose: impl Fn(&Path)) {
    let directory = tempfile::tempdir().unwrap();
    let mut home = directory.path().join("0");
    let mut log = open_log(&home).unwrap();
    let mut history = History::new(seed);
    let mut crashes = 0;
    for step in 0..400 {
        history.step(&mut log);
        match history.dice.below(20) {
            0..3 => drop(log.maintainer().maintain().unwrap()),
            3 => {
                crashes += 1;
                let next = directory.path().join(crashes.to_string());
                copy_directory(&home, &next);
                drop(log);
                home = next;
                lose(&home);
                log = RaftEngineLog::open(&home, SMALL_LOG).unwrap();
                history.check(&log, &format!("after a crash at step {step}, seed {seed}"));
            }
            _ => {}
        }
    }
}

#[test]
fn a_random_history_survives_the_crash_of_the_process_between_any_two_writes() {
    (100..104).for_each(|seed| survives_crashes(seed, |_| {}));
}

#[test]
fn a_random_history_survives_power_failures_that_take_all_unsynced_bytes() {
    // The mark says how much of the newest file was synced: cut off the rest.
    let lose = |home: &Path| {
        let mark = std::fs::read(home.join("synced")).unwrap();
        let number = |at: usize| u64::from_le_bytes(mark[at..at + 8].try_into().unwrap());
        let file = last_log_file(home);
        let sequence: u64 = file.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        if sequence == number(8) {
            cut(&file, number(16));
        }
    };
    (200..204).for_each(|seed| survives_crashes(seed, lose));
}
