//! The rules of the traits, run on both implementations. Each rule opens the
//! stores again before it looks, so it also tests an orderly restart.

use tempfile::TempDir;
use tributary_replica::store::{BlockStore, CheckpointStore, HardState, LogStore, LogWrite};
use tributary_storage::memory::{MemoryBlocks, MemoryCheckpoints, MemoryDisk, MemoryLog};
use tributary_storage::{Checkpoints, Database, DatabaseLimits, RaftEngineLog, RocksBlocks};
use tributary_types::TimeMs;

use crate::support::{
    SMALL_LOG, append, block, certificate, chain, checkpoint, compact, entry, header, height, page,
    span,
};

/// An implementation of the stores, and the disk under it.
pub trait Backend {
    type Log: LogStore;
    type Checkpoints: CheckpointStore;
    type Blocks: BlockStore;

    /// With an empty disk.
    fn new() -> Self;
    /// Opens what is there; what was opened before must have been dropped.
    fn open(&self) -> Stores<Self>;
    /// Lets the log drop what it does not need.
    fn maintain(_log: &Self::Log) {}
}

pub struct Stores<B: Backend + ?Sized> {
    pub log: B::Log,
    pub checkpoints: B::Checkpoints,
    pub blocks: B::Blocks,
}

pub struct OnDisk(TempDir);

impl Backend for OnDisk {
    type Log = RaftEngineLog;
    type Checkpoints = Checkpoints;
    type Blocks = RocksBlocks;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Stores<Self> {
        let log = RaftEngineLog::open(&self.0.path().join("log"), SMALL_LOG).unwrap();
        let database =
            Database::open(&self.0.path().join("database"), DatabaseLimits::default()).unwrap();
        Stores { log, checkpoints: database.checkpoints(), blocks: database.blocks() }
    }

    fn maintain(log: &RaftEngineLog) {
        log.maintainer().maintain().unwrap();
    }
}

impl Backend for MemoryDisk {
    type Log = MemoryLog;
    type Checkpoints = MemoryCheckpoints;
    type Blocks = MemoryBlocks;

    fn new() -> Self {
        MemoryDisk::new()
    }

    fn open(&self) -> Stores<Self> {
        Stores { log: self.log(), checkpoints: self.checkpoints(), blocks: self.blocks() }
    }
}

/// Makes every rule a test of both implementations.
macro_rules! on_both {
    ($($rule:ident),+ $(,)?) => {
        mod on_disk {
            $(#[test] fn $rule() { super::$rule::<super::OnDisk>(); })+
        }
        mod in_memory {
            $(#[test] fn $rule() { super::$rule::<super::MemoryDisk>(); })+
        }
    };
}

on_both!(
    a_new_chain_has_an_empty_log,
    a_log_loads_as_it_was_written,
    entries_replace_everything_from_the_first_one_on,
    compacted_entries_are_gone_and_stay_gone,
    a_log_goes_on_above_a_snapshot_that_it_was_far_behind,
    a_write_that_leaves_a_gap_is_refused_and_changes_nothing,
    writes_of_one_call_apply_in_order,
    chains_share_a_log_and_do_not_mix,
    a_chain_without_a_checkpoint_has_none,
    a_checkpoint_loads_as_it_was_saved,
    a_partial_checkpoint_changes_only_the_pages_it_names,
    a_complete_checkpoint_deletes_all_other_pages,
    checkpoints_of_neighbouring_chains_do_not_mix,
    a_block_reads_as_it_was_put_however_often,
    certificates_are_found_by_height_and_the_last_one_is_known,
    a_height_is_found_by_time_across_holes,
    the_lowest_hole_is_found_between_any_two_heights,
);

fn a_new_chain_has_an_empty_log<B: Backend>() {
    let log = B::new().open().log.load(chain(9)).unwrap();
    assert_eq!((log.hard_state, log.entries), (HardState::default(), vec![]));
}

fn a_log_loads_as_it_was_written<B: Backend>() {
    let backend = B::new();
    let kinds = [0, 1, 2, 0];
    let entries: Vec<_> = (1..)
        .zip(kinds)
        .map(|(index, kind)| {
            let length = usize::from(kind) * 3_000;
            tributary_replica::store::LogEntry { kind, ..entry(1, index, 7, length) }
        })
        .collect();
    let hard_state = HardState { term: 7, vote: 3, commit: u64::MAX };
    let write = LogWrite {
        chain: chain(1),
        entries: entries.clone(),
        hard_state: Some(hard_state),
        compact_to: None,
    };
    backend.open().log.write(vec![write]).unwrap();
    let log = backend.open().log.load(chain(1)).unwrap();
    assert_eq!((log.hard_state, log.entries), (hard_state, entries));
    let only_vote = HardState { term: 8, vote: 1, commit: 2 };
    let vote = LogWrite { chain: chain(1), hard_state: Some(only_vote), ..LogWrite::default() };
    backend.open().log.write(vec![vote, LogWrite::default()]).unwrap();
    let log = backend.open().log.load(chain(1)).unwrap();
    assert_eq!((log.hard_state, span(&log)), (only_vote, Some((1, 4))));
}

fn entries_replace_everything_from_the_first_one_on<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    stores.log.write(vec![append(1, 1, 10, 1)]).unwrap();
    stores.log.write(vec![append(1, 4, 5, 2)]).unwrap();
    let check = |log: &B::Log, last| {
        let found = log.load(chain(1)).unwrap();
        let expected = (1..=3).map(|index| entry(1, index, 1, 60));
        let expected = expected.chain((4..=last).map(|index| entry(1, index, 2, 60)));
        assert!(found.entries.into_iter().eq(expected));
    };
    check(&stores.log, 5);
    drop(stores);
    let mut stores = backend.open();
    check(&stores.log, 5);
    stores.log.write(vec![append(1, 6, 8, 2)]).unwrap();
    drop(stores);
    check(&backend.open().log, 8);
}

fn compacted_entries_are_gone_and_stay_gone<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    stores.log.write(vec![append(1, 1, 10, 1)]).unwrap();
    stores.log.write(vec![compact(1, 6)]).unwrap();
    stores.log.write(vec![compact(1, 4)]).unwrap();
    assert_eq!(span(&stores.log.load(chain(1)).unwrap()), Some((7, 10)));
    drop(stores);
    let mut stores = backend.open();
    assert_eq!(span(&stores.log.load(chain(1)).unwrap()), Some((7, 10)));
    stores.log.write(vec![compact(1, 10)]).unwrap();
    assert_eq!(stores.log.load(chain(1)).unwrap().entries, vec![]);
    drop(stores);
    let mut stores = backend.open();
    let log = stores.log.load(chain(1)).unwrap();
    assert_eq!((log.hard_state.term, log.entries), (1, vec![]));
    stores.log.write(vec![append(1, 11, 12, 2)]).unwrap();
    drop(stores);
    assert_eq!(span(&backend.open().log.load(chain(1)).unwrap()), Some((11, 12)));
}

fn a_log_goes_on_above_a_snapshot_that_it_was_far_behind<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    stores.log.write(vec![append(1, 1, 10, 1)]).unwrap();
    stores.log.write(vec![compact(1, 500)]).unwrap();
    drop(stores);
    let mut stores = backend.open();
    assert_eq!(stores.log.load(chain(1)).unwrap().entries, vec![]);
    let together = LogWrite { compact_to: Some(900), ..append(1, 901, 903, 4) };
    stores.log.write(vec![append(1, 501, 502, 3), together]).unwrap();
    drop(stores);
    assert_eq!(span(&backend.open().log.load(chain(1)).unwrap()), Some((901, 903)));
}

fn a_write_that_leaves_a_gap_is_refused_and_changes_nothing<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    stores.log.write(vec![append(1, 1, 3, 1)]).unwrap();
    let fault = stores.log.write(vec![append(1, 5, 6, 1)]).unwrap_err();
    let expected = "write to the log of chain 1 is corrupt: entry 5 does not follow entry 3";
    assert_eq!(fault.to_string(), expected);
    let mut hole = append(1, 4, 6, 1);
    hole.entries.remove(1);
    assert!(stores.log.write(vec![hole]).is_err());
    drop(stores);
    let mut stores = backend.open();
    assert_eq!(span(&stores.log.load(chain(1)).unwrap()), Some((1, 3)));
    stores.log.write(vec![append(1, 4, 4, 1)]).unwrap();
}

fn writes_of_one_call_apply_in_order<B: Backend>() {
    let backend = B::new();
    let writes = vec![append(1, 1, 9, 1), append(1, 4, 6, 2), compact(1, 2), append(1, 7, 7, 3)];
    backend.open().log.write(writes).unwrap();
    let log = backend.open().log.load(chain(1)).unwrap();
    let terms: Vec<_> = log.entries.iter().map(|entry| (entry.index, entry.term)).collect();
    assert_eq!(terms, [(3, 1), (4, 2), (5, 2), (6, 2), (7, 3)]);
    assert_eq!(log.hard_state, HardState { term: 3, vote: 1, commit: 6 });
}

fn chains_share_a_log_and_do_not_mix<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    let chains = [0, 1, 2, 256, u16::MAX];
    for step in 0..20_u64 {
        let writes = chains.map(|number| append(number, step + 1, step + 1, u64::from(number)));
        stores.log.write(writes.to_vec()).unwrap();
    }
    stores.log.write(vec![compact(2, 15), append(256, 3, 3, 9)]).unwrap();
    drop(stores);
    let log = backend.open().log;
    for number in chains {
        let found = log.load(chain(number)).unwrap();
        let expected = match number {
            2 => (16, 20),
            256 => (1, 3),
            _ => (1, 20),
        };
        assert_eq!(span(&found), Some(expected), "chain {number}");
        assert_eq!(found.entries[0], entry(number, expected.0, u64::from(number), 60));
    }
    assert_eq!(log.load(chain(3)).unwrap().entries, vec![]);
}

fn a_chain_without_a_checkpoint_has_none<B: Backend>() {
    assert_eq!(B::new().open().checkpoints.load(chain(1)).unwrap(), None);
}

fn a_checkpoint_loads_as_it_was_saved<B: Backend>() {
    let backend = B::new();
    let in_order = [page(0, 0, b"a"), page(0, 255, b"b"), page(0, 256, b"c"), page(7, 1, b"d")];
    let mut mixed = in_order.to_vec();
    mixed.swap(0, 3);
    backend.open().checkpoints.save(chain(1), &checkpoint(1, 5, mixed), true).unwrap();
    let found = backend.open().checkpoints.load(chain(1)).unwrap();
    assert_eq!(found, Some(checkpoint(1, 5, in_order.to_vec())));
}

fn a_partial_checkpoint_changes_only_the_pages_it_names<B: Backend>() {
    let backend = B::new();
    let first = vec![page(1, 0, b"one"), page(1, 1, b"two"), page(2, 0, b"three")];
    backend.open().checkpoints.save(chain(1), &checkpoint(1, 5, first), true).unwrap();
    let changes = vec![page(1, 0, b""), page(1, 1, b"changed"), page(1, 9, b"new")];
    backend.open().checkpoints.save(chain(1), &checkpoint(1, 6, changes), false).unwrap();
    let expected = vec![page(1, 1, b"changed"), page(1, 9, b"new"), page(2, 0, b"three")];
    let found = backend.open().checkpoints.load(chain(1)).unwrap();
    assert_eq!(found, Some(checkpoint(1, 6, expected)));
}

fn a_complete_checkpoint_deletes_all_other_pages<B: Backend>() {
    let backend = B::new();
    let first = (0..50).map(|number| page(1, number, b"old")).collect();
    let mut stores = backend.open();
    stores.checkpoints.save(chain(1), &checkpoint(1, 5, first), true).unwrap();
    let whole = vec![page(1, 7, b"new"), page(255, u32::MAX, b"last")];
    stores.checkpoints.save(chain(1), &checkpoint(1, 6, whole.clone()), true).unwrap();
    drop(stores);
    let found = backend.open().checkpoints.load(chain(1)).unwrap();
    assert_eq!(found, Some(checkpoint(1, 6, whole)));
}

fn checkpoints_of_neighbouring_chains_do_not_mix<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    for number in [0, 255, 256, u16::MAX] {
        let pages = vec![page(0, 0, &number.to_be_bytes()), page(255, u32::MAX, b"end")];
        stores.checkpoints.save(chain(number), &checkpoint(number, 1, pages), true).unwrap();
    }
    let whole = vec![page(3, 3, b"only")];
    stores.checkpoints.save(chain(255), &checkpoint(255, 2, whole.clone()), true).unwrap();
    drop(stores);
    let stores = backend.open();
    assert_eq!(stores.checkpoints.load(chain(255)).unwrap(), Some(checkpoint(255, 2, whole)));
    for number in [0, 256, u16::MAX] {
        let pages = vec![page(0, 0, &number.to_be_bytes()), page(255, u32::MAX, b"end")];
        let found = stores.checkpoints.load(chain(number)).unwrap();
        assert_eq!(found, Some(checkpoint(number, 1, pages)));
    }
}

fn a_block_reads_as_it_was_put_however_often<B: Backend>() {
    let backend = B::new();
    let mut stores = backend.open();
    let blocks: Vec<_> = (1..=5).map(|at| block(1, at, 7_000)).collect();
    stores.blocks.put_blocks(&blocks).unwrap();
    stores.blocks.put_blocks(&blocks[2..]).unwrap();
    stores.blocks.put_blocks(&[block(2, 9, 0)]).unwrap();
    assert_eq!(stores.blocks.block(chain(1), height(3)).unwrap().as_ref(), Some(&blocks[2]));
    stores.checkpoints.save(chain(1), &checkpoint(1, 5, vec![]), true).unwrap();
    drop(stores);
    let stores = backend.open();
    for expected in &blocks {
        let found = stores.blocks.block(chain(1), expected.header.height).unwrap();
        assert_eq!(found.as_ref(), Some(expected));
    }
    assert_eq!(stores.blocks.block(chain(2), height(9)).unwrap(), Some(block(2, 9, 0)));
    assert_eq!(stores.blocks.block(chain(1), height(6)).unwrap(), None);
    assert_eq!(stores.blocks.block(chain(2), height(1)).unwrap(), None);
}

fn certificates_are_found_by_height_and_the_last_one_is_known<B: Backend>() {
    let backend = B::new();
    let stores = backend.open();
    for (number, at) in [(1, 1), (1, 300), (1, 4), (2, 1_000)] {
        stores.blocks.put_certificate(&header(number, at, at), &certificate(at)).unwrap();
    }
    drop(stores);
    let blocks = backend.open().blocks;
    let certified = |number, at| Some((header(number, at, at), certificate(at)));
    let from = |number, at| blocks.certificate_from(chain(number), height(at)).unwrap();
    assert_eq!(from(1, 4), certified(1, 4));
    assert_eq!(from(1, 5), certified(1, 300), "the next one above");
    assert_eq!(from(1, 301), None, "those of another chain are none");
    assert_eq!(blocks.last_certificate(chain(1)).unwrap(), certified(1, 300));
    assert_eq!(blocks.last_certificate(chain(2)).unwrap(), certified(2, 1_000));
    assert_eq!(blocks.last_certificate(chain(0)).unwrap(), None);
    assert_eq!(blocks.last_certificate(chain(3)).unwrap(), None);
}

fn a_height_is_found_by_time_across_holes<B: Backend>() {
    let stores = B::new().open();
    let here: Vec<u64> = (1..=20).chain(50..=60).collect();
    let blocks: Vec<_> = here.iter().map(|at| block(1, *at, 10)).collect();
    stores.blocks.put_blocks(&blocks).unwrap();
    stores.blocks.put_blocks(&[block(2, 70, 10)]).unwrap();
    for last in [0, 5, 20, 30, 55, 60, u64::MAX] {
        for time in 0..=620 {
            let expected = here.iter().copied().find(|at| *at <= last && at * 10 >= time);
            let found =
                stores.blocks.first_height_from(chain(1), TimeMs::new(time), height(last)).unwrap();
            assert_eq!(found, expected.map(height), "time {time}, last {last}");
        }
    }
    let none = stores.blocks.first_height_from(chain(3), TimeMs::new(0), height(99)).unwrap();
    assert_eq!(none, None);
}

fn the_lowest_hole_is_found_between_any_two_heights<B: Backend>() {
    let stores = B::new().open();
    let blocks: Vec<_> = [1, 2, 5, 6, 7, 20].iter().map(|at| block(1, *at, 10)).collect();
    stores.blocks.put_blocks(&blocks).unwrap();
    stores.blocks.put_blocks(&[block(2, 3, 10)]).unwrap();
    for (from, to, expected) in [
        (1, 20, Some((3, 4))),
        (1, 3, Some((3, 3))),
        (4, 20, Some((4, 4))),
        (5, 20, Some((8, 19))),
        (10, 12, Some((10, 12))),
        (20, 30, Some((21, 30))),
        (5, 7, None),
        (20, 20, None),
    ] {
        let found = stores.blocks.first_gap(chain(1), height(from)..=height(to)).unwrap();
        let found = found.map(|gap| (gap.start().get(), gap.end().get()));
        assert_eq!(found, expected, "{from} to {to}");
    }
}
