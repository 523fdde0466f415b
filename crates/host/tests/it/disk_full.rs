//! A disk that fills while a node runs: the process ends with one sentence, and
//! starts again with everything it acknowledged once there is space.
//!
//! The node is a process of its own: this test binary, started on one test
//! with the configuration's path in an environment variable. The limit is the
//! shell's `ulimit -f`, which refuses a file's growth much as a full disk does,
//! and needs no rights.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tributary_host::{Checked, Host, NodeConfig};
use tributary_service::settings;
use tributary_service::topology::NodeRole;
use tributary_types::{AccountId, PaymentKind};
use tributary_wire::Canonical;
use tributary_wire::node::{NodeReply, NodeRequest};
use tributary_wire::query::{AnswerValue, Query};

use crate::cluster::{BANK, CHAIN, Cluster, POUND, eventually};
use crate::payments::{batch, customer, open_and_issue, payment};

/// Tells the child which configuration to run.
const CONFIG: &str = "TRIBUTARY_HOST_CHILD";
/// How large a file may become, in units of 512 bytes: the log is the first.
const FILE_BLOCKS_MAX: u32 = 4_096;
/// What begins the child's last line.
const ENDED: &str = "ended: ";
const PAYMENTS: u32 = 2_000;

/// Not a test by itself: what the child runs.
#[test]
fn the_child() {
    let Ok(config) = std::env::var(CONFIG) else { return };
    let config: NodeConfig = settings::load_from(Path::new(&config), [], &[]).unwrap();
    let checked = Checked::load(config, NodeRole::ShardNode).unwrap();
    let ended = Host::start(checked, None).unwrap().run();
    println!("\n{ENDED}{}", ended.unwrap_err());
    std::process::exit(1);
}

fn start_child(config: &Path) -> Child {
    let script = format!("trap '' XFSZ; ulimit -f {FILE_BLOCKS_MAX}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script])
        .arg(std::env::current_exe().unwrap())
        .args(["disk_full::the_child", "--exact", "--nocapture", "--test-threads=1"])
        .env(CONFIG, config)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn write_config(cluster: &Cluster) -> PathBuf {
    let path = cluster.dir.path().join("node-0.toml");
    std::fs::write(&path, toml::to_string(&cluster.config(0)).unwrap()).unwrap();
    path
}

#[test]
fn a_node_on_a_full_disk_says_so_and_resumes_when_there_is_space() {
    let mut cluster = Cluster::new(1);
    let child = start_child(&write_config(&cluster));
    let submit = |request: &NodeRequest| match cluster.router(0).ask(request) {
        Ok(NodeReply::Submitted(submitted)) => Some(submitted),
        _ => None,
    };
    let open = Canonical(open_and_issue(&cluster.genesis, 0..1));
    let open = NodeRequest::Submit(open);
    eventually("the node serves", || submit(&open));
    let mut acknowledged = 0;
    loop {
        let issuer = AccountId::issuer(BANK, POUND, CHAIN);
        let issue = |_| payment(PaymentKind::Issue, issuer, customer(0), 1);
        let issues = batch(&cluster.genesis, vec![], (0..PAYMENTS).map(issue).collect());
        let Some(submitted) = submit(&NodeRequest::Submit(Canonical(issues))) else { break };
        assert!(submitted.receipts.iter().all(|receipt| receipt.code.is_committed()));
        acknowledged += u128::from(PAYMENTS);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let sentence = text.lines().find_map(|line| line.strip_prefix(ENDED)).unwrap();
    assert!(sentence.contains(" stopped: "), "{sentence}");
    assert!(sentence.to_lowercase().contains("file too large"), "{sentence}");
    assert!(acknowledged > 0);

    cluster.start(0);
    let answer = cluster.query(&Query::Account(customer(0)));
    let AnswerValue::Account(Some(account)) = answer.value else { panic!("{answer:?}") };
    // The last batch may have been written without being acknowledged.
    let issued = account.credits.get() - 1_000;
    assert!([acknowledged, acknowledged + u128::from(PAYMENTS)].contains(&issued), "{issued}");
    cluster.submit(&open_and_issue(&cluster.genesis, 1..2));
}
