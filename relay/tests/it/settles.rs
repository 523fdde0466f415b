//! What is paid on the user chain reaches the HF chain, once, whichever relays
//! run.

use tributary_chain::Operation;
use tributary_chain::operation::{Action, FloatPolicy, OpenMerchant};
use tributary_ledger::{ChannelStatus, MerchantView};
use tributary_relay::{Checked, Relay, RelayConfig, health};
use tributary_service::Supervisor;
use tributary_types::{AccountClass, AccountId, Amount, ChainId, PaymentKind, Slot};
use tributary_wire::query::{AnswerValue, Query};

use crate::cluster::{BANK, CHAIN, Cluster, HF_CHAIN, POUND, eventually};
use crate::payments::{batch, batch_for, customer, fresh_id, open_and_issue, payment};

/// A relay; it ends with its runtime, as if it were killed.
struct Running {
    relay: Relay,
    runtime: tokio::runtime::Runtime,
}

fn start_relay(cluster: &Cluster, number: u32) -> Running {
    let name = format!("relay-{number}");
    let config = RelayConfig {
        genesis: cluster.dir.path().join("genesis.json"),
        topology: cluster.dir.path().join("topology.toml"),
        rank: number,
        age_alarm_ms: 5_000,
        tls: cluster.tls(&name),
        name,
    };
    let checked = Checked::load(config).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (supervisor, _deaths) = Supervisor::new();
    let _entered = runtime.enter();
    let relay = Relay::start(&checked, &supervisor).unwrap();
    drop(_entered);
    Running { relay, runtime }
}

fn kill(relay: Running) {
    relay.runtime.shutdown_background();
}

fn running_cluster() -> Cluster {
    let mut cluster = Cluster::running(1);
    cluster.start(1);
    cluster
}

fn shop() -> AccountId {
    let slot = Slot::new(1).unwrap();
    AccountId::named(AccountClass::Hf, BANK, &"shop".parse().unwrap(), slot)
}

fn open_shop(cluster: &Cluster) {
    let open = OpenMerchant {
        account: shop(),
        name: "shop".parse().unwrap(),
        asset: POUND,
        float: FloatPolicy::default(),
    };
    let operation = Operation { id: fresh_id(), action: Action::OpenMerchant(open) };
    let opened = cluster.submit(&batch_for(HF_CHAIN, &cluster.genesis, vec![operation], vec![]));
    assert!(opened.receipts[0].code.is_committed(), "{opened:?}");
    eventually("the proxy is open", || match cluster.query(&Query::Proxy(shop())).value {
        AnswerValue::Proxy(proxy) => proxy,
        _ => None,
    });
}

fn pay(cluster: &Cluster, pence: u128) {
    let payments = vec![payment(PaymentKind::Payment, customer(0), shop(), pence)];
    let paid = cluster.submit(&batch(&cluster.genesis, vec![], payments));
    assert!(paid.receipts[0].code.is_committed(), "{paid:?}");
}

fn merchant(cluster: &Cluster) -> MerchantView {
    match cluster.query_chain(HF_CHAIN, &Query::Merchant(shop())).value {
        AnswerValue::Merchant(Some(merchant)) => merchant,
        other => panic!("{other:?}"),
    }
}

fn wait_until_received(cluster: &Cluster, pence: u128) {
    eventually("the merchant has the money", || {
        let found = merchant(cluster).received;
        assert!(found <= Amount::new(pence), "more than was paid: {found}");
        (found == Amount::new(pence)).then_some(())
    });
}

fn channel(cluster: &Cluster, chain: ChainId) -> ChannelStatus {
    match cluster.query_chain(chain, &Query::Channels).value {
        AnswerValue::Channels(channels) => channels[0],
        other => panic!("{other:?}"),
    }
}

/// All messages are received and known to be.
fn wait_until_quiet(cluster: &Cluster) {
    eventually("everything sent is acknowledged", || {
        let (user, hf) = (channel(cluster, CHAIN), channel(cluster, HF_CHAIN));
        let quiet = user.acknowledged == user.sent
            && hf.acknowledged == hf.sent
            && user.received == hf.sent
            && hf.received == user.sent;
        quiet.then_some(())
    });
}

#[test]
fn payments_are_settled_and_acknowledged() {
    let cluster = running_cluster();
    let relay = start_relay(&cluster, 0);
    open_shop(&cluster);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..1));
    for pence in 1..=20 {
        pay(&cluster, pence);
    }
    wait_until_received(&cluster, 210);
    wait_until_quiet(&cluster);
    eventually("the relay is ready", || {
        health::missing(relay.relay.channels()).is_empty().then_some(())
    });
}

#[test]
fn relays_may_be_killed_at_any_moment_and_two_do_no_harm() {
    let cluster = running_cluster();
    let mut relays = vec![start_relay(&cluster, 0), start_relay(&cluster, 1)];
    open_shop(&cluster);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..1));
    let mut total = 0;
    for round in 0..4 {
        for pence in 1..=5 {
            pay(&cluster, pence);
            total += pence;
        }
        // Either one, both, then none is killed in between.
        for number in [vec![0], vec![1], vec![1, 0], vec![]][round].iter().copied() {
            kill(relays.remove(number));
            relays.insert(number, start_relay(&cluster, u32::try_from(number).unwrap()));
        }
    }
    wait_until_received(&cluster, total);
    wait_until_quiet(&cluster);
}

#[test]
fn without_a_relay_the_chains_go_on_and_catch_up_afterwards() {
    let cluster = running_cluster();
    let relay = start_relay(&cluster, 0);
    open_shop(&cluster);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..1));
    pay(&cluster, 1);
    wait_until_received(&cluster, 1);
    kill(relay);
    for pence in 2..=20 {
        pay(&cluster, pence);
    }
    let _relay = start_relay(&cluster, 1);
    wait_until_received(&cluster, 210);
    wait_until_quiet(&cluster);
}

#[test]
fn a_restarted_node_takes_its_channels_up_again() {
    let mut cluster = running_cluster();
    let _relay = start_relay(&cluster, 0);
    open_shop(&cluster);
    cluster.submit(&open_and_issue(&cluster.genesis, 0..1));
    for (node, pence) in [(0, 10), (1, 20), (0, 30), (1, 40)] {
        pay(&cluster, pence);
        cluster.kill(node);
        cluster.start(node);
    }
    wait_until_received(&cluster, 100);
    wait_until_quiet(&cluster);
}
