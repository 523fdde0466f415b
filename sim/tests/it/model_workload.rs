//! What clients, operators, relays and liars ask of the ledgers: mostly what
//! makes sense, and now and then anything.

use std::collections::BTreeMap;

use tributary_chain::batch::OwnerSignature;
use tributary_chain::operation::OpenAccount;
use tributary_chain::{Action, Batch, Delivery, Operation};
use tributary_sim::model::Difference;
use tributary_sim::prng::{Chance, Prng};
use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, ChainId, Encode, InstitutionId, OutcomeCode,
    PaymentId, PaymentKind, PaymentRecord, Reference, SigningKey, Slot,
};

use crate::model_liars::forged;
use crate::model_operations::{random_action, registry_beyond_its_limits};
use crate::model_world::{BANK, EUR, GBP, HF, OTHER, USER_CHAINS, World, institution_key, key};

pub struct Workload {
    pub prng: Prng,
    pub world: World,
    pub pool: Pool,
    next_id: u64,
    /// Payments of the past, with the chain that they were sent to.
    past: Vec<(ChainId, Payment)>,
    operations: Vec<(ChainId, Operation)>,
    /// Deliveries that relays kept.
    kept: Vec<(ChainId, Delivery)>,
    codes: BTreeMap<OutcomeCode, u64>,
}

/// Accounts that may or may not be open.
pub struct Pool {
    pub users: Vec<AccountId>,
    pub merchants: Vec<AccountId>,
    pub others: Vec<AccountId>,
}

pub fn merchant_name(number: usize) -> String {
    format!("merchant{number}")
}

/// Every fourth user has an owner's key.
pub fn owner(user: AccountId) -> Option<SigningKey> {
    let serial = u32::try_from(user.get() & 0xffff_ffff).unwrap();
    serial.is_multiple_of(4).then(|| key(3, serial))
}

impl Workload {
    pub fn new(seed: u64) -> Self {
        let prng = Prng::new(seed);
        Self {
            world: World::new(&prng),
            pool: Pool::new(),
            prng: prng.fork("workload"),
            next_id: 0,
            past: Vec::new(),
            operations: Vec::new(),
            kept: Vec::new(),
            codes: BTreeMap::new(),
        }
    }

    /// How often each outcome was seen.
    pub const fn codes(&self) -> &BTreeMap<OutcomeCode, u64> {
        &self.codes
    }

    pub fn step(&mut self) -> Result<(), Difference> {
        match self.prng.below(100) {
            0..45 => self.batches(),
            45..75 => self.relay(),
            75..80 => {
                let chain = self.any_chain();
                self.world.restart(chain);
                Ok(())
            }
            _ => {
                let steps = [1, 50, 200, 200, 400, 400, 2_000, 2_000, 2_000, 20_000];
                let step = self.pick(&steps);
                self.world.now = self.world.now.plus_ms(step);
                let chain = self.any_chain();
                self.block(chain, Vec::new(), Vec::new())
            }
        }
    }

    /// Everything under way arrives.
    pub fn finish(&mut self) -> Result<(), Difference> {
        let chains: Vec<_> = self.world.ledgers.keys().copied().collect();
        for _ in 0..6 {
            self.world.now = self.world.now.plus_ms(500);
            for to in &chains {
                let from = chains.iter().filter(|from| *from != to);
                let carried = from.filter_map(|from| {
                    self.world.delivery(*from, *to, self.world.received(*to, *from), 900_000)
                });
                let carried = carried.collect();
                self.block(*to, Vec::new(), carried)?;
            }
        }
        Ok(())
    }

    /// More assets, keys and transfers than there may be.
    pub fn reach_limits(&mut self) -> Result<(), Difference> {
        let changes = registry_beyond_its_limits();
        let operation = |change| Operation { id: self.id(), action: Action::Register(change) };
        let operations = changes.into_iter().map(operation).collect();
        let batch = self.signed(HF, BANK, operations, Vec::new());
        self.block(HF, vec![batch], Vec::new())?;
        let [payer, .., payee] = self.pool.users.clone()[..] else { return Ok(()) };
        let (chain, issuer) = (USER_CHAINS[0], AccountId::issuer(OTHER, GBP, USER_CHAINS[0]));
        let open = OpenAccount { account: payer, asset: GBP, owner: None };
        let open = Operation { id: self.id(), action: Action::OpenAccount(open) };
        let issue = self.plain(PaymentKind::Issue, issuer, payer, 100_000);
        let begin = self.signed(chain, payer.institution(), vec![open], Vec::new());
        let fund = self.signed(chain, OTHER, Vec::new(), vec![issue]);
        self.block(chain, vec![begin, fund], Vec::new())?;
        for _ in 0..9 {
            let transfers = (0..1_000).map(|_| self.plain(PaymentKind::Transfer, payer, payee, 1));
            let transfers = transfers.collect();
            let batch = self.signed(chain, payer.institution(), Vec::new(), transfers);
            self.block(chain, vec![batch], Vec::new())?;
        }
        self.finish()
    }

    fn plain(
        &mut self,
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        minor: u128,
    ) -> PaymentRecord {
        let (id, amount, reference) = (self.id(), Amount::new(minor), Reference::default());
        PaymentRecord::from(&Payment { id, kind, debit, credit, amount, asset: GBP, reference })
    }

    fn signed(
        &self,
        chain: ChainId,
        sender: InstitutionId,
        operations: Vec<Operation>,
        payments: Vec<PaymentRecord>,
    ) -> Batch {
        let (cluster, key) = (self.world.genesis.hash(), institution_key(sender));
        Batch::sign(&cluster, chain, sender, &key, operations, payments, Vec::new())
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        *self.prng.pick(from).unwrap()
    }

    pub fn percent(&mut self, percent: u64) -> bool {
        self.prng.happens(Chance::percent(percent))
    }

    /// The asset that an account usually holds; now and then another one.
    pub fn asset_of(&mut self, account: AccountId) -> AssetId {
        if self.percent(4) {
            return self.pick(&[GBP, EUR, AssetId::new(3)]);
        }
        if account.get() % 5 == 4 { EUR } else { GBP }
    }

    pub fn institution(&mut self) -> InstitutionId {
        let third = InstitutionId::new(9);
        if self.percent(4) { third } else { self.pick(&[BANK, BANK, BANK, OTHER]) }
    }

    /// Users of a chain and sponsor; of all if there are none.
    pub fn users_of(&self, chain: ChainId, sponsor: InstitutionId) -> Vec<AccountId> {
        let routes = &self.world.genesis.routes;
        let users = self.pool.users.iter().copied();
        let found = users.filter(|user| {
            user.slot().map(|slot| routes.chain_of(slot)) == Some(chain)
                && user.institution() == sponsor
        });
        let found: Vec<_> = found.collect();
        if found.is_empty() { self.pool.users.clone() } else { found }
    }

    fn any_chain(&mut self) -> ChainId {
        self.pick(&[USER_CHAINS[0], USER_CHAINS[1], USER_CHAINS[2], HF])
    }

    fn block(
        &mut self,
        chain: ChainId,
        batches: Vec<Batch>,
        deliveries: Vec<Delivery>,
    ) -> Result<(), Difference> {
        let outcomes = self.world.block(chain, batches, deliveries)?.outcomes;
        let late = outcomes.late.iter().map(|(_, receipt)| receipt);
        for receipt in outcomes.receipts.iter().chain(late) {
            *self.codes.entry(receipt.code).or_default() += 1;
        }
        Ok(())
    }

    /// A block of batches, and now and then with deliveries before them.
    fn batches(&mut self) -> Result<(), Difference> {
        let chain = self.any_chain();
        let batches = (0..=self.prng.below(2)).map(|_| self.batch(chain)).collect();
        let deliveries = if self.percent(20) { self.deliveries(chain) } else { Vec::new() };
        self.block(chain, batches, deliveries)
    }

    fn batch(&mut self, chain: ChainId) -> Batch {
        let sender = self.institution();
        let (mut operations, mut payments, mut signatures) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..self.prng.below(4) {
            operations.push(self.operation(chain, sender));
        }
        for index in 0..self.pick(&[0, 1, 2, 5, 8, 12]) {
            let payment = self.payment(chain, sender);
            let mut bytes = PaymentRecord::from(&payment).to_bytes();
            if self.percent(1) {
                let at = self.prng.index(bytes.len());
                bytes[at] ^= 0x80;
            }
            let record: PaymentRecord = decode_exact(&bytes).unwrap();
            payments.push(record);
            if let Some(owner) = owner(payment.debit)
                && !self.percent(5)
            {
                let signer = if self.percent(5) { key(3, 0) } else { owner };
                let signature = signer.sign(&record.signing_hash(&self.world.genesis.hash()));
                signatures.push(OwnerSignature { payment: index, signature });
            }
        }
        let named = if self.percent(2) { self.any_chain() } else { chain };
        let signer = if self.percent(2) { OTHER } else { sender };
        let signer = institution_key(signer);
        let cluster = self.world.genesis.hash();
        Batch::sign(&cluster, named, sender, &signer, operations, payments, signatures)
    }

    fn id(&mut self) -> PaymentId {
        self.next_id += 1;
        let mut entropy = [0; 10];
        entropy[2..].copy_from_slice(&self.next_id.to_be_bytes());
        let now = self.world.now;
        let time = match self.prng.below(40) {
            0 => now.minus_ms(self.prng.below(60_000)),
            1 => now.plus_ms(self.prng.below(8_000)),
            _ => now,
        };
        PaymentId::new(time, entropy)
    }

    fn operation(&mut self, chain: ChainId, sender: InstitutionId) -> Operation {
        let again = self.prng.pick(&self.operations).cloned();
        if let (Some((_, known)), true) = (again, self.percent(8)) {
            return known;
        }
        let id = self.id();
        let operation = Operation { id, action: random_action(self, chain, sender) };
        self.operations.push((chain, operation.clone()));
        operation
    }

    fn payment(&mut self, chain: ChainId, sender: InstitutionId) -> Payment {
        if let (Some((_, known)), true) = (self.prng.pick(&self.past).copied(), self.percent(8)) {
            let reused = self.percent(30);
            let amount = if reused { Amount::new(77) } else { known.amount };
            return Payment { amount, ..known };
        }
        let (kind, debit, credit) =
            if self.percent(6) { self.any_movement() } else { self.usual_movement(chain, sender) };
        let amount = match self.prng.below(200) {
            0 => 0,
            1 => 1 << self.prng.below(128),
            2 => u128::MAX >> self.prng.below(3),
            _ if kind == PaymentKind::Issue => u128::from(self.prng.between(1, 2_000)),
            _ => u128::from(self.prng.between(1, 400)),
        };
        let payment = Payment {
            id: self.id(),
            kind,
            debit,
            credit,
            amount: Amount::new(amount),
            asset: if debit.class() == AccountClass::Issuer {
                self.asset_of(credit)
            } else {
                self.asset_of(debit)
            },
            reference: Reference::default(),
        };
        self.past.push((chain, payment));
        payment
    }

    fn usual_movement(
        &mut self,
        chain: ChainId,
        sender: InstitutionId,
    ) -> (PaymentKind, AccountId, AccountId) {
        let (users, merchants) = (self.pool.users.clone(), self.pool.merchants.clone());
        let sponsor = if self.percent(5) { OTHER } else { sender };
        let own = merchants.iter().copied().filter(|id| id.institution() == sponsor);
        let own: Vec<_> = own.collect();
        let merchant = self.pick(if own.is_empty() { &merchants } else { &own });
        let other = self.pick(&merchants);
        let local = self.users_of(chain, sponsor);
        let (user, anyone) = (self.pick(&local), self.pick(&users));
        let held = if chain == HF { merchant } else { user };
        let issuer = AccountId::issuer(sponsor, self.asset_of(held), chain);
        if chain == HF {
            return match self.prng.below(3) {
                0 => (PaymentKind::Transfer, merchant, other),
                1 => (PaymentKind::Issue, issuer, merchant),
                _ => (PaymentKind::Redeem, merchant, issuer),
            };
        }
        match self.prng.below(14) {
            0..3 => (PaymentKind::Issue, issuer, user),
            3..7 => (PaymentKind::Payment, user, other),
            7..9 => (PaymentKind::Refund, merchant, user),
            9 => (PaymentKind::Payout, merchant, user),
            10..13 => (PaymentKind::Transfer, user, anyone),
            _ => (PaymentKind::Redeem, user, issuer),
        }
    }

    fn any_movement(&mut self) -> (PaymentKind, AccountId, AccountId) {
        use PaymentKind::{Issue, Payment, Payout, Redeem, Refund, Transfer};
        let kind = self.pick(&[Payment, Refund, Payout, Transfer, Issue, Redeem]);
        let pool = &self.pool;
        let all: Vec<_> =
            [&pool.users, &pool.merchants, &pool.others].into_iter().flatten().copied().collect();
        (kind, self.pick(&all), self.pick(&all))
    }

    fn relay(&mut self) -> Result<(), Difference> {
        let to = self.any_chain();
        let deliveries = self.deliveries(to);
        self.block(to, Vec::new(), deliveries)
    }

    fn deliveries(&mut self, to: ChainId) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for _ in 0..=self.prng.below(2) {
            if let (Some((kept_to, kept)), true) =
                (self.prng.pick(&self.kept).cloned(), self.percent(15))
            {
                // Now and then it is brought to a chain that it is not for.
                if kept_to == to || self.percent(30) {
                    deliveries.push(kept);
                }
                continue;
            }
            let from = self.any_chain();
            if from == to {
                continue;
            }
            let after = self.world.received(to, from);
            let back = if self.percent(15) { self.prng.below(4) } else { 0 };
            let ahead = if self.percent(5) { 1 } else { 0 };
            let after = after.saturating_sub(back) + ahead;
            let bytes = self.pick(&[6_000, 8_000, 900_000]);
            let Some(delivery) = self.world.delivery(from, to, after, bytes) else { continue };
            self.kept.push((to, delivery.clone()));
            let delivery =
                if self.percent(20) { forged(&mut self.prng, delivery) } else { delivery };
            deliveries.push(decode_exact(&delivery.to_bytes()).unwrap());
        }
        deliveries
    }
}

impl Pool {
    fn new() -> Self {
        let slot = |number| Slot::new(number).unwrap();
        let mut users = Vec::new();
        for (number, place) in (0..).zip([3, 900, 2_000, 4_999, 6_000, 9_000, 9_001, 12_000]) {
            for sponsor in [BANK, OTHER] {
                let name = format!("user{number}").parse().unwrap();
                users.push(AccountId::named(AccountClass::User, sponsor, &name, slot(place)));
            }
        }
        let merchant = |number: u16| {
            let name = merchant_name(usize::from(number)).parse().unwrap();
            let sponsor = if number == 3 { OTHER } else { BANK };
            AccountId::named(AccountClass::Hf, sponsor, &name, slot(77 * number))
        };
        let chains = [USER_CHAINS[0], USER_CHAINS[1], HF];
        let issuers = chains.map(|chain| AccountId::issuer(BANK, GBP, chain));
        let controls = chains.map(|chain| AccountId::control(chain, USER_CHAINS[2], GBP));
        let others = issuers.into_iter().chain(controls).collect();
        Self { users, merchants: (0..5).map(merchant).collect(), others }
    }
}
