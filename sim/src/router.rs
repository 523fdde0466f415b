//! A router: groups orders by chain and institution, signs a batch for each
//! group, and asks whoever leads the chain until there is an answer, with the
//! same bytes every time. It keeps nothing durable.

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_chain::Batch;
use tributary_chain::batch::OwnerSignature;
use tributary_types::{ChainId, Encode, InstitutionId};

use crate::cluster::institution_key;
use crate::event::{Answer, Ask, Event, Told};
use crate::liars;
use crate::orders::{Item, OrderNumber};
use crate::stage::Stage;
use crate::trace::Place;

/// How long one replica is waited for before another is tried.
const ATTEMPT_US: u64 = 1_200_000;
/// How often a batch is tried before the router gives up.
const ATTEMPTS_MAX: u32 = 8;
/// Longest pause between two attempts.
const PAUSE_US_MAX: u64 = 150_000;
/// Batches under way; front-ends are turned away beyond it.
const TASKS_MAX: usize = 64;

/// See the module head.
pub struct Router {
    number: u16,
    life: u64,
    /// The validator that is believed to lead each chain.
    leaders: BTreeMap<ChainId, u16>,
    tasks: BTreeMap<u64, Task>,
    next_task: u64,
}

/// One batch under way.
struct Task {
    client: u16,
    /// In the order of the batch's outcomes.
    orders: Vec<OrderNumber>,
    chain: ChainId,
    bytes: Arc<[u8]>,
    attempt: u32,
    /// The question that is open; zero for none.
    call: u64,
}

impl Router {
    /// A router that has nothing to do.
    #[must_use]
    pub const fn new(number: u16) -> Self {
        Self { number, life: 1, leaders: BTreeMap::new(), tasks: BTreeMap::new(), next_task: 0 }
    }

    /// The process ends and begins again; front-ends hear nothing.
    pub fn restart(&mut self) {
        self.life += 1;
        self.leaders.clear();
        self.tasks.clear();
    }

    /// A front-end wants something done.
    pub fn submit(&mut self, client: u16, orders: &[OrderNumber], stage: &mut Stage) {
        if self.tasks.len() >= TASKS_MAX {
            let turned_away = orders.iter().map(|order| (*order, Told::Nothing)).collect();
            return self.tell(client, turned_away, stage);
        }
        let mut groups: BTreeMap<(ChainId, InstitutionId), Vec<OrderNumber>> = BTreeMap::new();
        for number in orders {
            let Some(order) = stage.orders.get(*number).cloned() else { continue };
            let chain = liars::route(self.number, order.chain, stage);
            groups.entry((chain, order.institution)).or_default().push(*number);
        }
        for ((chain, institution), orders) in groups {
            let (orders, batch) = self.batch(chain, institution, orders, stage);
            let signed = liars::signed(self.number, batch, stage);
            let mut bytes = liars::batch(signed, stage).to_bytes();
            liars::garble(&mut bytes, stage);
            self.next_task += 1;
            let task = Task { client, orders, chain, bytes: bytes.into(), attempt: 0, call: 0 };
            self.tasks.insert(self.next_task, task);
            self.attempt(self.next_task, stage);
        }
    }

    /// A task has waited long enough.
    pub fn due(&mut self, life: u64, number: u64, attempt: u32, stage: &mut Stage) {
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
        let found = self.tasks.iter_mut().find(|(_, task)| task.call == call);
        let Some((number, task)) = found.map(|(number, task)| (*number, task)) else { return };
        task.call = 0;
        match answer {
            Answer::Receipts { receipts, .. } => {
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
            _ => self.finish(number, Vec::new(), Told::Refused, stage),
        }
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
        let key = institution_key(institution, liars::key_number(institution, stage));
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
        let (from, to) = (Place::Router(self.number), Place::Client(client));
        stage.send(from, to, Event::Outcomes { client, outcomes });
    }
}
