//! Bad input gets a clear, specific answer and harms nothing.

use std::net::UdpSocket;

use crate::cluster::{Cluster, program, scratch, shown, text};
use crate::data::write;

/// How far an id's time may lie behind block time in a new cluster.
const ID_WINDOW_BACK_MS: u64 = 600_000;

#[test]
fn bad_input_is_refused_with_field_value_and_rule() {
    let files = scratch();
    let cluster = Cluster::up(&["--chains", "2", "--replicas", "1", "--relays", "1"]);
    let data = files.path().join("few.csv");
    write(&data, "r-1,t,c1,m1,500,GBP,payment\nr-2,t,c2,m1,700,GBP,payment\n");
    cluster.run(&["import", shown(&data)]);

    let check = |arguments: &[&str], expected: &str| {
        let answer = cluster.refused(arguments);
        assert!(answer.contains(expected), "{arguments:?}: {answer}");
    };
    check(&["pay", "c1", "m1", "0"], "amount_zero");
    check(&["pay", "c1", "c1", "5"], "same_account");
    check(&["pay", "c1", "m1", "999999"], "insufficient_funds");
    check(&["pay", "c1", "m1", "5", "--asset", "EUR"], "asset_mismatch");
    check(&["pay", "nobody", "m1", "5"], "nobody");
    check(&["pay", "c1", "nobody", "5"], "nobody");
    check(&["payment", "018bcfe5-6800-7000-8000-000000000000"], "expired");

    usage(&cluster, &["pay", "c1", "m1", "12.50"], "12.50");
    usage(&cluster, &["pay", "c1", "m1", "-5"], "-5");
    let beyond_128_bits = "340282366920938463463374607431768211456";
    usage(&cluster, &["pay", "c1", "m1", beyond_128_bits], "128 bits");
    cluster.run(&["books"]);
}

fn usage(cluster: &Cluster, arguments: &[&str], expected: &str) {
    let output = cluster.run_raw(arguments);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert!(text(&output.stderr).contains(expected), "{}", text(&output.stderr));
}

#[test]
fn the_same_id_pays_once_and_other_content_is_refused() {
    let files = scratch();
    let cluster = Cluster::up(&["--chains", "1", "--replicas", "1", "--relays", "1"]);
    let data = files.path().join("few.csv");
    write(&data, "r-1,t,c1,m1,500,GBP,payment\n");
    cluster.run(&["import", shown(&data)]);
    let paid = cluster.json(&["pay", "issuer", "c1", "250"]);
    let id = paid["id"].as_str().expect("id").to_owned();
    assert_eq!(paid["replay"], false, "{paid}");
    let again = cluster.json(&["pay", "issuer", "c1", "250", "--id", &id]);
    assert_eq!((&again["replay"], &again["outcome"]), (&true.into(), &"committed".into()));
    let other = cluster.refused(&["pay", "issuer", "c1", "251", "--id", &id]);
    assert!(other.contains("id_reused"), "{other}");
    assert_eq!(cluster.json(&["account", "c1"])["balance"], "250");
}

/// The chains that did not refuse it are idle: their own time would stand still
/// inside the id's window for ever.
#[test]
fn an_id_that_was_refused_as_expired_is_known_never_to_execute() {
    let files = scratch();
    let cluster = Cluster::up(&["--chains", "2", "--replicas", "1", "--relays", "1"]);
    let data = files.path().join("few.csv");
    write(&data, "r-1,t,c1,m1,500,GBP,payment\n");
    cluster.run(&["import", shown(&data)]);
    cluster.run(&["merchants", "--settled"]);
    let paid = cluster.json(&["pay", "issuer", "c1", "250"]);
    let paid = cluster.json(&["payment", paid["id"].as_str().expect("id")]);
    let block_time = paid["time"].as_u64().expect("milliseconds");

    let id = id_at(block_time - ID_WINDOW_BACK_MS);
    let refused = cluster.refused(&["pay", "issuer", "c1", "250", "--id", &id]);
    assert!(refused.contains("expired"), "{refused}");
    let told = cluster.run_raw(&["payment", &id, "--output", "json"]);
    assert_eq!(told.status.code(), Some(1), "it was not paid");
    assert!(text(&told.stdout).contains("\"never_executed\""), "{}", text(&told.stdout));
}

/// A UUIDv7 of this time, in milliseconds since 1970.
fn id_at(time: u64) -> String {
    format!("{:08x}-{:04x}-7000-8000-000000000001", time >> 16, time & 0xffff)
}

#[test]
fn a_bad_file_submits_nothing_and_skip_bad_leaves_bad_rows_out() {
    let files = scratch();
    let cluster = Cluster::up(&["--chains", "1", "--replicas", "1", "--relays", "1"]);
    let data = files.path().join("mixed.csv");
    write(&data, "r-1,t,c1,m1,500,GBP,payment\nr-2,t,c1,m1,12.50,GBP,payment\n");
    let answer = cluster.refused(&["import", shown(&data)]);
    assert!(answer.contains("line 3, column amount_minor"), "{answer}");
    assert_eq!(cluster.json(&["merchants"]).as_array().map(Vec::len), Some(0));

    let bad = files.path().join("bad.csv");
    let report = cluster.json(&["import", shown(&data), "--skip-bad", shown(&bad)]);
    assert_eq!(report["outcomes"]["committed"], 1, "{report}");
    assert!(std::fs::read_to_string(bad).expect("bad rows").contains("12.50"));
}

#[test]
fn random_bytes_on_any_port_harm_nothing() {
    let cluster = Cluster::up(&["--chains", "1", "--replicas", "1", "--relays", "1"]);
    let status = cluster.status();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("socket");
    let mut noise = [0_u8; 1_200];
    for process in status["processes"].as_array().expect("processes") {
        let Some(address) = process["address"].as_str() else { continue };
        for round in 0..200_usize {
            for (index, byte) in noise.iter_mut().enumerate() {
                *byte = u8::try_from((index * 31 + round * 17) % 251).expect("below 251");
            }
            socket.send_to(&noise[..1 + round * 5], address).expect("sent");
        }
    }
    let pids = |status: &serde_json::Value| {
        status["processes"]
            .as_array()
            .expect("processes")
            .iter()
            .map(|process| process["pid"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(pids(&cluster.status()), pids(&status), "no process died");
    cluster.run(&["books"]);
}

#[test]
fn a_directory_that_is_no_cluster_is_refused_with_one_sentence() {
    let files = scratch();
    std::fs::write(files.path().join("something"), "else").expect("written");
    let directory = shown(files.path());
    let output = std::process::Command::new(program())
        .args(["cluster", "up", "--dir", directory])
        .output()
        .expect("tributary runs");
    assert_eq!(output.status.code(), Some(1));
    let message = text(&output.stderr);
    assert!(message.contains("not empty and holds no cluster"), "{message}");
    assert_eq!(message.trim().lines().count(), 1, "{message}");
}
