//! A small cluster in memory, busy enough that every kind of message, row and
//! proof exists: what valid inputs are taken from.
//!
//! Everything is fixed (keys, times, ids), so a sample is the same in every run.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tributary_chain::certificate::Vote;
use tributary_chain::channel::DELIVERY_BYTES_MAX;
use tributary_chain::operation::{
    AssetEntry, FloatPolicy, InstitutionEntry, OpenAccount, OpenMerchant, SetFloat,
};
use tributary_chain::{Action, Batch, Body, Certificate, ClockReport, Delivery, Header, Operation};
use tributary_ledger::{ChainKind, ChainSpec, Executed, Genesis, Ledger, Parameters};
use tributary_routing::RouteTable;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, ChainId, Encode, InstitutionId, PaymentId,
    PaymentKind, PaymentRecord, Reference, SigningKey, Slot, TimeMs,
};

/// The asset of every account.
pub const ASSET: AssetId = AssetId::new(1);
/// The operator, which sponsors everything.
pub const BANK: InstitutionId = InstitutionId::new(7);
/// The chain that holds merchants.
pub const HF: ChainId = ChainId::new(9);
/// The first user chain.
pub const ONE: ChainId = ChainId::new(1);
/// The second user chain.
pub const TWO: ChainId = ChainId::new(2);
/// Validators of each chain; a quorum is one less.
const VALIDATORS: u16 = 3;
/// Block time of height 0.
const CREATED: TimeMs = TimeMs::new(1_760_000_000_000);

/// A cluster without a network.
pub struct World {
    /// What everything is verified against.
    pub genesis: Genesis,
    /// The state of each chain.
    pub ledgers: BTreeMap<ChainId, Ledger>,
    /// Every block: its chain, body and result.
    pub blocks: Vec<(ChainId, Body, Executed)>,
    /// Every delivery that was carried.
    pub deliveries: Vec<Delivery>,
    now: TimeMs,
    ids: u64,
}

/// The one world of this process.
pub static WORLD: LazyLock<World> = LazyLock::new(World::busy);

/// The key of a chain's validator.
#[must_use]
pub fn validator_key(chain: ChainId, index: u16) -> SigningKey {
    let mut seed = [1; 32];
    seed[..2].copy_from_slice(&chain.get().to_le_bytes());
    seed[2..4].copy_from_slice(&index.to_le_bytes());
    SigningKey::from_seed(seed)
}

/// A user account on a chain.
#[must_use]
pub fn user(genesis: &Genesis, name: &str, chain: ChainId) -> AccountId {
    let range = genesis.routes.user_ranges().iter().find(|range| range.chain == chain);
    let slot = range.expect("the genesis routes slots to every user chain").first;
    let name = name.parse().expect("names of samples are valid");
    AccountId::named(AccountClass::User, BANK, &name, slot)
}

/// A merchant.
#[must_use]
pub fn merchant(name: &str) -> AccountId {
    let name = name.parse().expect("names of samples are valid");
    AccountId::named(AccountClass::Hf, BANK, &name, Slot::new(5).expect("5 is a slot"))
}

fn bank_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

fn genesis() -> Genesis {
    let spec = |(id, kind)| ChainSpec {
        id,
        kind,
        validators: (0..VALIDATORS).map(|index| validator_key(id, index).public()).collect(),
    };
    let kinds = [(ONE, ChainKind::User), (TWO, ChainKind::User), (HF, ChainKind::Hf)];
    let genesis = Genesis {
        cluster: "samples".to_owned(),
        created: CREATED,
        chains: kinds.map(spec).into(),
        assets: vec![AssetEntry { id: ASSET, code: "GBP".parse().expect("a code"), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: BANK,
            name: "bank".parse().expect("a name"),
            keys: vec![bank_key().public()],
            operator: true,
        }],
        routes: RouteTable::even(3, &[ONE, TWO], HF).expect("two user chains"),
        parameters: Parameters::default(),
    };
    genesis.validate().expect("the genesis of the samples is valid");
    genesis
}

impl World {
    /// Something in every table, queue and channel.
    fn busy() -> Self {
        let genesis = genesis();
        let ledger = |id| (id, Ledger::genesis(&genesis, id).expect("the chain is in the genesis"));
        let ledgers = [ONE, TWO, HF].map(ledger).into();
        let (blocks, deliveries) = (Vec::new(), Vec::new());
        let mut world = Self { genesis, ledgers, blocks, deliveries, now: CREATED, ids: 0 };
        world.open();
        let [alice, bob] =
            [("alice", ONE), ("bob", TWO)].map(|(name, chain)| user(&world.genesis, name, chain));
        let shop = merchant("shop");
        world.pay(ONE, &[(PaymentKind::Payment, alice, shop, 300)]);
        world.settle();
        world.pay(ONE, &[(PaymentKind::Transfer, alice, bob, 7)]);
        world.carry();
        world.pay(TWO, &[(PaymentKind::Transfer, bob, alice, 9)]);
        let refunds = [900, 100].map(|minor| (PaymentKind::Refund, shop, alice, minor));
        world.pay(ONE, &refunds);
        world.now = world.now.plus_ms(world.genesis.parameters.settlement_interval_ms);
        world.pay(ONE, &[(PaymentKind::Payment, alice, shop, 30)]);
        world.block(TWO, Vec::new(), Vec::new());
        for ledger in world.ledgers.values() {
            ledger.validate().expect("the samples' states are valid");
        }
        world
    }

    /// Opens and funds two users and a merchant.
    fn open(&mut self) {
        let shop = merchant("shop");
        let float = FloatPolicy { target: Amount::new(100), low_mark: Amount::new(50) };
        let name = "shop".parse().expect("a name");
        let open = OpenMerchant { account: shop, name, asset: ASSET, float };
        self.act(HF, Action::OpenMerchant(open));
        self.act(HF, Action::SetFloat(SetFloat { account: shop, float }));
        self.carry();
        let issue = |chain, account| {
            (PaymentKind::Issue, AccountId::issuer(BANK, ASSET, chain), account, 10_000)
        };
        self.pay(HF, &[issue(HF, shop)]);
        for (name, chain) in [("alice", ONE), ("bob", TWO)] {
            let account = user(&self.genesis, name, chain);
            let open = OpenAccount { account, asset: ASSET, owner: None };
            self.act(chain, Action::OpenAccount(open));
            self.pay(chain, &[issue(chain, account)]);
        }
    }

    /// Lets statements fall due and carries everything.
    fn settle(&mut self) {
        self.now = self.now.plus_ms(self.genesis.parameters.settlement_interval_ms);
        for chain in [ONE, TWO] {
            self.block(chain, Vec::new(), Vec::new());
        }
        self.carry();
    }

    fn id(&mut self) -> PaymentId {
        self.ids += 1;
        let mut entropy = [0; 10];
        entropy[2..].copy_from_slice(&self.ids.to_be_bytes());
        PaymentId::new(self.now, entropy)
    }

    fn act(&mut self, chain: ChainId, action: Action) {
        let operation = Operation { id: self.id(), action };
        self.submit(chain, vec![operation], Vec::new());
    }

    fn pay(&mut self, chain: ChainId, payments: &[(PaymentKind, AccountId, AccountId, u128)]) {
        let record = |&(kind, debit, credit, minor): &(_, _, _, u128)| {
            let reference = Reference::from_text("sample").expect("a short reference");
            let (id, amount) = (self.id(), Amount::new(minor));
            let asset = ASSET;
            PaymentRecord::from(&Payment { id, kind, debit, credit, amount, asset, reference })
        };
        let records = payments.iter().map(record).collect();
        self.submit(chain, Vec::new(), records);
    }

    fn submit(&mut self, chain: ChainId, actions: Vec<Operation>, records: Vec<PaymentRecord>) {
        let cluster = self.genesis.hash();
        let batch = Batch::sign(&cluster, chain, BANK, &bank_key(), actions, records, Vec::new());
        self.block(chain, vec![batch], Vec::new());
    }

    fn block(&mut self, chain: ChainId, batches: Vec<Batch>, deliveries: Vec<Delivery>) {
        let clocks = (0..VALIDATORS).map(|validator| ClockReport { validator, time: self.now });
        let body = Body { clocks: clocks.collect(), deliveries, batches };
        let root = Body::root_of_bytes(&body.to_bytes());
        let ledger = self.ledgers.get_mut(&chain).expect("one of the three chains");
        let executed = ledger.execute(&body, root);
        self.blocks.push((chain, body, executed));
    }

    /// One round of deliveries between all chains, and one of acknowledgements.
    fn carry(&mut self) {
        for _ in 0..2 {
            for (from, to) in [(HF, ONE), (HF, TWO), (ONE, HF), (TWO, HF), (ONE, TWO), (TWO, ONE)] {
                let delivery = self.delivery(from, to);
                self.deliveries.push(delivery.clone());
                self.block(to, Vec::new(), vec![delivery]);
            }
        }
    }

    /// What one chain has for another.
    #[must_use]
    pub fn delivery(&self, from: ChainId, to: ChainId) -> Delivery {
        let received = self.ledgers[&to].channel_status();
        let received = received.iter().find(|status| status.peer == from);
        let after = received.map_or(0, |status| status.received);
        let ledger = &self.ledgers[&from];
        let outgoing = ledger.outgoing(to, after, DELIVERY_BYTES_MAX);
        let header = ledger.header().clone();
        let certificate = self.certificate(&header);
        outgoing.expect("nothing unreceived is pruned").certified(header, certificate)
    }

    /// A quorum's signatures over a header.
    #[must_use]
    pub fn certificate(&self, header: &Header) -> Certificate {
        let hash = header.hash(&self.genesis.hash());
        let vote = |index| Vote::sign(index, &validator_key(header.chain, index), &hash);
        Certificate { votes: (0..VALIDATORS - 1).map(vote).collect() }
    }
}
