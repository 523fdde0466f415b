//! SIGKILL at random moments of an import: same totals, nothing lost, nothing
//! twice.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::cluster::{Cluster, scratch, shown, text};
use crate::data::payments;
use crate::import::check_totals;

/// Between two kills, at least; a random part is added.
const KILL_INTERVAL: Duration = Duration::from_millis(250);

/// A moment that differs from run to run; printed, so that a failure tells it.
fn jitter() -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos());
    Duration::from_millis(u64::from(nanos % 400))
}

/// Imports while `victims` are killed in turn, then checks every total.
fn import_while_killing(victims: &dyn Fn(&Cluster) -> Vec<Vec<String>>) {
    let files = scratch();
    let data = payments(files.path());
    let cluster = Cluster::up(&[]);
    let groups = victims(&cluster);
    let mut import = cluster.spawn(&["--output", "json", "import", shown(&data.path)]);
    for group in &groups {
        let wait = KILL_INTERVAL + jitter();
        let until = Instant::now() + wait;
        while Instant::now() < until {
            std::thread::park_timeout(until - Instant::now());
        }
        for name in group {
            println!("SIGKILL {name} after {wait:?}");
            cluster.signal(name, Signal::SIGKILL);
        }
        let unfinished = import.try_wait().expect("import is a child").is_none();
        println!("import still under way: {unfinished}");
    }
    let output = import.wait_with_output().expect("import ends");
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["outcomes"]["committed"], data.rows, "{report}");
    cluster.wait_ready();
    check_totals(&cluster, &data.totals);
}

#[test]
fn killing_the_leader_of_each_chain_loses_and_doubles_nothing() {
    import_while_killing(&|cluster| {
        (1..=4).filter_map(|chain| cluster.leader(chain)).map(|leader| vec![leader]).collect()
    });
}

#[test]
fn killing_relays_and_the_router_loses_and_doubles_nothing() {
    import_while_killing(&|cluster| {
        let relays = cluster.processes("relay");
        let mut groups: Vec<_> = relays.iter().map(|relay| vec![relay.clone()]).collect();
        groups.push(relays);
        groups.push(cluster.processes("router"));
        groups
    });
}

#[test]
fn killing_a_whole_node_loses_and_doubles_nothing() {
    import_while_killing(&|_| vec![vec!["shard-1".to_owned(), "hf-1".to_owned()]]);
}

#[test]
fn killing_everything_at_once_keeps_what_was_acknowledged() {
    let files = scratch();
    let data = payments(files.path());
    let cluster = Cluster::up(&[]);
    cluster.json(&["import", shown(&data.path)]);
    let mut names = cluster.processes("");
    names.push("supervisor".to_owned());
    for name in names.iter().rev() {
        cluster.signal(name, Signal::SIGKILL);
    }
    cluster.start(&[]);
    cluster.wait_ready();
    check_totals(&cluster, &data.totals);
}

#[test]
fn a_stopped_cluster_resumes_the_same_books() {
    let files = scratch();
    let data = crate::data::slice(files.path(), 2_000);
    let cluster = Cluster::up(&[]);
    cluster.json(&["import", shown(&data.path)]);
    let before = cluster.run(&["--output", "csv", "merchants", "--settled"]);
    cluster.stop();
    cluster.start(&[]);
    assert_eq!(cluster.run(&["--output", "csv", "merchants", "--settled"]), before);
    check_totals(&cluster, &data.totals);
}
