//! What the measurements run on: chains in memory, bodies made beforehand.

use tributary_chain::certificate::Vote;
use tributary_chain::channel::{ChannelLeaf, DELIVERY_MESSAGES_MAX, channels_root};
use tributary_chain::message::MerchantNotice;
use tributary_chain::operation::{
    AccountStatus, AssetEntry, FloatPolicy, InstitutionEntry, OpenAccount, OpenMerchant,
};
use tributary_chain::{
    Action, Batch, Body, Certificate, ClockReport, Delivery, DenseTree, Header, Message, Operation,
    Outbox, ValidatorSet,
};
use tributary_ledger::{ChainKind, ChainSpec, Executed, Genesis, Ledger, Parameters};
use tributary_routing::RouteTable;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetId, BlockHeight, ChainId, Hash,
    InstitutionId, PaymentId, PaymentKind, PaymentRecord, Reference, SigningKey, Slot, TimeMs,
};

/// The user chain that is measured; all accounts are on it.
pub const USER_CHAIN: ChainId = ChainId::new(1);
/// All user chains.
pub const USER_CHAINS: [ChainId; 3] = [USER_CHAIN, ChainId::new(2), ChainId::new(3)];
/// The HF chain.
pub const HF_CHAIN: ChainId = ChainId::new(4);
/// The asset of all accounts.
pub const ASSET: AssetId = AssetId::new(1);
/// Payments of a full block.
pub const BLOCK_PAYMENTS: usize = 8_192;
/// Operations of a full batch.
const BATCH_OPERATIONS: usize = 4_096;
/// Block time between two blocks.
const BLOCK_INTERVAL_MS: u64 = 20;
/// Longer than any measurement takes in block time: nothing settles.
const NEVER_MS: u64 = 604_800_000;
/// Shorter than a block takes in block time: each one settles.
const EACH_BLOCK_MS: u64 = 1;
const BANK: InstitutionId = InstitutionId::new(1);
const CREATED: TimeMs = TimeMs::new(1_760_000_000_000);
/// Seeds of the keys of the chains' validators and of the institution.
const USER_VALIDATOR: u8 = 1;
const HF_VALIDATOR: u8 = 2;
const INSTITUTION: u8 = 9;

/// One chain in memory.
pub struct World {
    /// Its state.
    pub ledger: Ledger,
    /// Open and funded accounts.
    pub users: Vec<AccountId>,
    /// Merchants that it knows.
    pub merchants: Vec<AccountId>,
    /// What the HF chain sends.
    from_hf: Outbox,
    /// Block time of the next block.
    now: TimeMs,
    random: u64,
    next_id: u64,
}

impl World {
    /// A user chain with this many accounts and merchants.
    pub fn user_chain(accounts: usize, merchants: usize) -> Self {
        Self::user_chain_of(NEVER_MS, accounts, merchants)
    }

    /// The same; it settles with each block.
    pub fn settling_chain(accounts: usize, merchants: usize) -> Self {
        Self::user_chain_of(EACH_BLOCK_MS, accounts, merchants)
    }

    fn user_chain_of(settlement_interval_ms: u64, accounts: usize, merchants: usize) -> Self {
        let mut world = Self::empty(USER_CHAIN, settlement_interval_ms);
        world.open_merchants_by_notice(merchants);
        world.open_users(accounts);
        world
    }

    /// The HF chain with this many merchants.
    pub fn hf_chain(merchants: usize) -> Self {
        let mut world = Self::empty(HF_CHAIN, NEVER_MS);
        for first in (0..merchants).step_by(BATCH_OPERATIONS) {
            let last = (first + BATCH_OPERATIONS).min(merchants);
            let mut operations = Vec::new();
            for number in first..last {
                let (name, float) = (name('m', number), FloatPolicy::default());
                let account = account(AccountClass::Hf, &name);
                let open = OpenMerchant { account, name, asset: ASSET, float };
                let action = Action::OpenMerchant(open);
                operations.push(Operation { id: world.id(), action });
                world.merchants.push(account);
            }
            let acknowledged = USER_CHAINS.map(|chain| {
                let chains = [chain, HF_CHAIN];
                delivery(world.ledger.cluster(), &Outbox::default(), 0, chains, first as u64)
            });
            let body = world.body(operations, Vec::new(), acknowledged.to_vec());
            assert_committed(&world.ledger.execute(&body, Hash::ZERO));
        }
        world
    }

    /// A chain without accounts.
    fn empty(chain: ChainId, settlement_interval_ms: u64) -> Self {
        let genesis = genesis(settlement_interval_ms);
        let ledger = Ledger::genesis(&genesis, chain).expect("the genesis is valid");
        let (users, merchants) = (Vec::new(), Vec::new());
        let from_hf = Outbox::default();
        Self { ledger, users, merchants, from_hf, now: CREATED, random: 1, next_id: 0 }
    }

    /// Opens and funds more accounts.
    pub fn open_users(&mut self, accounts: usize) {
        let issuer = AccountId::issuer(BANK, ASSET, USER_CHAIN);
        let all = self.users.len() + accounts;
        while self.users.len() < all {
            let (mut operations, mut payments) = (Vec::new(), Vec::new());
            for number in self.users.len()..all.min(self.users.len() + BATCH_OPERATIONS) {
                let account = account(AccountClass::User, &name('c', number));
                let open = OpenAccount { account, asset: ASSET, owner: None };
                operations.push(Operation { id: self.id(), action: Action::OpenAccount(open) });
                payments.push(self.payment(PaymentKind::Issue, issuer, account, 1_000_000_000));
                self.users.push(account);
            }
            let body = self.body(operations, payments, Vec::new());
            assert_committed(&self.ledger.execute(&body, Hash::ZERO));
        }
    }

    /// Makes merchants known as the HF chain does.
    fn open_merchants_by_notice(&mut self, merchants: usize) {
        for first in (0..merchants).step_by(DELIVERY_MESSAGES_MAX) {
            for number in first..merchants.min(first + DELIVERY_MESSAGES_MAX) {
                let account = account(AccountClass::Hf, &name('m', number));
                self.merchants.push(account);
                let (status, float) = (AccountStatus::Open, FloatPolicy::default());
                let notice = MerchantNotice { account, asset: ASSET, status, float };
                self.from_hf.send(HF_CHAIN, USER_CHAIN, Message::Merchant(notice));
            }
            let delivery = self.delivery_from_hf();
            let body = self.body(Vec::new(), Vec::new(), vec![delivery]);
            let executed = self.ledger.execute(&body, Hash::ZERO);
            assert!(executed.deliveries.iter().all(Result::is_ok), "{:?}", executed.deliveries);
            self.from_hf.acknowledge(self.from_hf.sent_sequence());
        }
    }

    /// What the HF chain has sent and was not delivered; it has received all statements.
    pub fn delivery_from_hf(&self) -> Delivery {
        let stated = self.ledger.settlement_status().sent_sequence_to_hf;
        let after = self.from_hf.acknowledged_sequence();
        let chains = [HF_CHAIN, self.ledger.chain()];
        delivery(self.ledger.cluster(), &self.from_hf, after, chains, stated)
    }

    /// Lets block time pass.
    pub fn pass_ms(&mut self, ms: u64) {
        self.now = self.now.plus_ms(ms);
    }

    /// The next body, its batch signed.
    pub fn body(
        &mut self,
        operations: Vec<Operation>,
        payments: Vec<PaymentRecord>,
        deliveries: Vec<Delivery>,
    ) -> Body {
        self.pass_ms(BLOCK_INTERVAL_MS);
        let key = key(INSTITUTION);
        let (cluster, chain) = (*self.ledger.cluster(), self.ledger.chain());
        let batch = Batch::sign(&cluster, chain, BANK, &key, operations, payments, Vec::new());
        let batches = if batch.outcome_count() == 0 { Vec::new() } else { vec![batch] };
        Body { clocks: vec![ClockReport { validator: 0, time: self.now }], deliveries, batches }
    }

    /// A body of payments of one minor unit each.
    pub fn payments(
        &mut self,
        count: usize,
        mut next: impl FnMut(&mut Self) -> (PaymentKind, AccountId, AccountId),
    ) -> Body {
        let mut payments = Vec::with_capacity(count);
        for _ in 0..count {
            let (kind, debit, credit) = next(self);
            payments.push(self.payment(kind, debit, credit, 1));
        }
        self.body(Vec::new(), payments, Vec::new())
    }

    /// A body of payments of any user to any merchant.
    pub fn uniform_payments(&mut self, count: usize) -> Body {
        self.payments(count, |world| (PaymentKind::Payment, world.any_user(), world.any_merchant()))
    }

    /// One of the users.
    pub fn any_user(&mut self) -> AccountId {
        let index = self.below(self.users.len());
        self.users[index]
    }

    /// One of the merchants.
    pub fn any_merchant(&mut self) -> AccountId {
        let index = self.below(self.merchants.len());
        self.merchants[index]
    }

    fn payment(
        &mut self,
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        minor: u128,
    ) -> PaymentRecord {
        let (amount, reference) = (Amount::new(minor), Reference::default());
        let id = self.id();
        PaymentRecord::from(&Payment { id, kind, debit, credit, amount, asset: ASSET, reference })
    }

    fn id(&mut self) -> PaymentId {
        self.next_id += 1;
        let mut entropy = [0; 10];
        let mixed = self.next_id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        entropy[2..].copy_from_slice(&mixed.to_be_bytes());
        PaymentId::new(self.now, entropy)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 20).unwrap_or(0) % limit
    }
}

/// The messages of an outbox after `after` from the first of two chains to the other,
/// proved by a header of it; it has received so many of the other's.
pub fn delivery(
    cluster: &Hash,
    outbox: &Outbox,
    after: u64,
    [source, destination]: [ChainId; 2],
    received: u64,
) -> Delivery {
    let leaf = ChannelLeaf {
        peer: destination,
        sent_sequence: outbox.sent_sequence(),
        sent_digest: *outbox.sent_digest(),
        received_sequence: received,
    };
    let tree = DenseTree::from_leaves(vec![leaf.hash()]);
    let seed = if source == HF_CHAIN { HF_VALIDATOR } else { USER_VALIDATOR };
    let set = ValidatorSet::new(0, vec![key(seed).public()]).expect("one validator");
    let header = Header {
        chain: source,
        // One header for each thing that is said.
        height: BlockHeight::new(outbox.sent_sequence() + received),
        parent: Hash::ZERO,
        time: CREATED,
        validator_set: set.hash(),
        body_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        state_root: Hash::ZERO,
        channels_root: channels_root(&tree.commitment()),
    };
    let vote = Vote::sign(0, &key(seed), &header.hash(cluster));
    let portion = outbox.portion(after, usize::MAX).expect("nothing is pruned");
    Delivery {
        first_sequence: portion.first_sequence,
        messages: portion.messages,
        tail: portion.tail,
        leaf,
        path: tree.path(0).expect("one leaf"),
        channels: tree.commitment(),
        header,
        certificate: Certificate { votes: vec![vote] },
    }
}

/// Every payment and operation of the block did what it should.
pub fn assert_committed(executed: &Executed) {
    assert!(executed.outcomes.receipts.iter().all(|receipt| receipt.code.is_committed()));
}

fn genesis(settlement_interval_ms: u64) -> Genesis {
    let spec = |id, kind, seed| ChainSpec { id, kind, validators: vec![key(seed).public()] };
    let users = USER_CHAINS.map(|chain| spec(chain, ChainKind::User, USER_VALIDATOR));
    let hf = spec(HF_CHAIN, ChainKind::Hf, HF_VALIDATOR);
    Genesis {
        cluster: "bench".to_owned(),
        created: CREATED,
        chains: users.into_iter().chain([hf]).collect(),
        assets: vec![AssetEntry { id: ASSET, code: "GBP".parse().expect("a code"), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: BANK,
            name: "bank".parse().expect("a name"),
            keys: vec![key(INSTITUTION).public()],
            operator: true,
        }],
        routes: RouteTable::even(1, &USER_CHAINS, HF_CHAIN).expect("there are slots enough"),
        parameters: Parameters { settlement_interval_ms, ..Parameters::default() },
    }
}

fn name(prefix: char, number: usize) -> AccountName {
    format!("{prefix}{number}").parse().expect("a name")
}

fn account(class: AccountClass, name: &AccountName) -> AccountId {
    let slot = Slot::new(7).expect("a slot");
    AccountId::named(class, BANK, name, slot)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}
