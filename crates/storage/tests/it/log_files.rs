//! Damage to log files: what a crash can tear is dropped, anything else is
//! reported, and wrong entries are never returned.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tributary_replica::store::{LoadedLog, LogStore};

use crate::support::{
    append, bytes, chain, compact, copy_directory, cut, files, flip, is_corrupt, last_log_file,
    open_log, reload, scratch,
};

/// A closed log of one chain, written in steps, and what it held after each.
struct Written {
    directory: TempDir,
    states: Vec<LoadedLog>,
    /// The mark as it was after each step.
    marks: Vec<Vec<u8>>,
    /// Length of the file after each step, in bytes.
    lengths: Vec<u64>,
}

const STEPS: u64 = 8;

fn written() -> Written {
    let directory = scratch();
    let home = directory.path().join("log");
    let mut log = open_log(&home).unwrap();
    let (mut states, mut marks, mut lengths) = (vec![], vec![], vec![]);
    for step in 0..STEPS {
        let first =
            if step == 4 { 3 } else { log.load(chain(1)).unwrap().entries.len() as u64 + 1 };
        log.write(vec![append(1, first, first + step % 3, step)]).unwrap();
        states.push(log.load(chain(1)).unwrap());
        let mark = fs::read(home.join("synced")).unwrap();
        lengths.push(u64::from_le_bytes(mark[16..24].try_into().unwrap()));
        marks.push(mark);
    }
    Written { directory, states, marks, lengths }
}

impl Written {
    fn home(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    /// A copy to damage.
    fn copy(&self) -> TempDir {
        let copy = scratch();
        copy_directory(&self.home(), copy.path());
        copy
    }

    /// Makes it look as if only the first `steps` were known to be synced.
    fn set_mark(&self, home: &Path, steps: usize) {
        fs::write(home.join("synced"), &self.marks[steps - 1]).unwrap();
    }
}

#[test]
fn a_log_cut_at_any_byte_of_its_unsynced_tail_reopens_with_a_prefix() {
    let written = written();
    let synced = 5;
    for length in written.lengths[synced - 1]..=*written.lengths.last().unwrap() {
        let copy = written.copy();
        written.set_mark(copy.path(), synced);
        cut(&last_log_file(copy.path()), length);
        let whole = written.lengths.iter().filter(|end| **end <= length).count();
        let found = reload(copy.path(), 1).unwrap();
        assert!(found == written.states[whole - 1], "cut to {length}: {found:?}");
    }
}

#[test]
fn a_log_cut_at_any_synced_byte_is_corrupt() {
    let written = written();
    let end = *written.lengths.last().unwrap();
    for length in (0..end).filter(|length| length % 7 == 0 || *length > end - 40) {
        let copy = written.copy();
        cut(&last_log_file(copy.path()), length);
        let fault = reload(copy.path(), 1).unwrap_err();
        assert!(is_corrupt(&fault), "cut to {length}: {fault}");
        let expected = format!("{length} bytes are left of {end} synced");
        assert!(fault.to_string().contains(&expected), "{fault}");
    }
}

#[test]
fn a_flipped_bit_in_any_synced_byte_is_corrupt_or_harmless() {
    let written = written();
    let last = written.states.last().unwrap();
    let end = usize::try_from(*written.lengths.last().unwrap()).unwrap();
    let mut found_corrupt = 0;
    for byte in 0..end {
        let copy = written.copy();
        flip(&last_log_file(copy.path()), 8 * byte + byte % 8);
        match reload(copy.path(), 1) {
            Ok(found) => assert!(found == *last, "bit flip in byte {byte} changed the log"),
            Err(fault) => {
                assert!(is_corrupt(&fault), "byte {byte}: {fault}");
                found_corrupt += 1;
            }
        }
    }
    // Entries that later ones replaced are never read.
    assert!(found_corrupt > end * 3 / 4, "{found_corrupt} of {end} flips were noticed");
}

#[test]
fn a_torn_last_write_is_dropped_whatever_its_bytes_are() {
    let written = written();
    let whole = written.lengths.len() - 1;
    let (start, end) = (written.lengths[whole - 1], written.lengths[whole]);
    let start = usize::try_from(start).unwrap();
    let end = usize::try_from(end).unwrap();
    for kept in (start..end).step_by(3) {
        for junk in [vec![0; 4_096], vec![0xff; 4_096], bytes(kept as u64, 4_096)] {
            let copy = written.copy();
            written.set_mark(copy.path(), whole);
            let file = last_log_file(copy.path());
            let mut content = fs::read(&file).unwrap();
            content.truncate(kept);
            content.extend(junk);
            fs::write(&file, content).unwrap();
            let found = reload(copy.path(), 1).unwrap();
            assert!(found == written.states[whole - 1], "torn at {kept}");
        }
    }
}

#[test]
fn a_log_goes_on_after_a_torn_write_was_dropped() {
    let written = written();
    let whole = written.lengths.len() - 1;
    let copy = written.copy();
    written.set_mark(copy.path(), whole);
    cut(&last_log_file(copy.path()), written.lengths[whole] - 1);
    let next = written.states[whole - 1].entries.last().unwrap().index + 1;
    let mut log = open_log(copy.path()).unwrap();
    log.write(vec![append(1, next, next + 1, 30)]).unwrap();
    drop(log);
    let found = reload(copy.path(), 1).unwrap();
    assert_eq!(found.entries.last().unwrap().index, next + 1);
    assert_eq!(found.hard_state.term, 30);
}

#[test]
fn a_missing_log_file_is_corrupt() {
    let written = written();
    let copy = written.copy();
    fs::remove_file(last_log_file(copy.path())).unwrap();
    let fault = reload(copy.path(), 1).unwrap_err();
    assert!(is_corrupt(&fault), "{fault}");
    assert!(fault.to_string().ends_with("missing"), "{fault}");
}

#[test]
fn a_missing_or_wrong_mark_is_corrupt() {
    let written = written();
    let copy = written.copy();
    let mark = copy.path().join("synced");
    flip(&mark, 100);
    assert!(is_corrupt(&reload(copy.path(), 1).unwrap_err()));
    fs::remove_file(&mark).unwrap();
    let fault = reload(copy.path(), 1).unwrap_err();
    assert!(fault.to_string().contains("missing beside log files"), "{fault}");
}

#[test]
fn a_crash_while_the_log_is_created_leaves_a_new_log() {
    let directory = scratch();
    for length in [0, 7, 43] {
        fs::write(directory.path().join("synced"), vec![0; length]).unwrap();
        let mut log = open_log(directory.path()).unwrap();
        log.write(vec![append(1, 1, 2, 1)]).unwrap();
        drop(log);
        assert_eq!(reload(directory.path(), 1).unwrap().entries.len(), 2);
        fs::remove_dir_all(directory.path().join("engine")).unwrap();
    }
}

/// A closed log of several files, purged and recycled.
fn many_files() -> (TempDir, LoadedLog) {
    let directory = scratch();
    let mut log = open_log(directory.path()).unwrap();
    for index in 1..=900 {
        log.write(vec![append(1, index, index, 1), append(2, index, index, 1)]).unwrap();
        if index % 100 == 0 {
            log.write(vec![compact(1, index - 50), compact(2, index)]).unwrap();
            log.maintainer().maintain().unwrap();
        }
    }
    let state = log.load(chain(1)).unwrap();
    drop(log);
    (directory, state)
}

#[test]
fn damage_to_any_of_several_files_is_corrupt_or_harmless() {
    let (directory, state) = many_files();
    let names: Vec<_> = files(&directory.path().join("engine"))
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "raftlog" || e == "rewrite"))
        .collect();
    assert!(names.len() > 2, "{names:?}");
    let mut noticed = 0;
    for name in &names {
        let length = usize::try_from(name.metadata().unwrap().len()).unwrap();
        for part in 0..12 {
            for damage in ["flip", "cut"] {
                let copy = scratch();
                copy_directory(directory.path(), copy.path());
                let file = copy.path().join("engine").join(name.file_name().unwrap());
                let at = length * part / 12;
                match damage {
                    "flip" => flip(&file, 8 * at + part % 8),
                    _ => cut(&file, at as u64),
                }
                match reload(copy.path(), 1) {
                    Ok(found) => assert!(found == state, "{damage} at {at} of {name:?}"),
                    Err(fault) => {
                        assert!(is_corrupt(&fault), "{damage} at {at} of {name:?}: {fault}");
                        noticed += 1;
                    }
                }
            }
        }
    }
    assert!(noticed > 0);
}
