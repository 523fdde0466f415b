//! Imports: right totals, once only, resumable.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::{Cluster, scratch, shown, wait_until};
use crate::data::{Totals, is_full, parse_merchants, payments, slice, write};

/// Settled totals equal the expected ones and the books balance.
pub fn check_totals(cluster: &Cluster, expected: &Totals) {
    let merchants = cluster.run(&["--output", "csv", "merchants", "--settled"]);
    let found = parse_merchants(&merchants);
    for (merchant, totals) in expected {
        assert_eq!(found.get(merchant), Some(totals), "{merchant}");
    }
    assert_eq!(found.len(), expected.len(), "no other merchants");
    cluster.run(&["books"]);
}

#[test]
fn an_import_settles_to_the_penny_and_repeating_it_changes_nothing() {
    let files = scratch();
    let data = payments(files.path());
    let cluster = Cluster::up(&[]);
    let report = cluster.json(&["import", shown(&data.path)]);
    assert_eq!(report["outcomes"]["committed"], data.rows, "{report}");
    check_totals(&cluster, &data.totals);

    let balances = cluster.run(&["--output", "csv", "merchants", "--settled"]);
    let again = cluster.json(&["import", shown(&data.path)]);
    assert_eq!(again["submitted"], 0, "{again}");
    assert_eq!(again["outcomes"]["committed"], data.rows, "{again}");
    assert_eq!(cluster.run(&["--output", "csv", "merchants", "--settled"]), balances);
}

#[test]
fn an_interrupted_import_is_completed_by_repeating_it() {
    let files = scratch();
    let data = payments(files.path());
    let cluster = Cluster::up(&[]);
    let mut import = cluster.spawn(&["import", shown(&data.path)]);
    wait_until("payments arrive", Duration::from_secs(60), || {
        let chains = cluster.json(&["chains"]);
        chains.as_array().expect("chains").iter().any(|chain| {
            chain["kind"] == "user" && chain["height"].as_u64().is_some_and(|height| height > 2)
        })
    });
    let pid = Pid::from_raw(i32::try_from(import.id()).expect("pid"));
    kill(pid, Signal::SIGINT).expect("interrupt");
    import.wait().expect("import ends");

    let report = cluster.json(&["import", shown(&data.path)]);
    assert_eq!(report["outcomes"]["committed"], data.rows, "{report}");
    check_totals(&cluster, &data.totals);
}

/// More than one page of a reader's answers holds.
#[test]
fn a_history_is_shown_as_far_as_it_is_asked_for() {
    const PAYMENTS: usize = 1_200;
    let files = scratch();
    let data = files.path().join("many.csv");
    let rows = (1..=PAYMENTS).map(|row| format!("r-{row},t,c1,m1,{row},GBP,payment\n"));
    write(&data, &rows.collect::<String>());
    let cluster = Cluster::up(&["--chains", "1", "--replicas", "1", "--relays", "1"]);
    cluster.run(&["import", shown(&data)]);
    let amounts = |count: usize| -> Vec<String> {
        let account = cluster.json(&["account", "c1", "--history", &count.to_string()]);
        let entries = account["history"].as_array().expect("entries").iter();
        let payments = entries.filter(|entry| entry["payment"]["kind"] == "payment");
        payments.map(|entry| entry["payment"]["amount"].as_str().expect("text").into()).collect()
    };
    let newest_first: Vec<_> = (1..=PAYMENTS).rev().map(|row| row.to_string()).collect();
    assert_eq!(amounts(1_100), newest_first[..1_100]);
    assert_eq!(amounts(PAYMENTS + 100), newest_first);
}

#[test]
fn one_chain_with_one_replica_gives_the_same_totals() {
    import_into(&["--chains", "1", "--replicas", "1", "--relays", "1"]);
}

#[test]
fn eight_chains_give_the_same_totals() {
    import_into(&["--chains", "8", "--replicas", if is_full() { "3" } else { "1" }]);
}

fn import_into(options: &[&str]) {
    let files = scratch();
    let data = if is_full() { payments(files.path()) } else { slice(files.path(), 4_000) };
    let cluster = Cluster::up(options);
    let report = cluster.json(&["import", shown(&data.path)]);
    assert_eq!(report["outcomes"]["committed"], data.rows, "{report}");
    check_totals(&cluster, &data.totals);
}
