//! A cluster in memory: every chain is one ledger whose headers are signed by
//! three validators. Bodies and deliveries pass through their encoding, every
//! block is followed by `validate`, and nothing moves between chains but by
//! certified deliveries.

mod carriage;
mod verbs;

use std::collections::BTreeMap;

use tributary_chain::batch::OwnerSignature;
use tributary_chain::certificate::Vote;
use tributary_chain::operation::{AssetEntry, FloatPolicy, InstitutionEntry};
use tributary_chain::{Action, Batch, Body, Certificate, ClockReport, Delivery, Header, Operation};
use tributary_ledger::{
    BooksSummary, ChainKind, ChainSpec, Executed, Genesis, Ledger, OutcomeProof, Page, PageKey,
    Parameters, check_books,
};
use tributary_routing::RouteTable;
use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, ChainId, Encode, Hash, InstitutionId, PaymentId,
    PaymentKind, PaymentRecord, Reference, SigningKey, Slot, TimeMs,
};

pub const GBP: AssetId = AssetId::new(1);
pub const EUR: AssetId = AssetId::new(2);
/// The operator, which sponsors everything unless a test says otherwise.
pub const BANK: InstitutionId = InstitutionId::new(7);
/// Another institution.
pub const OTHER: InstitutionId = InstitutionId::new(8);
pub const HF: ChainId = ChainId::new(9);
pub const ONE: ChainId = ChainId::new(1);
pub const TWO: ChainId = ChainId::new(2);
pub const CREATED: TimeMs = TimeMs::new(1_760_000_000_000);
const VALIDATORS: u16 = 3;

/// One item of a batch.
#[derive(Debug, Clone)]
pub enum Item {
    Pay(PaymentRecord),
    Do(Operation),
}

/// A whole cluster, without a network.
pub struct World {
    pub genesis: Genesis,
    pub ledgers: BTreeMap<ChainId, Ledger>,
    pub last: BTreeMap<ChainId, Executed>,
    /// Every body that each chain executed, as bytes.
    pub bodies: BTreeMap<ChainId, Vec<Vec<u8>>>,
    /// The pages of each chain's last checkpoint.
    pages: BTreeMap<ChainId, BTreeMap<PageKey, Page>>,
    /// What every validator's clock says.
    pub now: TimeMs,
    next_id: u64,
}

pub fn validator_key(chain: ChainId, index: u16) -> SigningKey {
    let mut seed = [0; 32];
    seed[..2].copy_from_slice(&chain.get().to_le_bytes());
    seed[2..4].copy_from_slice(&index.to_le_bytes());
    seed[31] = 1;
    SigningKey::from_seed(seed)
}

pub fn institution_key(institution: InstitutionId) -> SigningKey {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&institution.get().to_le_bytes());
    seed[31] = 2;
    SigningKey::from_seed(seed)
}

pub fn owner_key(number: u8) -> SigningKey {
    SigningKey::from_seed([number; 32])
}

pub fn genesis(user_chains: u16, parameters: Parameters) -> Genesis {
    let users: Vec<ChainId> = (1..=user_chains).map(ChainId::new).collect();
    let spec = |(id, kind)| ChainSpec {
        id,
        kind,
        validators: (0..VALIDATORS).map(|index| validator_key(id, index).public()).collect(),
    };
    let kinds = users.iter().map(|id| (*id, ChainKind::User)).chain([(HF, ChainKind::Hf)]);
    let institution = |id, name: &str, operator| InstitutionEntry {
        id,
        name: name.parse().unwrap(),
        keys: vec![institution_key(id).public()],
        operator,
    };
    Genesis {
        cluster: "test".to_owned(),
        created: CREATED,
        chains: kinds.map(spec).collect(),
        assets: vec![
            AssetEntry { id: GBP, code: "GBP".parse().unwrap(), scale: 2 },
            AssetEntry { id: EUR, code: "EUR".parse().unwrap(), scale: 2 },
        ],
        institutions: vec![institution(BANK, "bank", true), institution(OTHER, "other", false)],
        routes: RouteTable::even(3, &users, HF).unwrap(),
        parameters,
    }
}

pub fn certify(genesis: &Genesis, header: &Header) -> Certificate {
    let hash = header.hash(&genesis.hash());
    let vote = |index| Vote::sign(index, &validator_key(header.chain, index), &hash);
    Certificate { votes: (0..VALIDATORS - 1).map(vote).collect() }
}

/// The proof of one outcome of the chain's last block.
pub fn outcome_proof(world: &World, chain: ChainId, index: u32) -> Option<OutcomeProof> {
    let body = decode_exact(world.bodies[&chain].last().unwrap()).unwrap();
    let executed = &world.last[&chain];
    let certificate = certify(&world.genesis, &executed.header);
    let header = executed.header.clone();
    OutcomeProof::from_block(header, Vec::new(), certificate, &body, &executed.outcomes, index)
}

pub fn amount(minor: u128) -> Amount {
    Amount::new(minor)
}

pub fn float(target: u128, low_mark: u128) -> FloatPolicy {
    FloatPolicy { target: amount(target), low_mark: amount(low_mark) }
}

impl World {
    pub fn new(user_chains: u16) -> Self {
        Self::with(user_chains, Parameters::default())
    }

    pub fn with(user_chains: u16, parameters: Parameters) -> Self {
        let genesis = genesis(user_chains, parameters);
        genesis.validate().unwrap();
        let ledger = |chain: &ChainSpec| (chain.id, Ledger::genesis(&genesis, chain.id).unwrap());
        let ledgers = genesis.chains.iter().map(ledger).collect();
        Self {
            ledgers,
            genesis,
            last: BTreeMap::new(),
            bodies: BTreeMap::new(),
            pages: BTreeMap::new(),
            now: CREATED,
            next_id: 0,
        }
    }

    /// Two user chains, and a shop that took 300 of 1,000 on chain one: the
    /// statement is ready to be carried.
    pub fn settled() -> (Self, AccountId) {
        let mut world = Self::new(2);
        let shop = world.open_merchant("shop", float(0, 0));
        let alice = world.open("alice", ONE, 1_000);
        world.pay(ONE, PaymentKind::Payment, alice, shop, 300);
        world.advance(200);
        world.tick(ONE);
        (world, shop)
    }

    /// What a merchant holds on the HF chain.
    pub fn available(&self, merchant: AccountId) -> u128 {
        self.ledger(HF).merchant(&merchant).unwrap().available.get()
    }

    pub fn ledger(&self, chain: ChainId) -> &Ledger {
        &self.ledgers[&chain]
    }

    pub fn chains(&self) -> Vec<ChainId> {
        self.ledgers.keys().copied().collect()
    }

    /// A user account of that name on that chain.
    pub fn user(&self, name: &str, chain: ChainId) -> AccountId {
        self.user_of(BANK, name, chain)
    }

    pub fn user_of(&self, institution: InstitutionId, name: &str, chain: ChainId) -> AccountId {
        let range = self.genesis.routes.user_ranges().iter().find(|range| range.chain == chain);
        let slot = range.expect("a user chain").first;
        AccountId::named(AccountClass::User, institution, &name.parse().unwrap(), slot)
    }

    pub fn merchant(&self, name: &str) -> AccountId {
        let slot = Slot::new(5).unwrap();
        AccountId::named(AccountClass::Hf, BANK, &name.parse().unwrap(), slot)
    }

    pub fn issuer(&self, chain: ChainId) -> AccountId {
        AccountId::issuer(BANK, GBP, chain)
    }

    /// A fresh id of this moment.
    pub fn id(&mut self) -> PaymentId {
        self.id_at(self.now)
    }

    pub fn id_at(&mut self, time: TimeMs) -> PaymentId {
        self.next_id += 1;
        let mut entropy = [0; 10];
        entropy[2..].copy_from_slice(&self.next_id.to_be_bytes());
        PaymentId::new(time, entropy)
    }

    pub fn payment(
        &mut self,
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        minor: u128,
    ) -> Payment {
        Payment {
            id: self.id(),
            kind,
            debit,
            credit,
            amount: amount(minor),
            asset: GBP,
            reference: Reference::from_text("test").unwrap(),
        }
    }

    pub fn operation(&mut self, action: Action) -> Operation {
        Operation { id: self.id(), action }
    }

    pub fn batch(&self, chain: ChainId, institution: InstitutionId, items: &[Item]) -> Batch {
        self.signed_batch(chain, institution, items, Vec::new())
    }

    pub fn signed_batch(
        &self,
        chain: ChainId,
        institution: InstitutionId,
        items: &[Item],
        owner_signatures: Vec<OwnerSignature>,
    ) -> Batch {
        let (mut operations, mut payments) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Do(operation) => operations.push(operation.clone()),
                Item::Pay(record) => payments.push(*record),
            }
        }
        Batch::sign(
            &self.genesis.hash(),
            chain,
            institution,
            &institution_key(institution),
            operations,
            payments,
            owner_signatures,
        )
    }

    /// Executes a block of these batches and deliveries at `now`.
    pub fn block(
        &mut self,
        chain: ChainId,
        batches: Vec<Batch>,
        deliveries: Vec<Delivery>,
    ) -> Executed {
        let clocks = (0..VALIDATORS).map(|validator| ClockReport { validator, time: self.now });
        let body = Body { clocks: clocks.collect(), deliveries, batches };
        let bytes = body.to_bytes();
        let body: Body = decode_exact(&bytes).unwrap();
        let ledger = self.ledgers.get_mut(&chain).unwrap();
        let executed = ledger.execute(&body, Body::root_of_bytes(&bytes));
        ledger.validate().unwrap();
        assert_eq!(executed.outcomes.receipts.len(), {
            body.batches.iter().map(Batch::outcome_count).sum::<usize>()
        });
        self.last.insert(chain, executed.clone());
        self.bodies.entry(chain).or_default().push(bytes);
        executed
    }

    /// Executes all of a chain's blocks again; the hash of the last header.
    pub fn replay_into(&self, chain: ChainId, ledger: &mut Ledger) -> Hash {
        for bytes in &self.bodies[&chain] {
            let body: Body = decode_exact(bytes).unwrap();
            ledger.execute(&body, Body::root_of_bytes(bytes));
        }
        ledger.header().hash(&self.genesis.hash())
    }

    /// Adds what changed to the chain's checkpoint; the whole of it.
    pub fn checkpoint(&mut self, chain: ChainId) -> Vec<Page> {
        let dirty = self.ledgers.get_mut(&chain).unwrap().take_dirty_pages();
        let pages = self.pages.entry(chain).or_default();
        for page in dirty {
            if page.bytes.is_empty() {
                pages.remove(&page.key);
            } else {
                pages.insert(page.key, page);
            }
        }
        pages.values().cloned().collect()
    }

    /// Takes a checkpoint, forgets the state, and restores it from there.
    pub fn restart(&mut self, chain: ChainId) {
        let pages = self.checkpoint(chain);
        let header = self.ledger(chain).header().clone();
        let restored = Ledger::restore(&self.genesis, chain, header, &pages).unwrap();
        restored.validate().unwrap();
        assert_eq!(restored.all_pages(), self.ledger(chain).all_pages());
        self.ledgers.insert(chain, restored);
    }

    /// Executes a block without items.
    pub fn tick(&mut self, chain: ChainId) -> Executed {
        self.block(chain, Vec::new(), Vec::new())
    }

    pub fn advance(&mut self, milliseconds: u64) {
        self.now = self.now.plus_ms(milliseconds);
    }

    /// The books of the cluster; they must balance.
    pub fn books(&self) -> BooksSummary {
        let reports: Vec<_> = self.ledgers.values().map(Ledger::books).collect();
        check_books(&reports).unwrap()
    }

    pub fn balance(&self, chain: ChainId, account: AccountId) -> String {
        self.ledger(chain).account(&account).expect("account").balance.to_string()
    }
}
