//! A replica that was away for longer than the log reaches is caught up by a
//! whole state; its archive becomes complete again, whoever serves it.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tributary_ledger::Parameters;
use tributary_replica::store::LogStore as _;
use tributary_storage::{LogLimits, RaftEngineLog};
use tributary_transport::{Handler, Identity, Listener, Role, Shortcuts};
use tributary_types::BlockHeight;
use tributary_types::payment::Payment;
use tributary_wire::node::{ArchivedBlock, NodeError, NodeReply, NodeRequest, Submitted};
use tributary_wire::query::{AnswerValue, HistoryEntry, Query};

use crate::cluster::{CHAIN, Cluster, Peer, eventually};
use crate::payments::{batch, customer, open_and_issue, transfer};

/// How long the ledger remembers an id.
const WINDOW_BACK_MS: u64 = 4_000;
/// The replica that is away.
const AWAY: usize = 2;

/// Every few blocks the state is saved and the log cut behind it.
fn cluster() -> Cluster {
    let parameters = Parameters { id_window_back_ms: WINDOW_BACK_MS, ..Parameters::default() };
    let mut cluster = Cluster::with(3, parameters);
    cluster.limits.checkpoint_after_blocks = 3;
    cluster.limits.log_tail_bytes = Some(0);
    for node in 0..3 {
        cluster.start(node);
    }
    cluster
}

type Paid = (Payment, Submitted);

/// Pays pennies, one block each.
fn pay(cluster: &Cluster, count: usize) -> Vec<Paid> {
    let pay = |_| {
        let payment = transfer(0, 1, 1);
        let paid = cluster.submit(&batch(&cluster.genesis, vec![], vec![payment]));
        assert!(paid.receipts[0].code.is_committed(), "{paid:?}");
        (payment, paid)
    };
    (0..count).map(pay).collect()
}

/// First and last index in the log of a node that does not run.
fn log_of(cluster: &Cluster, node: usize) -> (u64, u64) {
    let path = cluster.config(node).data_dir.join("log");
    let log = RaftEngineLog::open(&path, LogLimits::default()).unwrap().load(CHAIN).unwrap();
    let index = |entry: Option<&tributary_replica::store::LogEntry>| entry.map_or(0, |e| e.index);
    (index(log.entries.first()), index(log.entries.last()))
}

/// Payments while one replica is away, until no log reaches back to where it
/// was.
fn pay_beyond_the_log(cluster: &mut Cluster) -> Vec<Paid> {
    let (_, last) = log_of(cluster, AWAY);
    let mut paid = pay(cluster, 12);
    for node in 0..AWAY {
        eventually("the log is cut", || {
            paid.extend(pay(cluster, 3));
            cluster.kill(node);
            let (first, _) = log_of(cluster, node);
            cluster.start(node);
            cluster.wait_until_ready();
            (first > last + 1).then_some(())
        });
    }
    paid
}

fn status(peer: &Peer<'_>) -> Option<(BlockHeight, Option<usize>)> {
    let request = NodeRequest::Query { chain: CHAIN, query: Query::Status };
    let Ok(NodeReply::Answer(answer)) = peer.ask(&request) else { return None };
    let AnswerValue::Status(status) = answer.value else { return None };
    Some((answer.height, status.leader.map(usize::from)))
}

/// Stops whoever leads until the one that was away does.
fn make_it_lead(cluster: &mut Cluster) {
    eventually("it leads", || {
        let (_, leader) = status(&cluster.router(AWAY))?;
        let leader = leader?;
        if leader == AWAY {
            return Some(());
        }
        cluster.stop(leader);
        cluster.start(leader);
        None
    });
}

/// What the node answers once it has what that takes: that it is fetching a
/// block is no answer.
fn ask(cluster: &Cluster, node: usize, query: &Query) -> AnswerValue {
    let router = cluster.router(node);
    let request = NodeRequest::Query { chain: CHAIN, query: query.clone() };
    eventually("an answer", || match router.ask(&request) {
        Ok(NodeReply::Answer(answer)) => Some(answer.value),
        Ok(NodeReply::Error(NodeError::Unavailable(_))) | Err(_) => None,
        Ok(other) => panic!("{other:?}"),
    })
}

fn check_payment(cluster: &Cluster, node: usize, (payment, submitted): &Paid) {
    let AnswerValue::Payment(Some(found)) = ask(cluster, node, &Query::Payment(payment.id)) else {
        panic!("payment {} is not found", payment.id)
    };
    assert_eq!(found.payment, Some(*payment));
    assert_eq!(found.receipt, submitted.receipts[0]);
    assert_eq!(found.position.height(), submitted.height);
}

/// The whole history of customer 0, page by page.
fn history(cluster: &Cluster, node: usize) -> Vec<HistoryEntry> {
    let mut entries: Vec<HistoryEntry> = Vec::new();
    loop {
        let before = entries.last().map(|entry| entry.position);
        let query = Query::History { account: customer(0), before, limit: 100 };
        let AnswerValue::History(page) = ask(cluster, node, &query) else { panic!("no history") };
        if page.is_empty() {
            return entries;
        }
        entries.extend(page);
    }
}

#[test]
fn a_replica_that_was_away_answers_about_what_happened_meanwhile() {
    let mut cluster = cluster();
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    let mut paid = pay(&cluster, 3);
    cluster.kill(AWAY);
    paid.extend(pay_beyond_the_log(&mut cluster));
    cluster.start(AWAY);
    let last_away = paid.last().unwrap().0.id;
    eventually("the ledger has forgotten the ids", || {
        paid.extend(pay(&cluster, 1));
        let now = cluster.query(&Query::Books).time;
        (now > last_away.time().plus_ms(WINDOW_BACK_MS)).then_some(())
    });
    make_it_lead(&mut cluster);
    for paid in &paid {
        check_payment(&cluster, AWAY, paid);
    }
    let found: Vec<_> = history(&cluster, AWAY).iter().map(|entry| entry.payment).collect();
    let expected: Vec<_> = paid.iter().rev().map(|(payment, _)| *payment).collect();
    assert_eq!(found[..expected.len()], expected);
    assert_eq!(found.len(), expected.len() + 1, "and the issue");
}

/// A node whose answers are about blocks only, and wrong.
struct Liar {
    blocks: Vec<ArchivedBlock>,
    told: Mutex<Vec<BlockHeight>>,
}

impl Handler for Liar {
    fn admit(&self, _: &Identity) -> Result<(), String> {
        Ok(())
    }

    async fn request(self: Arc<Self>, _: Arc<Identity>, payload: Bytes) -> Result<Vec<u8>, String> {
        let request = tributary_wire::decode(&payload).map_err(|error| error.to_string())?;
        let NodeRequest::Blocks { from, to, .. } = request else {
            return Err("only blocks".to_owned());
        };
        let wanted = |block: &&ArchivedBlock| (to..=from).contains(&block.header.height);
        let mut served: Vec<_> = self.blocks.iter().filter(wanted).cloned().collect();
        // One payment less than there was.
        if let Some(block) = served.first_mut() {
            block.body.pop();
            self.told.lock().unwrap().push(block.header.height);
        }
        Ok(tributary_wire::encode(&NodeReply::Blocks(served)))
    }

    fn message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Ok(())
    }

    fn large_message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Ok(())
    }
}

/// Every block of a node's archive from a height down.
fn blocks_of(cluster: &Cluster, node: usize, from: BlockHeight) -> Vec<ArchivedBlock> {
    let link = cluster.link_as(Role::Node, "node-0", node);
    let peer = Peer { cluster, link };
    let request = NodeRequest::Blocks { chain: CHAIN, from, to: BlockHeight::new(1) };
    eventually("the archive is complete", || match peer.ask(&request) {
        Ok(NodeReply::Blocks(blocks)) if blocks.len() as u64 == from.get() => Some(blocks),
        Ok(NodeReply::Blocks(_)) | Err(_) => None,
        Ok(other) => panic!("{other:?}"),
    })
}

#[test]
fn a_peer_that_serves_forged_blocks_is_not_believed() {
    let mut cluster = cluster();
    cluster.submit(&open_and_issue(&cluster.genesis, 0..2));
    pay(&cluster, 3);
    cluster.kill(AWAY);
    let paid = pay_beyond_the_log(&mut cluster);
    let last = paid.last().unwrap().1.height;
    let honest = blocks_of(&cluster, 1, last);
    cluster.kill(0);
    let liar = Arc::new(Liar { blocks: honest.clone(), told: Mutex::default() });
    let credentials = cluster.credentials(Role::Node, "node-0");
    let entered = cluster.runtime.enter();
    let address = cluster.topology.nodes[0].address;
    let _listener =
        Listener::bind(address, &credentials, Shortcuts::Offered, Arc::clone(&liar)).unwrap();
    drop(entered);
    cluster.start(AWAY);
    let fetched = blocks_of(&cluster, AWAY, last);
    for (fetched, honest) in fetched.iter().zip(&honest) {
        assert_eq!(fetched.header, honest.header);
        assert_eq!(fetched.body, honest.body);
        assert_eq!(fetched.outcomes, honest.outcomes);
    }
    assert!(!liar.told.lock().unwrap().is_empty(), "it was asked, and lied");
}
