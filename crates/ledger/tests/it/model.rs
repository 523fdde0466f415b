//! Random workloads against a reference model: simple maps that predict every
//! outcome and every total, and share no code with the ledger. Three user
//! chains and the HF chain, relays that are late, repeat themselves and carry
//! only parts, restarts from checkpoints, accounts and merchants that freeze.
//! After every block the ledger validates itself; after every step the books
//! of the whole cluster must balance.

mod reference;

use std::collections::{BTreeMap, BTreeSet};

use tributary_chain::{AccountStatus, Delivery};
use tributary_types::payment::Payment;
use tributary_types::{AccountId, ChainId, OutcomeCode, PaymentKind, PaymentRecord, Receipt};

use self::reference::{Holding, Model, Shop};
use crate::harness::{BANK, HF, Item, World, amount, float};

const SEEDS: u64 = 12;
const STEPS: usize = 250;

/// xorshift64*, seeded: the same seed gives the same run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let value = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(value).unwrap() % limit
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

struct Run {
    world: World,
    model: Model,
    random: Random,
    user_chains: Vec<ChainId>,
    users: Vec<AccountId>,
    shops: Vec<AccountId>,
    /// Deliveries that relays kept; they may come again at any time.
    kept: Vec<(ChainId, Delivery)>,
}

#[test]
fn random_workloads_match_the_model() {
    for seed in 1..=SEEDS {
        let mut run = Run::new(seed);
        for _ in 0..STEPS {
            run.step();
            run.world.books();
        }
        run.finish();
    }
}

impl Run {
    fn new(seed: u64) -> Self {
        let mut world = World::new(3);
        let user_chains: Vec<_> = world.chains().into_iter().filter(|id| *id != HF).collect();
        let mut model = Model::new(world.genesis.routes.clone());
        let policies = [float(0, 0), float(50, 20), float(500, 500), float(0, 0)];
        let shops: Vec<_> = (0..)
            .zip(policies)
            .map(|(number, policy): (u32, _)| world.open_merchant(&format!("shop{number}"), policy))
            .collect();
        let mut users = Vec::new();
        for chain in &user_chains {
            for number in 0..4 {
                let user = world.open(&format!("user{number}-{chain}"), *chain, 1_000);
                model.users.insert(user, (1_000, AccountStatus::Open));
                users.push(user);
            }
        }
        model.shops.extend(shops.iter().map(|shop| (*shop, Shop::default())));
        let random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { world, model, random, user_chains, users, shops, kept: Vec::new() }
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0..35 => self.pay_on_a_user_chain(),
            35..45 => self.pay_on_the_hf_chain(),
            45..75 => self.relay_something(),
            75..85 => {
                let milliseconds = self.random.pick(&[1, 100, 250, 5_000, 90_000]);
                self.world.advance(milliseconds);
                let chain = self.random.pick(&self.world.chains());
                self.block(chain, &[]);
            }
            85..91 => self.change_a_status(),
            91..95 => self.resubmit(),
            _ => {
                let chain = self.random.pick(&self.world.chains());
                self.world.restart(chain);
            }
        }
    }

    fn pay_on_a_user_chain(&mut self) {
        let chain = self.random.pick(&self.user_chains.clone());
        let locals: Vec<_> =
            self.users.iter().copied().filter(|user| self.model.chain_of(*user) == chain).collect();
        let mut payments = Vec::new();
        for _ in 0..=self.random.below(12) {
            let user = self.random.pick(&locals);
            let shop = self.random.pick(&self.shops.clone());
            let issuer = self.world.issuer(chain);
            let minor = 1 + self.random.below(400) as u128;
            let anyone = self.random.pick(&self.users.clone());
            let (kind, debit, credit) = match self.random.below(10) {
                0..4 => (PaymentKind::Payment, user, shop),
                4 => (PaymentKind::Refund, shop, user),
                5 => (PaymentKind::Payout, shop, user),
                6 | 7 => (PaymentKind::Transfer, user, anyone),
                8 => (PaymentKind::Issue, issuer, user),
                _ => (PaymentKind::Redeem, user, issuer),
            };
            payments.push(self.world.payment(kind, debit, credit, minor));
        }
        self.block(chain, &payments);
    }

    fn pay_on_the_hf_chain(&mut self) {
        let mut payments = Vec::new();
        for _ in 0..=self.random.below(4) {
            let [one, other] = [(); 2].map(|()| self.random.pick(&self.shops.clone()));
            let issuer = self.world.issuer(HF);
            let minor = 1 + self.random.below(300) as u128;
            let (kind, debit, credit) = match self.random.below(3) {
                0 => (PaymentKind::Transfer, one, other),
                1 => (PaymentKind::Issue, issuer, one),
                _ => (PaymentKind::Redeem, one, issuer),
            };
            payments.push(self.world.payment(kind, debit, credit, minor));
        }
        self.block(HF, &payments);
    }

    /// Executes payments in a block; every receipt must be the predicted one.
    fn block(&mut self, chain: ChainId, payments: &[Payment]) {
        let mut holdings: BTreeMap<AccountId, Holding> =
            self.shops.iter().map(|shop| (*shop, self.holding(chain, *shop))).collect();
        let items: Vec<_> =
            payments.iter().map(|payment| Item::Pay(PaymentRecord::from(payment))).collect();
        let batch = self.world.batch(chain, BANK, &items);
        let batches = if items.is_empty() { Vec::new() } else { vec![batch] };
        let executed = self.world.block(chain, batches, Vec::new());
        for (payment, receipt) in payments.iter().zip(&executed.outcomes.receipts) {
            let predicted = self.model.predict(chain, payment, &mut holdings);
            assert_eq!(receipt.code, predicted, "{payment:?}");
            self.model.apply(chain, payment, receipt);
        }
        self.apply_late(chain, &executed.outcomes.late);
    }

    fn holding(&self, chain: ChainId, shop: AccountId) -> Holding {
        let ledger = self.world.ledger(chain);
        if let Some(merchant) = ledger.merchant(&shop) {
            let (balance, status) = (merchant.available.get(), merchant.status);
            return Holding { balance, waits: false, status };
        }
        let proxy = ledger.proxy(&shop).unwrap();
        Holding { balance: proxy.balance.get(), waits: proxy.waiting > 0, status: proxy.status }
    }

    fn relay_something(&mut self) {
        if !self.kept.is_empty() && self.random.below(6) == 0 {
            let index = self.random.below(self.kept.len());
            let (to, delivery) = self.kept[index].clone();
            let before = self.world.received(to, delivery.source());
            let cursor = self.deliver(to, delivery);
            assert_eq!(cursor, before, "an old delivery brings nothing");
            return;
        }
        let chains = self.world.chains();
        let (from, to) = (self.random.pick(&chains), self.random.pick(&chains));
        if from == to {
            return;
        }
        let bytes = self.random.pick(&[6_000, 8_000, 900_000]);
        let after = self.world.received(to, from);
        let delivery = self.world.delivery_after(from, to, after, bytes);
        let cursor = self.deliver(to, delivery.clone());
        assert_eq!(cursor, after + delivery.messages.len() as u64);
        self.kept.push((to, delivery));
    }

    fn deliver(&mut self, to: ChainId, delivery: Delivery) -> u64 {
        let executed = self.world.block(to, Vec::new(), vec![delivery]);
        self.apply_late(to, &executed.outcomes.late);
        *executed.deliveries[0].as_ref().unwrap()
    }

    fn change_a_status(&mut self) {
        let statuses = [
            AccountStatus::Open,
            AccountStatus::Open,
            AccountStatus::Frozen,
            AccountStatus::Closed,
        ];
        let status = self.random.pick(&statuses);
        if self.random.below(2) == 0 {
            let user = self.random.pick(&self.users.clone());
            let chain = self.model.chain_of(user);
            let code = self.world.set_account(chain, user, status);
            let in_transit = self.model.pending.values().any(|payment| payment.debit == user);
            let (balance, known) = self.model.users.get_mut(&user).unwrap();
            let expected = match (*known, status) {
                (from, to) if from == to => OutcomeCode::Committed,
                (AccountStatus::Closed, _) => OutcomeCode::StatusConflict,
                (_, AccountStatus::Closed) if *balance > 0 || in_transit => {
                    OutcomeCode::AccountNotEmpty
                }
                _ => OutcomeCode::Committed,
            };
            assert_eq!(code, expected);
            if code.is_committed() {
                *known = status;
            }
            let late = self.world.last[&chain].outcomes.late.clone();
            self.apply_late(chain, &late);
        } else if status == AccountStatus::Closed {
            let shop = self.random.pick(&self.shops.clone());
            let policy = self.random.pick(&[float(0, 0), float(30, 10), float(400, 100)]);
            assert_eq!(self.world.set_float(shop, policy), OutcomeCode::Committed);
        } else {
            let shop = self.random.pick(&self.shops.clone());
            assert_eq!(self.world.set_merchant(shop, status), OutcomeCode::Committed);
        }
    }

    /// A client that lost its answer, and one that reuses an id.
    fn resubmit(&mut self) {
        let known: Vec<_> = self.model.decided.keys().copied().collect();
        if known.is_empty() {
            return;
        }
        let (chain, payment, code) = self.model.decided[&self.random.pick(&known)];
        let other = Payment { amount: amount(payment.amount.get() + 1), ..payment };
        let expired = payment.id.time() < self.world.now.minus_ms(600_000)
            || payment.id.time() < self.world.ledger(chain).header().time.minus_ms(600_000);
        for (payment, expected) in [(payment, code), (other, OutcomeCode::IdReused)] {
            let receipt = self.world.pay_record(chain, &payment);
            let late = self.world.last[&chain].outcomes.late.clone();
            self.apply_late(chain, &late);
            let expected = if expired { OutcomeCode::Expired } else { expected };
            assert_eq!(receipt.code, expected);
            assert_eq!(receipt.replay, receipt.code == code && !expired);
        }
    }

    fn check_users(&self, chain: ChainId) {
        let ledger = self.world.ledger(chain);
        for user in self.users.iter().filter(|user| self.model.chain_of(**user) == chain) {
            let held = ledger.account(user).unwrap().balance.to_string();
            assert_eq!(held, self.model.users[user].0.to_string(), "{user}");
        }
    }

    /// Faults end: everything gets a definite outcome, and all totals agree.
    fn finish(&mut self) {
        for shop in self.shops.clone() {
            self.world.set_merchant(shop, AccountStatus::Open);
            self.world.set_float(shop, float(0, 0));
        }
        for _ in 0..6 {
            self.world.advance(200);
            for chain in self.world.chains() {
                self.block(chain, &[]);
            }
            for from in self.world.chains() {
                for to in self.world.chains().into_iter().filter(|to| *to != from) {
                    let delivery = self.world.delivery(from, to);
                    self.deliver(to, delivery);
                }
            }
        }
        assert!(self.model.pending.is_empty(), "{:?}", self.model.pending);
        for (user, (balance, _)) in &self.model.users {
            let held = self.world.balance(self.model.chain_of(*user), *user);
            assert_eq!(held, balance.to_string());
        }
        for (shop, expected) in &self.model.shops {
            let merchant = self.world.ledger(HF).merchant(shop).unwrap();
            let found = (merchant.received.get(), merchant.refunded.get(), merchant.payments);
            assert_eq!(found, (expected.received, expected.refunded, expected.payments));
            let net = expected.received + expected.brought - expected.refunded - expected.taken;
            assert_eq!(merchant.balance.to_string(), net.to_string());
            assert_eq!(merchant.available.get(), net, "nothing stays below without a float");
        }
        for (id, (chain, _, code)) in &self.model.decided {
            if let Some(remembered) = self.world.ledger(*chain).payment(id) {
                assert_eq!(remembered.code, *code);
            }
        }
        let ids: BTreeSet<_> = self.model.decided.keys().collect();
        assert!(ids.len() > STEPS, "the workload is too thin to mean anything");
        assert!(self.world.books().assets[0].in_flight.is_zero());
    }

    fn apply_late(&mut self, chain: ChainId, late: &[(PaymentRecord, Receipt)]) {
        self.model.apply_late(chain, late);
        self.check_users(chain);
    }
}
