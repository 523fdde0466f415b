//! Payments per second through `Ledger::execute`, roots included, on one core.
//!
//! ```text
//! cargo run --release -p tributary-ledger --example execution [ACCOUNTS]
//! ```
//!
//! One user chain in memory, without a settlement in between; every block is a
//! batch of 8,192 payments. Bodies are made before the clock starts. Signatures
//! of batches are not part of execution.

use std::time::{Duration, Instant};

use tributary_chain::certificate::Vote;
use tributary_chain::channel::{ChannelLeaf, channels_root};
use tributary_chain::message::MerchantNotice;
use tributary_chain::operation::{
    AccountStatus, AssetEntry, FloatPolicy, InstitutionEntry, OpenAccount,
};
use tributary_chain::{
    Action, Batch, Body, Certificate, ClockReport, Delivery, Header, Message, Operation, Outbox,
};
use tributary_chain::{DenseTree, ValidatorSet};
use tributary_ledger::{ChainKind, ChainSpec, Executed, Genesis, Ledger, Parameters};
use tributary_routing::RouteTable;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, BlockHeight, ChainId, Hash, InstitutionId, PaymentId,
    PaymentKind, PaymentRecord, Reference, Signature, SigningKey, Slot, TimeMs,
};

const CHAIN: ChainId = ChainId::new(1);
const HF: ChainId = ChainId::new(2);
const ASSET: AssetId = AssetId::new(1);
const BANK: InstitutionId = InstitutionId::new(1);
const CREATED: TimeMs = TimeMs::new(1_760_000_000_000);
const ACCOUNTS_DEFAULT: usize = 1_000_000;
const MERCHANTS: usize = 1_000;
const BLOCK_PAYMENTS: usize = 8_192;
const BLOCKS: usize = 200;
const BLOCK_INTERVAL_MS: u64 = 20;

fn main() {
    let accounts = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let mut bench = Bench::new(accounts.unwrap_or(ACCOUNTS_DEFAULT));
    println!("{} accounts, {MERCHANTS} merchants, blocks of {BLOCK_PAYMENTS}", bench.users.len());
    bench.measure("user to merchant, uniform", |bench| {
        let (user, merchant) = (bench.any_user(), bench.any_merchant());
        (PaymentKind::Payment, user, merchant)
    });
    bench.measure("user to one merchant", |bench| {
        (PaymentKind::Payment, bench.any_user(), bench.merchants[0])
    });
    bench.measure("user to user, uniform", |bench| {
        (PaymentKind::Transfer, bench.any_user(), bench.any_user())
    });
}

struct Bench {
    ledger: Ledger,
    users: Vec<AccountId>,
    merchants: Vec<AccountId>,
    now: TimeMs,
    random: u64,
    next_id: u64,
}

impl Bench {
    fn new(accounts: usize) -> Self {
        let genesis = genesis();
        let ledger = Ledger::genesis(&genesis, CHAIN).expect("the genesis is valid");
        let mut bench = Self {
            ledger,
            users: Vec::new(),
            merchants: Vec::new(),
            now: CREATED,
            random: 1,
            next_id: 0,
        };
        bench.open_users(accounts);
        bench.open_merchants(&genesis);
        bench
    }

    fn open_users(&mut self, accounts: usize) {
        let issuer = AccountId::issuer(BANK, ASSET, CHAIN);
        for first in (0..accounts).step_by(4_096) {
            let last = (first + 4_096).min(accounts);
            let (mut operations, mut payments) = (Vec::new(), Vec::new());
            for number in first..last {
                let account = account(AccountClass::User, &format!("c{number}"));
                let open = OpenAccount { account, asset: ASSET, owner: None };
                operations.push(Operation { id: self.id(), action: Action::OpenAccount(open) });
                payments.push(self.payment(PaymentKind::Issue, issuer, account, 1_000_000_000));
                self.users.push(account);
            }
            let body = self.body(operations, payments, Vec::new());
            assert_committed(&self.ledger.execute(&body, Hash::ZERO));
        }
    }

    fn open_merchants(&mut self, genesis: &Genesis) {
        let names = 0..MERCHANTS;
        self.merchants =
            names.map(|number| account(AccountClass::Hf, &format!("m{number}"))).collect();
        let delivery = notices(genesis, &self.merchants);
        let body = self.body(Vec::new(), Vec::new(), vec![delivery]);
        let executed = self.ledger.execute(&body, Hash::ZERO);
        assert!(executed.deliveries[0].is_ok(), "{:?}", executed.deliveries);
    }

    fn measure(
        &mut self,
        what: &str,
        mut next: impl FnMut(&mut Self) -> (PaymentKind, AccountId, AccountId),
    ) {
        let mut spent = Duration::ZERO;
        for _ in 0..BLOCKS {
            let mut payments = Vec::with_capacity(BLOCK_PAYMENTS);
            for _ in 0..BLOCK_PAYMENTS {
                let (kind, debit, credit) = next(self);
                payments.push(self.payment(kind, debit, credit, 1));
            }
            let body = self.body(Vec::new(), payments, Vec::new());
            let start = Instant::now();
            let executed = self.ledger.execute(&body, Hash::ZERO);
            spent += start.elapsed();
            assert!(executed.outcomes.receipts[0].code.is_committed());
        }
        let payments = u32::try_from(BLOCKS * BLOCK_PAYMENTS).unwrap_or(u32::MAX);
        let each = spent / payments;
        let rate = f64::from(payments) / spent.as_secs_f64();
        println!("{what}: {rate:.0} payments/s, {} ns each", each.as_nanos());
    }

    fn body(
        &mut self,
        operations: Vec<Operation>,
        payments: Vec<PaymentRecord>,
        deliveries: Vec<Delivery>,
    ) -> Body {
        self.now = self.now.plus_ms(BLOCK_INTERVAL_MS);
        let batch = Batch {
            chain: CHAIN,
            institution: BANK,
            key: key(9).public(),
            operations,
            payments,
            owner_signatures: Vec::new(),
            signature: Signature::from_bytes([0; 64]),
        };
        let clocks = vec![ClockReport { validator: 0, time: self.now }];
        Body { clocks, deliveries, batches: vec![batch] }
    }

    fn payment(
        &mut self,
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        minor: u128,
    ) -> PaymentRecord {
        PaymentRecord::from(&Payment {
            id: self.id(),
            kind,
            debit,
            credit,
            amount: Amount::new(minor),
            asset: ASSET,
            reference: Reference::default(),
        })
    }

    fn id(&mut self) -> PaymentId {
        self.next_id += 1;
        let mut entropy = [0; 10];
        let mixed = self.next_id.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        entropy[2..].copy_from_slice(&mixed.to_be_bytes());
        PaymentId::new(self.now, entropy)
    }

    fn any_user(&mut self) -> AccountId {
        let index = self.below(self.users.len());
        self.users[index]
    }

    fn any_merchant(&mut self) -> AccountId {
        let index = self.below(self.merchants.len());
        self.merchants[index]
    }

    fn below(&mut self, limit: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random >> 20).unwrap_or(0) % limit
    }
}

fn genesis() -> Genesis {
    let spec = |id, kind, seed| ChainSpec { id, kind, validators: vec![key(seed).public()] };
    Genesis {
        cluster: "bench".to_owned(),
        created: CREATED,
        chains: vec![spec(CHAIN, ChainKind::User, 1), spec(HF, ChainKind::Hf, 2)],
        assets: vec![AssetEntry { id: ASSET, code: "GBP".parse().expect("a code"), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: BANK,
            name: "bank".parse().expect("a name"),
            keys: vec![key(9).public()],
            operator: true,
        }],
        routes: RouteTable::even(1, &[CHAIN], HF).expect("one user chain"),
        parameters: Parameters { settlement_interval_ms: 1_000_000, ..Parameters::default() },
    }
}

/// What the HF chain would say when it opened these merchants.
fn notices(genesis: &Genesis, merchants: &[AccountId]) -> Delivery {
    let mut outbox = Outbox::default();
    for account in merchants {
        let notice = MerchantNotice {
            account: *account,
            asset: ASSET,
            status: AccountStatus::Open,
            float: FloatPolicy::default(),
        };
        outbox.send(HF, CHAIN, Message::Merchant(notice));
    }
    let leaf = ChannelLeaf {
        peer: CHAIN,
        sent_sequence: outbox.sent_sequence(),
        sent_digest: *outbox.sent_digest(),
        received_sequence: 0,
    };
    let tree = DenseTree::from_leaves(vec![leaf.hash()]);
    let set: ValidatorSet = genesis.validator_set(HF).expect("the HF chain has validators");
    let header = Header {
        chain: HF,
        height: BlockHeight::new(1),
        parent: Hash::ZERO,
        time: CREATED,
        validator_set: set.hash(),
        body_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        state_root: Hash::ZERO,
        channels_root: channels_root(&tree.commitment()),
    };
    let vote = Vote::sign(0, &key(2), &header.hash(&genesis.hash()));
    let portion = outbox.portion(0, usize::MAX).expect("nothing is pruned");
    Delivery {
        first_sequence: 1,
        messages: portion.messages,
        tail: portion.tail,
        leaf,
        path: tree.path(0).expect("one leaf"),
        channels: tree.commitment(),
        header,
        certificate: Certificate { votes: vec![vote] },
    }
}

fn account(class: AccountClass, name: &str) -> AccountId {
    let slot = Slot::new(7).expect("a slot");
    AccountId::named(class, BANK, &name.parse().expect("a name"), slot)
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

fn assert_committed(executed: &Executed) {
    assert!(executed.outcomes.receipts.iter().all(|receipt| receipt.code.is_committed()));
}
