//! A disk that takes no more: one sentence, and the data stays intact.
//!
//! The limit is the shell's `ulimit -f`, which refuses a file's growth much as
//! a full disk does, and needs no rights.

use std::path::Path;
use std::process::Command;

use tributary_replica::store::{BlockStore, CheckpointStore};
use tributary_storage::{Database, DatabaseLimits};

use crate::kill::{DONE, ROLE, child_command};
use crate::support::{chain, height, reload};

/// Runs the child until a file would exceed `blocks` of 512 bytes; gives the
/// last number it reported and the fault that ended it.
fn run_out_of_space(role: &str, directory: &Path, blocks: u32) -> (u64, String) {
    let child = child_command(role, directory);
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).arg(child.get_program()).args(child.get_args());
    shell.env(ROLE, format!("{role}:{}", directory.display()));
    let output = shell.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().filter_map(|line| line.strip_prefix(DONE)).next_back();
    let fault = text.lines().find_map(|line| line.strip_prefix("fault "));
    (last.unwrap().parse().unwrap(), fault.unwrap().to_owned())
}

#[test]
fn a_log_on_a_full_disk_says_so_and_keeps_what_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (acknowledged, fault) = run_out_of_space("log", directory.path(), 20);
    assert!(fault.starts_with("write ") && fault.ends_with(": file too large"), "{fault}");
    let log = reload(directory.path(), 1).unwrap();
    assert_eq!(log.entries.last().unwrap().index, acknowledged);
}

#[test]
fn a_database_on_a_full_disk_says_so_and_keeps_its_last_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let (acknowledged, fault) = run_out_of_space("database", directory.path(), 320);
    assert!(fault.contains("File too large") && !fault.contains('\n'), "{fault}");
    let database = Database::open(directory.path(), DatabaseLimits::default()).unwrap();
    let saved = database.checkpoints().load(chain(1)).unwrap();
    let at = saved.map_or(0, |saved| saved.header.height.get());
    assert!(at <= acknowledged + 1);
    for number in 1..=at {
        assert!(database.blocks().block(chain(1), height(number)).unwrap().is_some());
    }
}
