//! A router: groups orders by chain and institution, signs a batch for each
//! group, and asks whoever leads the chain until there is an answer, with the
//! same bytes every time. The chain it finds in the route table that it holds.
//! It keeps nothing durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_chain::Batch;
use tributary_chain::batch::OwnerSignature;
use tributary_types::{ChainId, Encode, InstitutionId, OutcomeCode, Receipt};

use crate::cluster::institution_key;
use crate::event::{Answer, Ask, Event, Told};
use crate::liars::{self, clients::Lie};
use crate::orders::{Item, OrderNumber};
use crate::routes::{Routes, chain_of};
use crate::stage::Stage;
use crate::trace::Place;

/// How long one replica is waited for before another is tried.
const ATTEMPT_US: u64 = 1_200_000;
/// How often a batch is tried before the router gives up.
const ATTEMPTS_MAX: u32 = 8;
/// Longest pause between two attempts.
const PAUSE_US_MAX: u64 = 150_000;
/// Between two questions for the route table.
const ROUTES_US: u64 = 500_000;
/// The number of the question for the route table; tasks count from 1.
const ROUTES_TASK: u64 = 0;
/// Batches under way; front-ends are turned away beyond it.
const TASKS_MAX: usize = 64;

/// See the module head.
pub struct Router {
    number: u16,
    life: u64,
    routes: Routes,
    /// The question for the route table that is open; zero for none.
    routes_call: u64,
    /// A question for the route table was put a short while ago.
    has_asked: bool,
    /// The validator of the HF chain that is asked for the route table next.
    routes_turn: u16,
    /// The validator that is believed to lead each chain.
    leaders: BTreeMap<ChainId, u16>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
}

/// One batch under way.
struct Task {
    client: u16,
    /// In the order of the batch's outcomes; none if nobody asked for it.
    orders: Vec<OrderNumber>,
    /// What it is if nobody asked for it.
    lie: Option<Lie>,
    chain: ChainId,
    bytes: Arc<[u8]>,
    attempt: u32,
    /// The question that is open; zero for none.
    call: u64,
}

impl Router {
    /// A router that has nothing to do, but to learn the route table.
    #[must_use]
    pub fn new(number: u16, stage: &mut Stage) -> Self {
        let mut router = Self {
            number,
            life: 1,
            routes: Routes::new(number, stage),
            routes_call: 0,
            has_asked: false,
            routes_turn: number,
            leaders: BTreeMap::new(),
            tasks: BTreeMap::new(),
            next_task: ROUTES_TASK,
        };
        router.ask_routes(stage);
        router
    }

    /// The process ends and begins again; front-ends hear nothing.
    pub fn restart(&mut self, stage: &mut Stage) {
        self.life += 1;
        self.leaders.clear();
        self.tasks.clear();
        self.routes = Routes::new(self.number, stage);
        (self.routes_call, self.has_asked) = (0, false);
        self.ask_routes(stage);
    }

    /// A front-end wants something done.
    pub fn submit(&mut self, client: u16, orders: &[OrderNumber], stage: &mut Stage) {
        if self.tasks.len() >= TASKS_MAX {
            let turned_away = orders.iter().map(|order| (*order, Told::Nothing)).collect();
            return self.tell(client, turned_away, stage);
        }
        let lie = liars::routers::table(self.number, stage);
        let routes = lie.as_ref().unwrap_or(self.routes.table());
        let mut groups: BTreeMap<(ChainId, InstitutionId), Vec<OrderNumber>> = BTreeMap::new();
        for number in orders {
            let Some(order) = stage.orders.get(*number) else { continue };
            let group = (chain_of(order, routes), order.institution);
            groups.entry(group).or_default().push(*number);
        }
        for ((chain, institution), orders) in groups {
            let (orders, batch) = self.batch(chain, institution, orders, stage);
            let signed = liars::routers::signed(self.number, batch, stage);
            let forgery = liars::clients::beside(&signed, stage);
            let mut bytes = signed.to_bytes();
            liars::garble(&mut bytes, stage);
            self.begin(client, orders, None, chain, bytes, stage);
            if let Some(forgery) = forgery {
                let bytes = forgery.batch.to_bytes();
                let lie = Some(forgery.lie);
                self.begin(client, Vec::new(), lie, forgery.chain, bytes, stage);
            }
        }
    }

    fn begin(
        &mut self,
        client: u16,
        orders: Vec<OrderNumber>,
        lie: Option<Lie>,
        chain: ChainId,
        bytes: Vec<u8>,
        stage: &mut Stage,
    ) {
        self.next_task += 1;
        let task = Task { client, orders, lie, chain, bytes: bytes.into(), attempt: 0, call: 0 };
        self.tasks.insert(self.next_task, task);
        self.attempt(self.next_task, stage);
    }

    /// A task has waited long enough.
    pub fn due(&mut self, life: u64, number: u64, attempt: u32, stage: &mut Stage) {
        if life == self.life && number == ROUTES_TASK {
            self.has_asked = false;
            return self.ask_routes(stage);
        }
        let is_due = self.tasks.get(&number).is_some_and(|task| task.attempt == attempt);
        if life != self.life || !is_due {
            return;
        }
        if self.tasks.get(&number).is_some_and(|task| task.call != 0) {
            self.move_on(number, None, stage);
        }
        self.attempt(number, stage);
    }

    /// A node answers.
    pub fn answer(&mut self, call: u64, answer: &Answer, stage: &mut Stage) {
        if call == self.routes_call {
            self.routes_call = 0;
            if let Answer::Routes(Some(proof)) = answer {
                self.routes.offer(proof, stage);
            }
            return;
        }
        let found = self.tasks.iter_mut().find(|(_, task)| task.call == call);
        let Some((number, task)) = found.map(|(number, task)| (*number, task)) else { return };
        task.call = 0;
        match answer {
            Answer::Receipts { receipts, .. } => {
                match &task.lie {
                    Some(lie) => liars::clients::executed(lie, receipts, stage),
                    None => self.follow(receipts, stage),
                }
                let told = receipts.iter().copied().map(Told::Outcome).collect();
                self.finish(number, told, Told::Nothing, stage);
            }
            Answer::NotLeader(hint) => {
                self.move_on(number, *hint, stage);
                self.pause(number, PAUSE_US_MAX, stage);
            }
            Answer::Overloaded { retry_after_ms } => {
                self.pause(number, retry_after_ms * 1_000, stage);
            }
            Answer::Unknown => self.pause(number, PAUSE_US_MAX, stage),
            _ => {
                if let Some(lie) = &task.lie {
                    liars::clients::not_admitted(lie, stage);
                }
                self.finish(number, Vec::new(), Told::Refused, stage);
            }
        }
    }

    /// A chain goes by a later table than this router, perhaps.
    fn follow(&mut self, receipts: &[Receipt], stage: &mut Stage) {
        let moved = receipts.iter().filter(|receipt| receipt.code == OutcomeCode::Moved);
        let versions = moved.filter_map(|receipt| u64::try_from(receipt.detail.get()).ok());
        if let Some(version) = versions.max() {
            self.routes.want(version);
            let is_behind = self.routes.wants();
            stage.trace.count(if is_behind { "moved: by a later table" } else { "moved" });
            self.ask_routes(stage);
        }
    }

    /// Asks the HF chain for the table, if there is something to learn and it
    /// was not asked a short while ago.
    fn ask_routes(&mut self, stage: &mut Stage) {
        if self.has_asked || !self.routes.wants() {
            return;
        }
        self.has_asked = true;
        let (router, life, task) = (self.number, self.life, ROUTES_TASK);
        stage.after(ROUTES_US, Event::RouterDue { router, life, task, attempt: 0 });
        let chain = stage.cluster.hf;
        self.routes_turn = (self.routes_turn + 1) % stage.cluster.replicas();
        self.routes_call = stage.next_call();
        let node = stage.cluster.home(chain, self.routes_turn);
        let (from, call) = (Place::Router(self.number), self.routes_call);
        stage.send(
            from,
            Place::Node(node),
            Event::Call { node, from, call, chain, ask: Ask::Routes },
        );
    }

    /// Batches that are under way.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.tasks.len()
    }

    /// One signed batch, and the orders in the order of its outcomes.
    fn batch(
        &self,
        chain: ChainId,
        institution: InstitutionId,
        orders: Vec<OrderNumber>,
        stage: &mut Stage,
    ) -> (Vec<OrderNumber>, Batch) {
        let (mut operations, mut payments, mut owner_signatures) = (vec![], vec![], vec![]);
        let (mut first, mut second) = (vec![], vec![]);
        for number in orders {
            let Some(order) = stage.orders.get(number) else { continue };
            match &order.item {
                Item::Do(operation) => {
                    operations.push(operation.clone());
                    first.push(number);
                }
                Item::Pay(record, signature) => {
                    let payment = u32::try_from(payments.len()).unwrap_or(u32::MAX);
                    owner_signatures
                        .extend(signature.map(|signature| OwnerSignature { payment, signature }));
                    payments.push(*record);
                    second.push(number);
                }
            }
        }
        first.extend(second);
        let key = institution_key(institution, liars::routers::key_number(institution, stage));
        let cluster = &stage.cluster.hash;
        (
            first,
            Batch::sign(cluster, chain, institution, &key, operations, payments, owner_signatures),
        )
    }

    fn attempt(&mut self, number: u64, stage: &mut Stage) {
        let Some(task) = self.tasks.get_mut(&number) else { return };
        if task.attempt == ATTEMPTS_MAX {
            return self.finish(number, Vec::new(), Told::Nothing, stage);
        }
        let chain = task.chain;
        let validator = self.leaders.get(&chain).copied().unwrap_or(0);
        task.call = stage.next_call();
        task.attempt += 1;
        let (router, life, attempt) = (self.number, self.life, task.attempt);
        stage.after(ATTEMPT_US, Event::RouterDue { router, life, task: number, attempt });
        let node = stage.cluster.home(chain, validator);
        let (from, call) = (Place::Router(self.number), task.call);
        let ask = Ask::Submit(Arc::clone(&task.bytes));
        stage.send(from, Place::Node(node), Event::Call { node, from, call, chain, ask });
    }

    fn pause(&mut self, number: u64, longest_us: u64, stage: &mut Stage) {
        let Some(task) = self.tasks.get_mut(&number) else { return };
        let (router, life, attempt) = (self.number, self.life, task.attempt);
        let pause_us = stage.process_prng.between(longest_us / 4, longest_us);
        stage.after(pause_us, Event::RouterDue { router, life, task: number, attempt });
    }

    /// Somebody else may lead.
    fn move_on(&mut self, number: u64, hint: Option<u16>, stage: &Stage) {
        let Some(task) = self.tasks.get(&number) else { return };
        let leader = self.leaders.entry(task.chain).or_insert(0);
        *leader = hint.unwrap_or((*leader + 1) % stage.cluster.replicas());
    }

    /// Answers the front-end and forgets the task; `other` is what there is to
    /// say of orders beyond those that were told.
    fn finish(&mut self, number: u64, mut told: Vec<Told>, other: Told, stage: &mut Stage) {
        let Some(task) = self.tasks.remove(&number) else { return };
        told.resize(task.orders.len(), other);
        let outcomes = task.orders.into_iter().zip(told).collect();
        self.tell(task.client, outcomes, stage);
    }

    fn tell(&self, client: u16, outcomes: Vec<(OrderNumber, Told)>, stage: &mut Stage) {
        if outcomes.is_empty() {
            return;
        }
        let (from, to) = (Place::Router(self.number), Place::Client(client));
        stage.send(from, to, Event::Outcomes { client, outcomes });
    }
}
