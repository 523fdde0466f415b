//! Databases of earlier formats: 1 had pages of checkpoints in a column family, 2
//! all blocks in RocksDB.

use std::fs;
use std::path::Path;

use rocksdb::{DB, Options};
use tributary_ledger::Page;
use tributary_replica::store::{BlockStore, Checkpoint, CheckpointStore, StorageFault};
use tributary_storage::{Database, DatabaseLimits};
use tributary_types::Encode;

use crate::support::{block, bytes, chain, checkpoint, height, is_corrupt, page};

const FAMILIES: [&str; 6] = ["checkpoints", "pages", "headers", "blocks", "places", "certificates"];
const CHAINS: [u16; 3] = [1, 7, 700];

/// What the checkpoint of a chain has.
fn expected(number: u16) -> Checkpoint {
    let pages = (0..5).map(|at| page(2, at, &bytes(u64::from(number) + u64::from(at), 9_000)));
    checkpoint(number, 4, pages.collect())
}

/// A value with its checksum, under its key.
fn put(database: &DB, family: &str, key: &[u8], value: &[u8]) {
    let checksum = crc32c::crc32c_append(crc32c::crc32c(key), value);
    let stored = [&checksum.to_le_bytes()[..], value].concat();
    database.put_cf(database.cf_handle(family).unwrap(), key, stored).unwrap();
}

fn key_of(number: u16, page: &Page) -> Vec<u8> {
    let key = (number.to_be_bytes(), page.key.section, page.key.number.to_be_bytes());
    [&key.0[..], &[key.1], &key.2[..]].concat()
}

fn open_engine(directory: &Path) -> DB {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    DB::open_cf(&options, directory.join("rocksdb"), FAMILIES).unwrap()
}

/// As format 1 left it.
fn written(directory: &Path) {
    fs::write(directory.join("format"), "1\n").unwrap();
    let database = open_engine(directory);
    for number in CHAINS {
        let Checkpoint { index, term, header, pages } = expected(number);
        let record = ((index, term), header).to_bytes();
        put(&database, "checkpoints", &number.to_be_bytes(), &record);
        for page in &pages {
            put(&database, "pages", &key_of(number, page), &page.bytes.to_bytes());
        }
    }
}

fn check(database: &Database) {
    let mut checkpoints = database.checkpoints();
    for number in CHAINS {
        assert_eq!(checkpoints.load(chain(number)).unwrap(), Some(expected(number)));
    }
    // And life goes on.
    let block = block(7, 5, 300);
    database.blocks().put_blocks(std::slice::from_ref(&block)).unwrap();
    let changed = vec![page(2, 3, b"changed")];
    checkpoints.save(chain(7), &checkpoint(7, 5, changed), false).unwrap();
    let mut expected = Checkpoint { pages: expected(7).pages, ..checkpoint(7, 5, vec![]) };
    expected.pages[3] = page(2, 3, b"changed");
    assert_eq!(checkpoints.load(chain(7)).unwrap(), Some(expected));
    assert_eq!(database.blocks().block(chain(7), height(5)).unwrap(), Some(block));
}

fn open(directory: &Path) -> Result<Database, StorageFault> {
    Database::open(directory, DatabaseLimits::default())
}

#[test]
fn pages_of_format_1_are_moved_to_files() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    check(&open(directory.path()).unwrap());
    assert_eq!(fs::read_to_string(directory.path().join("format")).unwrap(), "3\n");
    let left = DB::list_cf(&Options::default(), directory.path().join("rocksdb")).unwrap();
    assert!(!left.contains(&"pages".to_owned()), "{left:?}");
    assert!(open(directory.path()).is_ok());
}

#[test]
fn an_upgrade_that_ended_half_way_is_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    written(directory.path());
    let rotten = &expected(700).pages[2];
    let key = key_of(700, rotten);
    let engine = open_engine(directory.path());
    engine.put_cf(engine.cf_handle("pages").unwrap(), &key, b"rotten").unwrap();
    drop(engine);
    // Some chains are moved when the fault is met, and stay moved.
    let fault = open(directory.path()).err().expect("a page is rotten");
    assert!(is_corrupt(&fault), "{fault}");
    assert_eq!(fs::read_to_string(directory.path().join("format")).unwrap(), "1\n");
    assert!(directory.path().join("pages/7/2-1").is_file());
    put(&open_engine(directory.path()), "pages", &key, &rotten.bytes.to_bytes());
    check(&open(directory.path()).unwrap());
    // The end of the process before the new format was noted.
    fs::write(directory.path().join("format"), "1\n").unwrap();
    let database = open(directory.path()).unwrap();
    assert_eq!(database.checkpoints().load(chain(1)).unwrap(), Some(expected(1)));
    assert_eq!(fs::read_to_string(directory.path().join("format")).unwrap(), "3\n");
}

#[test]
fn blocks_of_format_2_stay_where_they_are_and_later_ones_go_to_files() {
    const IN_FORMAT_2: [&str; 4] = ["checkpoints", "headers", "blocks", "certificates"];
    let directory = tempfile::tempdir().unwrap();
    let old: Vec<_> = (1..=4).map(|at| block(1, at, 9_000)).collect();
    drop(open(directory.path()).unwrap());
    {
        // Blocks up to a checkpoint are put into RocksDB, as format 2 put all.
        let database = open(directory.path()).unwrap();
        database.checkpoints().save(chain(1), &checkpoint(1, 4, vec![]), true).unwrap();
        database.blocks().put_blocks(&old).unwrap();
        database.checkpoints().save(chain(1), &checkpoint(1, 4, vec![]), true).unwrap();
    }
    let engine = directory.path().join("rocksdb");
    let mut database = DB::open_cf(
        &Options::default(),
        &engine,
        ["default", "places"].into_iter().chain(IN_FORMAT_2),
    )
    .unwrap();
    database.drop_cf("places").unwrap();
    drop(database);
    assert!(!directory.path().join("bodies").exists());
    fs::write(directory.path().join("format"), "2\n").unwrap();
    let new = block(1, 5, 9_000);
    for _ in 0..2 {
        let database = open(directory.path()).unwrap();
        let blocks = database.blocks();
        for expected in &old {
            let found = blocks.block(chain(1), expected.header.height).unwrap();
            assert_eq!(found.as_ref(), Some(expected));
        }
        blocks.put_blocks(std::slice::from_ref(&new)).unwrap();
        assert_eq!(blocks.block(chain(1), height(5)).unwrap().as_ref(), Some(&new));
        assert!(directory.path().join("bodies/1/0").is_file());
    }
    assert_eq!(fs::read_to_string(directory.path().join("format")).unwrap(), "3\n");
}
