//! Data that an earlier version wrote open in this one, wherever they lie.
//!
//! `tests/fixtures/format-1.tar.gz` is the directory of a small cluster as it
//! was left: the node of the user chain was killed, that of the HF chain
//! stopped in order. `format-1.json` is what it said before. A version that
//! changes what is on disk adds the next fixture and keeps the older ones:
//!
//! ```console
//! $ TRIBUTARY_FIXTURE=tests/fixtures/format-3 \
//!     cargo nextest run --release --locked --workspace -E 'test(a_fixture_is_written)'
//! ```

use std::net::{TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tributary_service::Topology;

use crate::cluster::{Cluster, scratch, shown, text, wait_until};
use crate::data::{parse_merchants, sample_rows, tests_folder};
use crate::import::check_totals;

/// Names the fixture to write, without endings; relative to the repository.
const FIXTURE_VARIABLE: &str = "TRIBUTARY_FIXTURE";
/// Rows of the sample in a fixture.
const ROWS: usize = 200;
/// Blocks after which the user chain's state is saved.
const CHECKPOINT_BLOCKS: u64 = 50;
/// Payments after the last saved state, one by one.
const TAIL_PAYMENTS: usize = 5;
/// How long block time may take to follow the clock: an hour per block.
const TIME_FOLLOWS_WITHIN: Duration = Duration::from_secs(120);

fn fixtures() -> PathBuf {
    tests_folder().join("fixtures")
}

fn tar(arguments: &[&str]) {
    let output = Command::new("tar").args(arguments).output().expect("tar runs");
    assert!(output.status.success(), "{}", text(&output.stderr));
}

/// What a cluster says of its money, settled.
fn balances(cluster: &Cluster) -> Value {
    let account = |name: &str| {
        let mut shown = cluster.json(&["account", name]);
        // As of when it is shown: the chain goes on.
        shown.as_object_mut().expect("an object").remove("height");
        shown
    };
    json!({
        "merchants": cluster.run(&["--output", "csv", "merchants", "--settled"]),
        "payer": account("payer"),
        "payee": account("payee"),
    })
}

#[test]
fn data_of_format_1_open_and_are_paid_with() {
    check(1);
}

#[test]
fn data_of_format_2_open_and_are_paid_with() {
    check(2);
}

fn check(format: u32) {
    let files = scratch();
    let archive = fixtures().join(format!("format-{format}.tar.gz"));
    tar(&["--extract", "--gzip", "--file", shown(&archive), "--directory", shown(files.path())]);
    let expected = fixtures().join(format!("format-{format}.json"));
    let expected = std::fs::read_to_string(expected).expect("expected");
    let expected: Value = serde_json::from_str(&expected).expect("JSON");
    let cluster = Cluster::in_directory(files);
    // What an operator does first with certificates that ended long ago.
    cluster.run(&["cluster", "renew"]);
    // Somebody else has two of its ports by now.
    let topology = cluster.path().join("topology.toml");
    let before = Topology::load(&topology).expect("topology");
    let _udp = UdpSocket::bind(before.routers[0].address);
    let _tcp = TcpListener::bind(before.nodes[0].http);
    cluster.start(&[]);
    let after = Topology::load(&topology).expect("topology");
    assert_ne!(after.routers[0].address, before.routers[0].address);
    assert_ne!(after.nodes[0].http, before.nodes[0].http);

    assert_eq!(balances(&cluster), expected["balances"]);
    let merchants = expected["balances"]["merchants"].as_str().expect("CSV");
    check_totals(&cluster, &parse_merchants(merchants));
    let id = expected["payment"]["id"].as_str().expect("id");
    assert_eq!(cluster.json(&["payment", id]), expected["payment"], "an old outcome");
    let proof = cluster.path().join("proof.json");
    cluster.run(&["payment", id, "--proof", shown(&proof)]);
    cluster.run(&["verify", shown(&proof)]);

    wait_until("block time follows the clock", TIME_FOLLOWS_WITHIN, || {
        cluster.run_raw(&["pay", "payer", "upgraded", "300"]).status.success()
    });
    // The id is expired long ago, or known: it does not pay again, and what
    // became of it is answered from history.
    let before = cluster.json(&["account", "payer"])["balance"].clone();
    cluster.run_raw(&["pay", "issuer", "payer", "5000", "--id", id]);
    assert_eq!(cluster.json(&["account", "payer"])["balance"], before);
    assert_eq!(cluster.json(&["payment", id]), expected["payment"], "an old outcome");
    cluster.run(&["pay", "upgraded", "payer", "100"]);
    cluster.run(&["merchants", "--settled"]);
    cluster.run(&["books"]);
}

#[test]
fn a_fixture_is_written_if_one_is_asked_for() {
    let Some(fixture) = std::env::var_os(FIXTURE_VARIABLE) else { return };
    let fixture = tests_folder().join("..").join(fixture);
    let files = scratch();
    let data = sample_rows(files.path(), ROWS);
    let cluster = Cluster::up(&["--chains", "1", "--replicas", "1", "--relays", "1"]);
    let config = cluster.path().join("shard-1/config.toml");
    let limits = format!("\n[limits]\ncheckpoint_after_blocks = {CHECKPOINT_BLOCKS}\n");
    let content = std::fs::read_to_string(&config).expect("configuration") + &limits;
    std::fs::write(config, content).expect("written");
    cluster.signal("shard-1", Signal::SIGKILL);
    cluster.wait_ready();

    cluster.run(&["import", shown(&data.path)]);
    check_totals(&cluster, &data.totals);
    let own = files.path().join("own.csv");
    crate::data::write(
        &own,
        "u-1,t,payer,upgraded,700,GBP,payment\nu-2,t,payee,upgraded,1,GBP,payment\n",
    );
    cluster.run(&["import", shown(&own)]);
    let paid = cluster.json(&["pay", "issuer", "payer", "5000"]);
    let id = paid["id"].as_str().expect("id");
    // Enough for a saved state, and a few behind it.
    for _ in 0..CHECKPOINT_BLOCKS {
        cluster.run(&["pay", "issuer", "payer", "1"]);
    }
    for _ in 0..TAIL_PAYMENTS {
        cluster.run(&["pay", "payer", "payee", "20"]);
    }
    let expected = json!({
        "balances": balances(&cluster),
        "payment": cluster.json(&["payment", id]),
    });
    cluster.signal("supervisor", Signal::SIGKILL);
    cluster.signal("shard-1", Signal::SIGKILL);
    cluster.stop();

    let text = serde_json::to_string_pretty(&expected).expect("JSON") + "\n";
    std::fs::write(fixture.with_extension("json"), text).expect("written");
    let scratch = cluster.path().parent().expect("the scratch directory");
    let archive = fixture.with_extension("tar.gz");
    let owner = ["--owner=0", "--group=0", "--numeric-owner", "--sort=name", "--sparse"];
    let left_out =
        ["logs/*", "run/*", "*.reserved", "rocksdb/LOG*"].map(|one| format!("--exclude={one}"));
    let left_out = left_out.each_ref().map(String::as_str);
    let what = ["--create", "--use-compress-program=gzip -9", "--file", shown(&archive)];
    let from = ["--directory", shown(scratch), "."];
    tar(&[&what[..], &owner, &left_out, &from].concat());
}
