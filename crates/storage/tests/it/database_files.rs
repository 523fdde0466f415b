//! Damage to the database's files: detected, never returned.

use std::path::Path;

use tributary_replica::store::{
    BlockStore, Checkpoint, CheckpointStore, StorageFault, StoredBlock,
};
use tributary_storage::{Database, DatabaseLimits};

use crate::support::{
    block, certificate, chain, checkpoint, copy_directory, cut, files, flip, height, page,
};

const BLOCKS: u64 = 12;

fn filled(directory: &Path) {
    let database = Database::open(directory, DatabaseLimits::default()).unwrap();
    let blocks = database.blocks();
    for at in 1..=BLOCKS {
        let length = if at % 2 == 0 { 300 } else { 20_000 };
        let block = block(1, at, length);
        blocks.put_blocks(std::slice::from_ref(&block)).unwrap();
        blocks.put_certificate(&block.header, &certificate(at)).unwrap();
    }
    let pages = (0..8).map(|number| page(1, number, &[7; 3_000])).collect();
    database.checkpoints().save(chain(1), &checkpoint(1, BLOCKS, pages), true).unwrap();
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
fn damage_anywhere_in_tables_and_blobs_is_reported_or_harmless() {
    let directory = tempfile::tempdir().unwrap();
    filled(directory.path());
    let expected = read_all(directory.path()).unwrap();
    let data = |path: &Path| path.extension().is_some_and(|e| e == "sst" || e == "blob");
    let names: Vec<_> = files(directory.path()).into_iter().filter(|path| data(path)).collect();
    assert!(names.iter().any(|name| name.extension().unwrap() == "blob"));
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
    // Somewhere inside the first of the large bodies.
    flip(&blob, 8 * 5_000);
    let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
    let fault = database.blocks().block(chain(1), height(1)).unwrap_err();
    assert!(fault.to_string().starts_with("blocks of chain 1 at 1 is corrupt: "), "{fault}");
    assert!(database.blocks().block(chain(1), height(2)).unwrap().is_some());
    assert!(database.blocks().block(chain(1), height(3)).unwrap().is_some());
}
