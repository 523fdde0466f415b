//! Deliveries of other chains, and the statements this chain sends: once each,
//! whatever happens to leaders.

use tributary_chain::certificate::Vote;
use tributary_chain::operation::{Action, FloatPolicy, OpenMerchant, Operation};
use tributary_chain::{Batch, Body, Certificate, ClockReport, Delivery, InboxError, Message};
use tributary_ledger::{Genesis, Ledger};
use tributary_replica::{Reply, RequestId};
use tributary_types::{AccountId, Amount, Encode, TimeMs};

use crate::cluster::Cluster;
use crate::fixture::{
    BANK, CHAIN, HF_CHAIN, POUND, START, bank_key, id, merchant, merchant_name, pay, validator_key,
};

/// Bytes that one delivery may take in these tests.
const DELIVERY_BYTES: usize = 100_000;

/// The HF chain, executed without consensus: its one validator signs.
struct HfChain {
    ledger: Ledger,
    genesis: Genesis,
}

impl HfChain {
    fn new(genesis: &Genesis) -> Self {
        let ledger = Ledger::genesis(genesis, HF_CHAIN).unwrap();
        Self { ledger, genesis: genesis.clone() }
    }

    /// One block that opens a merchant, and so sends its notice.
    fn open_merchant(&mut self, number: u64) {
        let open = OpenMerchant {
            account: merchant(number),
            name: merchant_name(number),
            asset: POUND,
            float: FloatPolicy::default(),
        };
        let operation = Operation { id: id(number, START, 3), action: Action::OpenMerchant(open) };
        let cluster = self.genesis.hash();
        let batch =
            Batch::sign(&cluster, HF_CHAIN, BANK, &bank_key(), vec![operation], vec![], vec![]);
        let clocks = vec![ClockReport { validator: 0, time: START }];
        let body = Body { clocks, batches: vec![batch], ..Body::default() };
        self.ledger.execute(&body, Body::root_of_bytes(&body.to_bytes()));
    }

    /// What it has for the user chain behind message `after`.
    fn delivery(&self, after: u64) -> Delivery {
        let header = self.ledger.header().clone();
        let vote = Vote::sign(0, &validator_key(0), &header.hash(&self.genesis.hash()));
        let outgoing = self.ledger.outgoing(CHAIN, after, DELIVERY_BYTES).unwrap();
        outgoing.certified(header, Certificate { votes: vec![vote] })
    }
}

fn delivered(cluster: &Cluster, request: RequestId) -> Result<u64, InboxError> {
    match cluster.replies.get(&request) {
        Some(Reply::Delivered(result)) => result.clone(),
        other => panic!("expected a cursor, found {other:?}"),
    }
}

/// Three replicas and an HF chain with one merchant to tell of.
fn chains(seed: u64) -> (Cluster, HfChain, u16) {
    let mut cluster = Cluster::new(3, seed);
    let mut hf = HfChain::new(&cluster.genesis);
    hf.open_merchant(1);
    let leader = cluster.await_leader().unwrap();
    cluster.run(400);
    (cluster, hf, leader)
}

#[test]
fn a_delivery_is_executed_once_and_then_answered_without_a_block() {
    let (mut cluster, hf, leader) = chains(1);
    let first = cluster.deliver(leader, hf.delivery(0));
    cluster.run(200);
    assert_eq!(delivered(&cluster, first), Ok(1));
    assert!(cluster.replica(leader).ledger().proxy(&merchant(1)).is_some());
    let height = cluster.height(leader);
    let again = cluster.deliver(leader, hf.delivery(0));
    assert_eq!(delivered(&cluster, again), Ok(1));
    cluster.run(200);
    assert_eq!(cluster.height(leader), height);
}

#[test]
fn two_relays_at_once_make_one_block() {
    let (mut cluster, hf, leader) = chains(2);
    let height = cluster.height(leader);
    let requests: Vec<_> = (0..4).map(|_| cluster.deliver(leader, hf.delivery(0))).collect();
    cluster.run(300);
    for request in requests {
        assert_eq!(delivered(&cluster, request), Ok(1));
    }
    assert_eq!(cluster.height(leader), height + 1);
}

#[test]
fn a_delivery_behind_one_in_flight_is_executed_after_it() {
    let (mut cluster, mut hf, leader) = chains(3);
    let first = cluster.deliver(leader, hf.delivery(0));
    hf.open_merchant(2);
    let second = cluster.deliver(leader, hf.delivery(1));
    cluster.run(300);
    assert_eq!((delivered(&cluster, first), delivered(&cluster, second)), (Ok(1), Ok(2)));
    assert!(cluster.replica(leader).ledger().proxy(&merchant(2)).is_some());
}

#[test]
fn a_gap_and_a_forgery_are_refused_without_a_block() {
    let (mut cluster, mut hf, leader) = chains(4);
    hf.open_merchant(2);
    let height = cluster.height(leader);
    let gap = cluster.deliver(leader, hf.delivery(1));
    assert!(matches!(delivered(&cluster, gap), Err(InboxError::Gap { expected: 1, found: 2 })));
    let mut forged = hf.delivery(0);
    forged.header.state_root = forged.header.parent;
    let forged = cluster.deliver(leader, forged);
    assert!(matches!(delivered(&cluster, forged), Err(InboxError::Certificate(_))));
    cluster.run(200);
    assert_eq!(cluster.height(leader), height);
}

#[test]
fn a_leader_that_is_cut_off_answers_no_delivery() {
    let (mut cluster, hf, leader) = chains(5);
    cluster.isolate(leader);
    let in_flight = cluster.deliver(leader, hf.delivery(0));
    let parked = cluster.deliver(leader, hf.delivery(0));
    cluster.run(2_000);
    assert_eq!(cluster.replies[&in_flight], Reply::Unknown);
    assert_eq!(cluster.replies[&parked], Reply::NotLeader { hint: None });
}

/// Every statement that a replica has sent, in order.
fn statements(cluster: &Cluster, validator: u16) -> Vec<tributary_chain::Statement> {
    let ledger = cluster.replica(validator).ledger();
    let Some(outgoing) = ledger.outgoing(HF_CHAIN, 0, DELIVERY_BYTES) else { return Vec::new() };
    let statement = |message| match message {
        Message::Statement(statement) => Some(statement),
        _ => None,
    };
    outgoing.messages.into_iter().filter_map(statement).collect()
}

fn received_by(statements: &[tributary_chain::Statement], account: AccountId) -> Amount {
    let mut rows = statements.iter().flat_map(|statement| &statement.rows);
    let last = rows.rfind(|row| row.account == account);
    last.map_or(Amount::new(0), |row| row.counters.received)
}

#[test]
fn a_settlement_is_made_once_whatever_happens_to_leaders() {
    for seed in 0..15 {
        let (mut cluster, hf, leader) = chains(seed);
        let request = cluster.deliver(leader, hf.delivery(0));
        cluster.run(300);
        assert_eq!(delivered(&cluster, request), Ok(1));
        cluster.commit(1);
        let leader = cluster.await_leader().unwrap();
        let batch = pay(&cluster.genesis, 1, 1, 250, START);
        let paid = cluster.submit_batch(leader, batch);
        cluster.run_until("the payment is final", |cluster| cluster.replies.contains_key(&paid));
        // The settlement falls due while leaders come and go.
        for _ in 0..4 {
            let pause_ms = cluster.draw(150);
            cluster.run(pause_ms);
            if let Some(leader) = cluster.leader() {
                cluster.crash_torn(leader);
                let pause_ms = cluster.draw(500);
                cluster.run(pause_ms);
                cluster.restart(leader);
            }
        }
        cluster.settle();
        cluster.run_until("the settlement", |cluster| !statements(cluster, 0).is_empty());
        cluster.settle();
        let sent = statements(&cluster, 0);
        let epochs: Vec<_> = sent.iter().map(|statement| statement.epoch).collect();
        assert_eq!(epochs, [1], "seed {seed}");
        assert_eq!(received_by(&sent, merchant(1)), Amount::new(250));
        for validator in cluster.validators() {
            assert_eq!(statements(&cluster, validator), sent, "seed {seed}");
        }
    }
}

#[test]
fn a_settlement_needs_no_traffic_to_fall_due() {
    let (mut cluster, hf, leader) = chains(99);
    cluster.deliver(leader, hf.delivery(0));
    cluster.commit(1);
    let batch = pay(&cluster.genesis, 1, 1, 100, START);
    cluster.submit_batch(leader, batch);
    let interval_ms = cluster.genesis.parameters.settlement_interval_ms;
    cluster.run(2 * interval_ms + 100);
    assert_eq!(statements(&cluster, leader).len(), 1);
    let height = cluster.height(leader);
    cluster.run(5_000);
    assert_eq!(cluster.height(leader), height, "settled and idle: no more blocks");
    assert!(cluster.replica(leader).ledger().header().time > TimeMs::new(START.get()));
}
