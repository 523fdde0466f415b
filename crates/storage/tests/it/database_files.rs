//! Damage to the database's files: detected, never returned; and page files that
//! nobody needs any more.

use std::fs;
use std::path::{Path, PathBuf};

use tributary_ledger::Page;
use tributary_replica::store::{
    BlockStore, Checkpoint, CheckpointStore, StorageFault, StoredBlock,
};
use tributary_storage::{Database, DatabaseLimits};

use crate::support::{
    Dice, block, bytes, certificate, chain, checkpoint, copy_directory, cut, files, flip, height,
    page,
};

const BLOCKS: u64 = 12;
const FETCHED: u64 = 4;

fn filled(directory: &Path) {
    let database = Database::open(directory, DatabaseLimits::default()).unwrap();
    let blocks = database.blocks();
    // Blocks up to a checkpoint are fetched, not executed: they stand in RocksDB.
    database.checkpoints().save(chain(1), &checkpoint(1, FETCHED, vec![]), true).unwrap();
    for at in 1..=BLOCKS {
        let length = if at % 2 == 0 { 300 } else { 20_000 };
        let block = block(1, at, length);
        blocks.put_blocks(std::slice::from_ref(&block)).unwrap();
        blocks.put_certificate(&block.header, &certificate(at)).unwrap();
    }
    let pages = (0..8).map(|number| page(1, number, &[7; 3_000])).collect();
    database.checkpoints().save(chain(1), &checkpoint(1, BLOCKS, pages), true).unwrap();
}

fn page_files(directory: &Path) -> Vec<PathBuf> {
    files(&directory.join("pages"))
}

fn body_files(directory: &Path) -> Vec<PathBuf> {
    files(&directory.join("bodies"))
}

type Everything = (Option<Checkpoint>, Vec<Option<StoredBlock>>, Option<u64>);

fn read_all(directory: &Path) -> Result<Everything, StorageFault> {
    let database = Database::open(directory, DatabaseLimits::default())?;
    let blocks = database.blocks();
    let bodies =
        (1..=BLOCKS).map(|at| blocks.block(chain(1), height(at))).collect::<Result<Vec<_>, _>>()?;
    let certified = blocks.last_certificate(chain(1))?;
    let certified = certified.map(|(header, _)| header.height.get());
    Ok((database.checkpoints().load(chain(1))?, bodies, certified))
}

#[test]
fn damage_anywhere_in_tables_blobs_and_files_is_reported_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let expected = read_all(directory.path()).unwrap();
    let data = |path: &Path| path.extension().is_some_and(|e| e == "sst" || e == "blob");
    let mut names: Vec<_> = files(directory.path()).into_iter().filter(|path| data(path)).collect();
    assert!(names.iter().any(|name| name.extension().unwrap() == "blob"));
    names.extend([page_files(directory.path()), body_files(directory.path())].concat());
    let mut noticed = 0;
    for name in &names {
        let length = usize::try_from(name.metadata().unwrap().len()).unwrap();
        for part in 0..6 {
            let copy = tempfile::tempdir().unwrap();
            copy_directory(directory.path(), copy.path());
            let file = copy.path().join(name.strip_prefix(directory.path()).unwrap());
            let at = length * part / 6 + part;
            if part == 5 {
                cut(&file, at as u64)
            } else {
                flip(&file, 8 * at + part)
            }
            match read_all(copy.path()) {
                Ok(found) => assert!(found == expected, "damage at {at} of {name:?}"),
                Err(StorageFault::Corrupt { .. } | StorageFault::Io { .. }) => noticed += 1,
                Err(fault) => panic!("{fault}"),
            }
        }
    }
    assert!(noticed > names.len(), "{noticed} of {} damages were noticed", 6 * names.len());
}

#[test]
fn a_rotten_block_is_reported_under_its_name_and_others_are_still_read() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let blob = files(directory.path())
        .into_iter()
        .find(|path| path.extension().is_some_and(|e| e == "blob"))
        .unwrap();
    let [bodies] = &body_files(directory.path())[..] else { panic!("one checkpoint, one file") };
    // Somewhere inside the first of the large bodies.
    flip(&blob, 8 * 5_000);
    flip(bodies, 8 * 5_000);
    let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
    for rotten in [1, FETCHED + 1] {
        let fault = database.blocks().block(chain(1), height(rotten)).unwrap_err().to_string();
        let named = format!("blocks of chain 1 at {rotten} is corrupt: ");
        assert!(fault.starts_with(&named), "{fault}");
        for next in [rotten + 1, rotten + 2] {
            assert!(database.blocks().block(chain(1), height(next)).unwrap().is_some());
        }
    }
    let length = bodies.metadata().unwrap().len();
    cut(bodies, length - 1);
    let said = database.blocks().block(chain(1), height(BLOCKS - 1)).unwrap_err().to_string();
    assert!(said.ends_with("bodies/1/0 is corrupt: too short"), "{said}");
    fs::remove_file(bodies).unwrap();
    let said = database.blocks().block(chain(1), height(BLOCKS - 1)).unwrap_err().to_string();
    assert!(said.ends_with("bodies/1/0 is corrupt: missing"), "{said}");
}

/// What a power failure can leave: RocksDB has flushed, as it does of its own accord
/// or for another chain, what leads to bodies that no checkpoint has synced.
#[test]
fn blocks_whose_bodies_were_never_synced_are_forgotten_and_put_again() {
    let directory = tempfile::tempdir().unwrap();
    let at = |at| block(1, at, if at % 3 == 0 { 300 } else { 20_000 });
    {
        let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
        let (blocks, mut checkpoints) = (database.blocks(), database.checkpoints());
        blocks.put_blocks(&[at(1), at(2), at(3)]).unwrap();
        checkpoints.save(chain(1), &checkpoint(1, 3, vec![]), true).unwrap();
        blocks.put_blocks(&[at(4), at(5), at(6), block(2, 1, 20_000)]).unwrap();
        checkpoints.save(chain(2), &checkpoint(2, 1, vec![]), true).unwrap();
    }
    assert!(directory.path().join("bodies/1/1").is_file());
    cut(&directory.path().join("bodies/1/1"), 0);
    fs::write(directory.path().join("bodies/1/notes"), b"of somebody else").unwrap();
    for _ in 0..2 {
        let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
        let blocks = database.blocks();
        let found = |number| blocks.block(chain(1), height(number)).unwrap();
        assert_eq!(
            [1, 2, 3, 4, 5, 6].map(found),
            [1, 2, 3, 0, 0, 0].map(|number| { (number > 0).then(|| at(number)) })
        );
        assert_eq!(blocks.block(chain(2), height(1)).unwrap(), Some(block(2, 1, 20_000)));
        let gap = blocks.first_gap(chain(1), height(1)..=height(9)).unwrap();
        assert_eq!(gap, Some(height(4)..=height(9)));
        assert!(!directory.path().join("bodies/1/1").exists());
        assert!(directory.path().join("bodies/1/notes").is_file());
    }
    let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
    database.blocks().put_blocks(&[at(4), at(5), at(6)]).unwrap();
    database.checkpoints().save(chain(1), &checkpoint(1, 5, vec![]), false).unwrap();
    drop(database);
    let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
    for number in 1..=5 {
        let found = database.blocks().block(chain(1), height(number)).unwrap();
        assert_eq!(found, Some(at(number)), "block {number}");
    }
    assert_eq!(database.blocks().block(chain(1), height(6)).unwrap(), None);
}

fn save(directory: &Path, at: u64, pages: Vec<Page>) {
    let database = Database::open(directory, DatabaseLimits::default()).unwrap();
    database.checkpoints().save(chain(1), &checkpoint(1, at, pages), false).unwrap();
}

fn load(directory: &Path) -> Result<Option<Checkpoint>, StorageFault> {
    Database::open(directory, DatabaseLimits::default())?.checkpoints().load(chain(1))
}

#[test]
fn a_rotten_page_and_a_missing_file_are_named() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let [file] = &page_files(directory.path())[..] else { panic!("one section, one file") };
    flip(file, 8 * (5 * 3_000 + 7));
    let said = load(directory.path()).unwrap_err().to_string();
    assert_eq!(said, "page 5 of section 1 of chain 1 is corrupt: checksum does not match");
    flip(file, 8 * (5 * 3_000 + 7));
    assert!(load(directory.path()).is_ok());
    cut(file, 7 * 3_000);
    let said = load(directory.path()).unwrap_err().to_string();
    assert!(said.ends_with("pages/1/1-2 is corrupt: too short"), "{said}");
    fs::remove_file(file).unwrap();
    let said = load(directory.path()).unwrap_err().to_string();
    assert!(said.ends_with("pages/1/1-2 is corrupt: missing"), "{said}");
}

#[test]
fn files_that_a_crash_left_behind_are_replaced_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    save(directory.path(), 1, vec![page(1, 1, b"one"), page(2, 1, b"two")]);
    let pages = directory.path().join("pages/1");
    // What the next checkpoint had written when the process ended, and another.
    fs::write(pages.join("1-2"), b"longer than what follows").unwrap();
    fs::write(pages.join("9-2"), b"of a section that does not change").unwrap();
    fs::write(pages.join("notes"), b"of somebody else").unwrap();
    assert_eq!(load(directory.path()).unwrap().unwrap().header.height.get(), 1);
    save(directory.path(), 2, vec![page(1, 1, b"new")]);
    let found = load(directory.path()).unwrap().unwrap();
    assert_eq!(found.pages, [page(1, 1, b"new"), page(2, 1, b"two")]);
    let names: Vec<_> = page_files(directory.path())
        .iter()
        .map(|path| path.file_name().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["1-2", "2-1", "notes"]);
}

/// Pages of one size that change by chance, a few with each checkpoint: the files
/// never take much more than twice what is in them.
#[test]
fn files_of_pages_stay_in_proportion_to_the_state() {
    const PAGES: u32 = 60;
    const PAGE_BYTES: usize = 100_000;
    const SLACK_BYTES: u64 = 1 << 20;
    let directory = tempfile::tempdir().unwrap();
    let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
    let (mut checkpoints, mut dice) = (database.checkpoints(), Dice::new(7));
    let mut expected: Vec<_> =
        (0..PAGES).map(|number| page(3, number, &bytes(u64::from(number), PAGE_BYTES))).collect();
    checkpoints.save(chain(1), &checkpoint(1, 1, expected.clone()), true).unwrap();
    for at in 2..100 {
        let mut changed = std::collections::BTreeMap::new();
        for _ in 0..dice.below(9) {
            let number = u32::try_from(dice.below(u64::from(PAGES))).unwrap();
            changed
                .insert(number, page(3, number, &bytes(at << 32 | u64::from(number), PAGE_BYTES)));
        }
        changed.iter().for_each(|(number, page)| expected[*number as usize] = page.clone());
        let changed = changed.into_values().collect();
        checkpoints.save(chain(1), &checkpoint(1, at, changed), false).unwrap();
        let sizes =
            page_files(directory.path()).into_iter().map(|path| path.metadata().unwrap().len());
        let (total, live) = (sizes.sum::<u64>(), u64::from(PAGES) * PAGE_BYTES as u64);
        assert!(total <= 2 * live + SLACK_BYTES, "{total} bytes at {at}");
        assert_eq!(checkpoints.load(chain(1)).unwrap(), Some(checkpoint(1, at, expected.clone())));
    }
}
