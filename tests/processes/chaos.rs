//! Short runs of `chaos`: some faults of those that this machine permits, and
//! nothing lost, doubled or reordered. `cargo xtask chaos` is the long form.
//!
//! What the machine lacks is left out, and said: lost packets need root,
//! `unshare` and `tc`. Where these are, they must have been possible.

use std::process::{Command, Stdio};

use crate::cluster::{program, text};

/// Seconds of faults.
const SECONDS: &str = "20";
/// Chooses an order in which networks are cut within these seconds.
const SEED: &str = "1";
/// Faults that strike within these seconds at least.
const FAULTS_MIN: u64 = 3;
/// Kinds of faults that need a network of one's own.
const OF_NETWORKS: [&str; 4] = ["partition", "split", "loss", "slow network"];

#[test]
fn twenty_seconds_of_chaos_violate_no_rule() {
    let (shown, left_out) = run(&[]);
    if has_networks() {
        assert_eq!(of_networks(&left_out), 0, "{shown}");
    }
}

#[test]
fn twenty_seconds_of_chaos_violate_no_rule_where_processes_take_shortcuts() {
    let (shown, left_out) = run(&["--shortcuts"]);
    assert_eq!(of_networks(&left_out), OF_NETWORKS.len(), "{shown}");
}

/// All that was said, and the faults that were left out.
fn run(options: &[&str]) -> (String, Vec<String>) {
    let chaos = program().with_file_name("chaos");
    let arguments = [&["--seconds", SECONDS, "--seed", SEED], options].concat();
    let output = Command::new(chaos).args(arguments).output().expect("chaos runs");
    let (report, reasons) = (text(&output.stdout), text(&output.stderr));
    let shown = format!("{report}\n{reasons}");
    assert!(output.status.success(), "{shown}");
    let figure = |what: &str| -> u64 {
        let found = value(&report, what).and_then(|found| found.parse().ok());
        found.unwrap_or_else(|| panic!("no figure of {what}: {shown}"))
    };
    assert_eq!(figure("violations"), 0, "{shown}");
    assert!(figure("payments acknowledged") > 0, "{shown}");
    assert!(figure("reads") > 0, "{shown}");
    assert!(figure("faults") >= FAULTS_MIN, "{shown}");
    let left_out = value(&report, "left out").unwrap_or_else(|| panic!("what not? {shown}"));
    println!("left out: {left_out}\n{reasons}");
    let left_out = left_out.split(", ").map(str::to_owned).collect();
    (shown, left_out)
}

/// How many of these kinds need a network of one's own.
fn of_networks(kinds: &[String]) -> usize {
    kinds.iter().filter(|kind| OF_NETWORKS.contains(&kind.as_str())).count()
}

/// What stands behind the name in the line of it.
fn value<'a>(report: &'a str, what: &str) -> Option<&'a str> {
    report.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(":")).map(str::trim)
}

/// Whether this machine permits networks of one's own, and has what loses
/// packets in them.
fn has_networks() -> bool {
    let works = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let quiet = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    works("unshare", &["--net", "--mount", "true"]) && works("tc", &["-V"])
}
