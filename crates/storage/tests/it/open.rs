//! What opening refuses, and the sentence it says.

use std::fs;
use std::path::Path;

use tributary_replica::store::{CheckpointStore, StorageFault};
use tributary_storage::{Database, DatabaseLimits};

use crate::support::{chain, checkpoint, files, open_log, page};

fn open_database(directory: &Path) -> Result<Database, StorageFault> {
    Database::open(directory, DatabaseLimits::default())
}

fn sentence<T>(result: Result<T, StorageFault>) -> String {
    result.err().expect("opening must be refused").to_string()
}

#[test]
fn a_directory_in_use_is_refused_and_free_again_afterwards() {
    let directory = tempfile::tempdir().unwrap();
    let (log, database) = (directory.path().join("log"), directory.path().join("database"));
    let (open, maintainer) = {
        let open = open_log(&log).unwrap();
        let maintainer = open.maintainer();
        (open, maintainer)
    };
    let in_use = |path: &Path| format!("{} is in use by another process", path.display());
    assert_eq!(sentence(open_log(&log)), in_use(&log));
    drop(open);
    assert_eq!(sentence(open_log(&log)), in_use(&log), "its maintainer still holds it");
    drop(maintainer);
    open_log(&log).unwrap();

    let open = open_database(&database).unwrap();
    assert_eq!(sentence(open_database(&database)), in_use(&database));
    drop(open);
    open_database(&database).unwrap();
}

#[test]
fn a_path_that_is_no_directory_is_refused_with_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, b"").unwrap();
    let said = format!("open directory {}: not a directory", file.display());
    assert_eq!(sentence(open_log(&file)), said);
    assert_eq!(sentence(open_database(&file)), said);
    let below = file.join("below");
    let start = format!("open directory {}: ", below.display());
    assert!(sentence(open_log(&below)).starts_with(&start));
}

#[test]
fn a_damaged_or_foreign_database_is_refused_in_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let database = open_database(directory.path()).unwrap();
    let pages = vec![page(1, 1, b"page")];
    database.checkpoints().save(chain(1), &checkpoint(1, 1, pages), true).unwrap();
    drop(database);
    let file = |prefix: &str| {
        let found = files(&directory.path().join("rocksdb"));
        let named = |path: &&std::path::PathBuf| {
            path.file_name().unwrap().to_str().unwrap().starts_with(prefix)
        };
        found.iter().find(named).unwrap().clone()
    };
    let manifest = file("MANIFEST");
    let content = fs::read(&manifest).unwrap();
    let mut damaged = content.clone();
    damaged[content.len() / 2] ^= 4;
    fs::write(&manifest, damaged).unwrap();
    let said = sentence(open_database(directory.path()));
    assert!(said.contains("is corrupt: ") && !said.contains('\n'), "{said}");
    fs::write(&manifest, content).unwrap();
    fs::write(file("CURRENT"), b"MANIFEST-999999\n").unwrap();
    let said = sentence(open_database(directory.path()));
    assert!(said.starts_with("open database "), "{said}");
}

#[test]
fn what_another_version_wrote_is_refused_before_anything_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let (log, database) = (directory.path().join("log"), directory.path().join("database"));
    for _ in 0..2 {
        drop((open_log(&log).unwrap(), open_database(&database).unwrap()));
    }
    for path in [&log, &database] {
        fs::write(path.join("format"), "7\n").unwrap();
    }
    let said = |path: &Path, format: u32| {
        format!("{} is of format \"7\", this version reads format {format}", path.display())
    };
    assert_eq!(sentence(open_log(&log)), said(&log, 1));
    assert_eq!(sentence(open_database(&database)), said(&database, 3));
}
