//! Certificates of running processes: they expire, are replaced on disk, and
//! come broken.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use time::OffsetDateTime;
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{Identity, Role};

use crate::cluster::{Cluster, POLL, scratch, shown, text, wait_until};
use crate::data::{slice, write};
use crate::import::check_totals;

/// How long a process may take to say something.
const SAID_WITHIN: Duration = Duration::from_secs(30);
/// How long the shortest certificate holds: long enough to be noticed.
const SHORT: Duration = Duration::from_secs(12);

/// Gives a node a certificate that ends at some moment.
fn issue_until(cluster: &Cluster, node: &str, end: OffsetDateTime) {
    let read = |name: &str| std::fs::read_to_string(cluster.path().join(name)).expect(name);
    let authority = CertificateAuthority::load(&read("ca/ca.pem"), &read("ca/ca.key.pem"));
    let identity = Identity { role: Role::Node, name: node.to_owned() };
    let begin = end - Duration::from_secs(60);
    let issued = authority.and_then(|authority| authority.issue_for(&identity, begin, end));
    let issued = issued.expect("the development CA issues");
    let directory = cluster.path().join(node);
    std::fs::write(directory.join("key.pem"), issued.key_pem).expect("written");
    std::fs::write(directory.join("certificate.pem"), issued.certificate_pem).expect("written");
}

fn log(cluster: &Cluster, process: &str) -> String {
    let path = cluster.path().join("logs").join(format!("{process}.log"));
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Waits for a line of a process's log that holds all of `parts`.
fn wait_said(cluster: &Cluster, process: &str, parts: &[&str]) {
    let is_said = |line: &str| parts.iter().all(|part| line.contains(part));
    let deadline = Instant::now() + SAID_WITHIN;
    loop {
        let said = log(cluster, process);
        if said.lines().any(is_said) {
            return;
        }
        assert!(Instant::now() < deadline, "{process} does not say {parts:?}:\n{said}");
        std::thread::park_timeout(POLL);
    }
}

/// One user chain and the HF chain with three replicas each, and a customer.
fn cluster_with_a_customer() -> Cluster {
    let files = scratch();
    let cluster = Cluster::up(&["--chains", "1", "--relays", "1"]);
    let data = files.path().join("few.csv");
    write(&data, "r-1,t,c1,m1,500,GBP,payment\n");
    cluster.run(&["import", shown(&data)]);
    cluster
}

#[test]
fn an_expired_certificate_costs_its_node_only_and_a_new_one_heals_it_without_a_restart() {
    let cluster = cluster_with_a_customer();
    let pid = cluster.pid("shard-1");
    let whose = "the certificate of tributary:node/shard-1";
    issue_until(&cluster, "shard-1", OffsetDateTime::now_utc() + SHORT);
    wait_said(&cluster, "shard-1", &["a new certificate is in use"]);
    wait_said(&cluster, "shard-1", &[whose, "expires on", "must be replaced"]);
    wait_said(&cluster, "shard-1", &[whose, "expired on", "peers refuse new connections"]);

    // Connections outlast the certificate; a peer that starts anew refuses it.
    cluster.run(&["pay", "issuer", "c1", "100"]);
    cluster.signal("shard-2", Signal::SIGKILL);
    wait_said(&cluster, "shard-2", &["refused", whose, "expired on"]);
    wait_said(&cluster, "shard-1", &["refused", whose, "expired on"]);
    cluster.run(&["pay", "issuer", "c1", "100"]);

    cluster.run(&["cluster", "renew", "shard-1"]);
    wait_until("shard-1 uses its third certificate", SAID_WITHIN, || {
        log(&cluster, "shard-1").matches("a new certificate is in use").count() == 2
    });
    // Without shard-3 nothing is committed unless shard-1 and shard-2 talk.
    cluster.signal("shard-3", Signal::SIGSTOP);
    cluster.run(&["pay", "issuer", "c1", "100"]);
    cluster.signal("shard-3", Signal::SIGCONT);
    assert_eq!(cluster.pid("shard-1"), pid, "shard-1 was not restarted");
    assert_eq!(cluster.json(&["account", "c1"])["balance"], "300");
    cluster.run(&["books"]);
}

#[test]
fn a_process_that_starts_with_an_expired_certificate_says_whose_and_since_when() {
    let cluster = cluster_with_a_customer();
    issue_until(&cluster, "shard-1", OffsetDateTime::now_utc() - Duration::from_secs(1));
    cluster.signal("shard-1", Signal::SIGKILL);
    let sentence = "shard-node: the certificate of tributary:node/shard-1 expired on";
    wait_said(&cluster, "shard-1", &[sentence]);
    cluster.run(&["pay", "issuer", "c1", "100"]);
    cluster.run(&["cluster", "renew", "shard-1"]);
    cluster.wait_ready();
    cluster.run(&["books"]);
}

#[test]
fn a_broken_certificate_is_refused_and_the_one_from_before_stays_in_use() {
    let cluster = cluster_with_a_customer();
    let pids: Vec<_> = cluster.processes("").iter().map(|name| cluster.pid(name)).collect();
    std::fs::write(cluster.path().join("shard-1/certificate.pem"), "half a certi")
        .expect("written");
    let other = std::fs::read(cluster.path().join("shard-3/certificate.pem")).expect("certificate");
    std::fs::write(cluster.path().join("shard-2/certificate.pem"), other).expect("written");
    let stays = "the certificate from before stays in use";
    for (name, why) in
        [("shard-1", "holds no PEM certificate"), ("shard-2", "cannot be used together")]
    {
        cluster.signal(name, Signal::SIGHUP);
        wait_said(&cluster, name, &[why, stays]);
    }
    cluster.run(&["pay", "issuer", "c1", "100"]);
    cluster.run(&["cluster", "renew", "shard-1", "shard-2"]);
    for name in ["shard-1", "shard-2"] {
        wait_said(&cluster, name, &["a new certificate is in use"]);
    }
    let after: Vec<_> = cluster.processes("").iter().map(|name| cluster.pid(name)).collect();
    assert_eq!(after, pids, "nothing was restarted");
}

#[test]
fn renewing_every_certificate_during_an_import_loses_nothing_and_restarts_nothing() {
    let files = scratch();
    let data = slice(files.path(), 4_000);
    let cluster = Cluster::up(&["--chains", "2"]);
    let pids = |names: &[String]| names.iter().map(|name| cluster.pid(name)).collect::<Vec<_>>();
    let names = cluster.processes("");
    let before = pids(&names);
    let import = cluster.spawn(&["--output", "json", "import", shown(&data.path)]);
    // The CA's certificate, everybody's certificate and key, the front-end's.
    cluster.run(&["cluster", "renew", "--days", "3"]);
    for name in &names {
        wait_said(&cluster, name, &["a new certificate is in use"]);
    }
    let output = import.wait_with_output().expect("import ends");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(pids(&names), before, "nothing was restarted");
    // Whoever connects anew does so with the new ones.
    for name in cluster.processes("router").iter().chain(&cluster.processes("relay")) {
        cluster.signal(name, Signal::SIGKILL);
    }
    cluster.wait_ready();
    check_totals(&cluster, &data.totals);
}
