//! A short run of `chaos`: faults of every kind that this machine permits, and
//! nothing lost, doubled or reordered. `cargo xtask chaos` is the long form.

use std::process::Command;

use crate::cluster::{program, text};

/// Seconds of faults.
const SECONDS: &str = "20";

#[test]
fn twenty_seconds_of_chaos_violate_no_rule() {
    let chaos = program().with_file_name("chaos");
    let output = Command::new(chaos).args(["--seconds", SECONDS]).output().expect("chaos runs");
    let shown = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{shown}");
    assert!(shown.contains("violations: 0"), "{shown}");
}
