//! What must hold, whatever goes wrong. One file for each promise; here is the
//! table of them and who calls which when.
//!
//! The first violation ends a run. Checkers see what the machines do, not what
//! they say: blocks as they are executed, bytes as they are sent, disks as they
//! are.
//!
//! | checker | promise |
//! | --- | --- |
//! | agreement | replicas execute equal headers at every height; block time never goes back |
//! | time | no single wrong clock drags block time into the future |
//! | certificates | a certificate is of a header that was executed, by a quorum of the set |
//! | once | an id moves money at most once; a replay tells the first outcome |
//! | channels | messages arrive once each, in order, all of them, as they were sent |
//! | conservation | books balance on each chain after each block, and over all chains |
//! | balances | no account is negative but issuers and control accounts |
//! | state | every invariant of a state holds after each block, its hashes now and then |
//! | model | every outcome and every total is what the reference model says |
//! | acknowledged | what was acknowledged is durable on a quorum and never changes |
//! | concluded | what a front-end takes for the end of its order is what the chain decided |
//! | durability | no vote or append is promised before it is durable |
//! | proofs | every row of a certified state has a proof that holds for that header only |
//! | encoding | what a replica says to its peers decodes |
//! | replies | every request gets at most one answer, of its own kind |
//! | reads | a read sees all that was acknowledged before it |
//! | bounds | queues, logs and outboxes stay within their named limits |
//! | restart | a process starts again from whatever a crash left; damage is noticed |
//! | liveness | after the faults all is decided, settled, received and equal, and time moves on |

mod acknowledged;
mod agreement;
mod balances;
mod bounds;
mod certificates;
mod channels;
mod concluded;
mod conservation;
mod durability;
mod liveness;
mod model;
mod once;
mod proofs;
mod state;
mod time;

use std::collections::BTreeSet;

use tributary_chain::{Body, Certificate, Header};
use tributary_ledger::Ledger;
use tributary_replica::store::Checkpoint;
use tributary_replica::{ExecutedBlock, ReplicaStatus};
use tributary_types::codec::decode_exact;
use tributary_types::{BlockHeight, ChainId, Hash, OutcomeCode, TimeMs};

use crate::auditor::Auditor;
use crate::cluster::Cluster;
use crate::disk::Disk;
use crate::orders::{Order, OrderNumber};
use crate::prng::{Chance, Prng};
use crate::scenario::Scenario;

pub use acknowledged::Told;
pub use liveness::{Surroundings, under_way, unfinished};

/// Runs in which whole states are looked at after every block.
const THOROUGH: Chance = Chance::percent(10);
/// Blocks between two such looks in all others.
const BLOCKS_BETWEEN: u64 = 16;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which checker saw it.
    pub checker: &'static str,
    /// What it saw.
    pub text: String,
}

/// Where and when a block is executed.
#[derive(Clone, Copy)]
pub struct Witness<'a> {
    /// The node.
    pub node: u16,
    /// The true time.
    pub now: TimeMs,
    /// The ledger; it may be further than the block.
    pub ledger: &'a Ledger,
    /// All nodes' disks.
    pub disks: &'a [Disk],
}

/// See the module head.
pub struct Checks {
    violation: Option<Violation>,
    agreement: agreement::Agreement,
    certificates: certificates::Certificates,
    once: once::Once,
    channels: channels::Channels,
    conservation: conservation::Conservation,
    predicted: model::Predicted,
    balances: balances::Balances,
    acknowledged: acknowledged::Acknowledged,
    concluded: concluded::Concluded,
    bounds: bounds::Bounds,
    proofs: proofs::Proofs,
    state: state::State,
    time: time::Time,
    auditor: Auditor,
    /// Chains that were idle after the faults and moved on in time for a read.
    moved_on: BTreeSet<ChainId>,
    /// Nodes whose stored bytes were changed, with the chain.
    damaged: BTreeSet<(u16, ChainId)>,
    /// Blocks that were executed, over all chains.
    blocks: u64,
}

impl Checks {
    /// Checkers that have seen nothing.
    ///
    /// # Errors
    /// What is wrong with the cluster.
    pub fn new(scenario: &Scenario, cluster: &Cluster) -> Result<Self, String> {
        let every = blocks_between(scenario);
        Ok(Self {
            violation: None,
            agreement: agreement::Agreement::new(cluster),
            certificates: certificates::Certificates::default(),
            once: once::Once::default(),
            channels: channels::Channels::default(),
            conservation: conservation::Conservation::new(every),
            predicted: model::Predicted::new(cluster, every),
            balances: balances::Balances::new(cluster),
            acknowledged: acknowledged::Acknowledged::new(cluster),
            concluded: concluded::Concluded::new(scenario.parameters.id_window_back_ms),
            bounds: bounds::Bounds::new(scenario),
            proofs: proofs::Proofs::new(cluster, every),
            state: state::State::new(every),
            time: time::Time::new(scenario),
            auditor: Auditor::new(cluster, &Prng::new(scenario.seed))?,
            moved_on: BTreeSet::new(),
            damaged: BTreeSet::new(),
            blocks: 0,
        })
    }

    /// The first violation.
    #[must_use]
    pub const fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Blocks that were executed, over all chains.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// A promise was broken; only the first is kept.
    pub fn violate(&mut self, checker: &'static str, text: String) {
        self.violation.get_or_insert(Violation { checker, text });
    }

    /// The height of a chain, as far as any replica executed it.
    #[must_use]
    pub fn height(&self, chain: ChainId) -> BlockHeight {
        self.agreement.height(chain)
    }

    /// The height up to which somebody was told receipts.
    #[must_use]
    pub fn acknowledged_height(&self, chain: ChainId) -> BlockHeight {
        self.acknowledged.height(chain)
    }

    /// The running digest of a channel after so many messages, as was sent.
    #[must_use]
    pub fn digest(&self, from: ChainId, to: ChainId, sequence: u64) -> Option<Hash> {
        self.channels.digest(from, to, sequence)
    }

    /// A replica executed a block; its ledger may be further by now.
    pub fn executed(&mut self, block: &ExecutedBlock, witness: &Witness<'_>) {
        let header = &block.header;
        let Witness { node, now, ledger, disks } = *witness;
        match self.agreement.executed(header, node) {
            Ok(true) => {}
            Ok(false) => return,
            Err(text) => return self.violate("agreement", text),
        }
        self.blocks += 1;
        let time = self.time.executed(header, now);
        self.check("time", time);
        let Ok(body) = decode_exact::<Body>(&block.body) else {
            return self.violate("agreement", "an executed body does not decode".to_owned());
        };
        let once = self.once.executed(header.chain, &body, &block.outcomes);
        self.check("once", once);
        let told = self.acknowledged.executed(header, &block.body, &block.outcomes, disks);
        self.check("acknowledged", told);
        let predicted = self.predicted.executed(header, &body, &block.outcomes);
        self.check("model", predicted);
        self.concluded.executed(header, &body, &block.outcomes);
        self.auditor.executed(block);
        self.channels.ordered(header.chain, body.deliveries);
        if ledger.header() == header {
            self.state(ledger);
        }
    }

    /// The newest state of a chain.
    fn state(&mut self, ledger: &Ledger) {
        let channels = self.channels.state(ledger);
        self.check("channels", channels);
        let conservation = self.conservation.state(ledger);
        self.check("conservation", conservation);
        let balances = self.balances.state(ledger);
        self.check("balances", balances);
        let predicted = self.predicted.state(ledger);
        self.check("model", predicted);
        let state = self.state.state(ledger);
        self.check("state", state);
    }

    /// A replica says that a header is certified.
    pub fn certified(
        &mut self,
        header: &Header,
        certificate: &Certificate,
        cluster: &Cluster,
        node: u16,
        ledger: &Ledger,
    ) {
        let proofs = self.proofs.certified(header, certificate, ledger);
        self.check("proofs", proofs);
        let audited = self.auditor.certified(header, certificate, ledger);
        self.check("proofs", audited);
        let hash = self.agreement.hash(header);
        let certified = self.certificates.certified(header, &hash, certificate, cluster);
        self.check("certificates", certified);
        let known = self.agreement.known(header, node);
        self.check("certificates", known);
    }

    /// A replica whose log ends at `log_last` has a state to save: executed, or
    /// installed from another.
    pub fn checkpoint(&mut self, checkpoint: &Checkpoint, node: u16, log_last: u64) {
        let known = self.agreement.known(&checkpoint.header, node);
        self.check("agreement", known);
        self.bounds.save_begins(node, checkpoint.header.chain, log_last);
    }

    /// That state is saved.
    pub fn saved(&mut self, node: u16, chain: ChainId, log_last: u64) {
        self.bounds.save_ends(node, chain, log_last);
    }

    /// A replica answers a batch.
    pub fn acknowledged(&mut self, told: Told, disks: &[Disk]) {
        let told = self.acknowledged.told(told, disks);
        self.check("acknowledged", told);
    }

    /// A read of a chain is answered at `height`; when it came, receipts of
    /// `acknowledged` had been told.
    pub fn read(&mut self, chain: ChainId, acknowledged: BlockHeight, height: BlockHeight) {
        if height < acknowledged {
            let text =
                format!("chain {chain}: a read sees height {height}, told was {acknowledged}");
            self.violate("reads", text);
        }
    }

    /// A read that wanted a later block time than a chain had is answered with
    /// one, after the faults.
    pub fn moved_on(&mut self, chain: ChainId) {
        self.moved_on.insert(chain);
    }

    /// Whether such a read was answered.
    #[must_use]
    pub fn has_moved_on(&self, chain: ChainId) -> bool {
        self.moved_on.contains(&chain)
    }

    /// A node sends bytes to another validator.
    pub fn sent(&mut self, chain: ChainId, node: u16, bytes: &[u8], disks: &[Disk]) {
        if let Some(disk) = disks.get(usize::from(node)) {
            let sent = durability::sent(chain, bytes, disk);
            self.check(
                "durability",
                sent.map_err(|text| format!("node {node} chain {chain}: {text}")),
            );
        }
    }

    /// An order that had a definite outcome was asked for again.
    pub fn asked_again(&mut self, order: OrderNumber, known: OutcomeCode, code: OutcomeCode) {
        let again = acknowledged::asked_again(order, known, code);
        self.check("acknowledged", again);
    }

    /// A front-end asks no more about an order: this is what it was told, or
    /// nothing but that it was not admitted.
    pub fn concludes(&mut self, number: OrderNumber, order: &Order, code: Option<OutcomeCode>) {
        self.concluded.concludes(number, order, code);
    }

    /// Somebody changed stored bytes of a chain on a node.
    pub fn damage(&mut self, node: u16, chain: ChainId) {
        self.damaged.insert((node, chain));
    }

    /// A replica has started.
    pub fn started(&mut self, node: u16, chain: ChainId) {
        if self.damaged.contains(&(node, chain)) {
            self.violate("restart", format!("node {node} starts chain {chain} from changed bytes"));
        }
    }

    /// A replica does not start. Returns whether that is for good.
    pub fn refused_to_start(&mut self, node: u16, chain: ChainId, error: &str) -> bool {
        if !self.damaged.contains(&(node, chain)) {
            self.violate("restart", format!("node {node} chain {chain}: {error}"));
        }
        true
    }

    /// How a replica is doing.
    pub fn inspect(&mut self, node: u16, status: &ReplicaStatus, ledger: &Ledger) {
        let bounded = self.bounds.replica(node, status, ledger);
        let chain = ledger.chain();
        self.check("bounds", bounded.map_err(|text| format!("node {node} chain {chain}: {text}")));
    }

    /// How a node's surroundings are doing.
    pub fn inspect_queues(&mut self, what: &str, found: usize, limit: usize) {
        if found > limit {
            self.violate("bounds", format!("{found} {what}, at most {limit} are allowed"));
        }
    }

    /// Everything is over: the books must balance to the end, and every state is
    /// whole and what the model says.
    pub fn finish<'a>(&mut self, ledgers: impl Iterator<Item = &'a Ledger>) {
        for ledger in ledgers {
            let predicted = self.predicted.whole(ledger);
            self.check("model", predicted);
            self.check("state", state::State::whole(ledger));
        }
        let books = self.conservation.finish();
        self.check("conservation", books);
        let told = self.acknowledged.finish();
        self.check("acknowledged", told);
        let concluded = self.concluded.finish();
        self.check("concluded", concluded);
    }

    fn check(&mut self, checker: &'static str, result: Result<(), String>) {
        if let Err(text) = result {
            self.violate(checker, text);
        }
    }
}

/// Blocks of all chains between two looks at whole states: they cost more than
/// the blocks. In some runs there are none in between.
fn blocks_between(scenario: &Scenario) -> u64 {
    let is_thorough = Prng::new(scenario.seed).fork("thorough").happens(THOROUGH);
    if is_thorough { 1 } else { BLOCKS_BETWEEN }
}
