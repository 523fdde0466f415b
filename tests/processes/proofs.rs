//! Proofs: verified offline against the genesis file; any changed byte fails.

use crate::cluster::{Cluster, program, scratch, shown};
use crate::data::write;

#[test]
fn proofs_of_a_payment_and_a_balance_verify_offline_and_only_unchanged() {
    let files = scratch();
    let cluster = Cluster::up(&["--replicas", "3", "--chains", "2"]);
    let data = files.path().join("few.csv");
    write(&data, "r-1,t,c1,m1,500,GBP,payment\nr-2,t,c2,m1,700,GBP,payment\n");
    cluster.run(&["import", shown(&data)]);
    let paid = cluster.json(&["pay", "issuer", "c1", "250"]);
    let id = paid["id"].as_str().expect("id").to_owned();
    cluster.run(&["merchants", "--settled"]);

    let payment = files.path().join("payment.json");
    let balance = files.path().join("balance.json");
    cluster.run(&["payment", &id, "--proof", shown(&payment)]);
    cluster.run(&["merchant", "m1", "--proof", shown(&balance)]);
    let genesis = files.path().join("genesis.json");
    std::fs::copy(cluster.path().join("genesis.json"), &genesis).expect("genesis");
    cluster.stop();

    for proof in [&payment, &balance] {
        assert!(verifies(proof, &genesis), "{}", proof.display());
        let original = std::fs::read(proof).expect("proof");
        let mut changed = 0;
        for position in (0..original.len()).step_by(7) {
            let mut bytes = original.clone();
            if !bytes[position].is_ascii_alphanumeric() {
                continue;
            }
            bytes[position] = if bytes[position] == b'1' { b'2' } else { b'1' };
            std::fs::write(proof, &bytes).expect("written");
            let position = format!("byte {position} of {}", proof.display());
            assert!(!verifies(proof, &genesis), "{position} changed and still verifies");
            changed += 1;
        }
        assert!(changed > 20, "enough bytes were changed");
    }
}

fn verifies(proof: &std::path::Path, genesis: &std::path::Path) -> bool {
    let output = std::process::Command::new(program())
        .args(["verify", shown(proof), "--genesis", shown(genesis)])
        .output()
        .expect("tributary runs");
    assert!(matches!(output.status.code(), Some(0 | 1)), "verify answers yes or no");
    output.status.success()
}
