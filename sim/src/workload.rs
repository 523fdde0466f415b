//! What front-ends think of: every kind of payment and operation, with hot
//! merchants, and every kind of mistake.
//!
//! Nothing here knows what becomes of an order: that is the model's business.

mod accounts;
mod mistakes;
mod operations;
mod payments;

use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, ChainId, Encode, InstitutionId, PaymentId, PaymentKind,
    PaymentRecord, Reference,
};

use crate::clock::true_time;
use crate::orders::{Item, Order, OrderNumber};
use crate::prng::{Chance, Prng};
use crate::stage::Stage;

pub use accounts::{Directory, asset_of, every_merchant, every_user, owner_of};

/// Orders that are remembered, to be imitated.
const RECENT_MAX: usize = 60;
/// When the first money is issued.
const FIRST_MONEY_US: u64 = 2_500_000;
/// Several orders at once.
const BURST: Chance = Chance::percent(8);
/// Orders of a burst.
const BURST_ORDERS: u64 = 12;

/// See the module head.
pub struct Workload {
    client: u16,
    prng: Prng,
    directory: Directory,
    /// What was asked for last, oldest first.
    recent: Vec<OrderNumber>,
    has_opened: bool,
    has_issued: bool,
}

/// A kind of wish with its weight.
type Wish = (u64, fn(&mut Workload, &mut Stage) -> Option<Order>);

const WISHES: [Wish; 19] = [
    (40, Workload::pay_merchant),
    (12, Workload::refund),
    (4, Workload::payout),
    (8, Workload::transfer_here),
    (14, Workload::transfer_across),
    (8, Workload::issue),
    (3, Workload::redeem),
    (3, Workload::between_merchants),
    (2, Workload::issue_to_merchant),
    (2, Workload::redeem_from_merchant),
    (3, Workload::open_user),
    (4, Workload::set_user_status),
    (3, Workload::set_merchant_status),
    (3, Workload::set_float),
    (2, Workload::register),
    (6, Workload::imitate),
    (8, Workload::mistake),
    (2, Workload::reuse_id),
    (2, Workload::reuse_signature),
];

impl Workload {
    /// The wishes of one front-end.
    #[must_use]
    pub fn new(client: u16, prng: &Prng, stage: &Stage) -> Self {
        Self {
            client,
            prng: prng.fork("workload"),
            directory: Directory::new(stage),
            recent: Vec::new(),
            has_opened: false,
            has_issued: false,
        }
    }

    /// What it wants now.
    pub fn think(&mut self, stage: &mut Stage) -> Vec<OrderNumber> {
        let is_first = self.client == 0;
        let orders = if !self.has_opened {
            self.has_opened = true;
            if is_first { self.open_everything(stage) } else { Vec::new() }
        } else if stage.now_us < FIRST_MONEY_US {
            Vec::new()
        } else if !self.has_issued {
            self.has_issued = true;
            if is_first { self.issue_to_everybody(stage) } else { Vec::new() }
        } else {
            let count =
                if self.prng.happens(BURST) { self.prng.between(2, BURST_ORDERS) } else { 1 };
            (0..count).filter_map(|_| self.wish(stage)).collect()
        };
        orders.into_iter().map(|order| self.remember(order, stage)).collect()
    }

    fn wish(&mut self, stage: &mut Stage) -> Option<Order> {
        let total = WISHES.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.prng.below(total);
        for (weight, wish) in WISHES {
            if drawn < weight {
                return wish(self, stage);
            }
            drawn -= weight;
        }
        None
    }

    fn remember(&mut self, order: Order, stage: &mut Stage) -> OrderNumber {
        let number = stage.orders.add(order);
        if self.recent.len() == RECENT_MAX {
            self.recent.remove(0);
        }
        self.recent.push(number);
        number
    }

    /// A fresh id of this moment.
    fn id(&mut self, stage: &Stage) -> PaymentId {
        PaymentId::new(true_time(stage.now_us), self.entropy())
    }

    fn entropy(&mut self) -> [u8; 10] {
        let mut entropy = [0; 10];
        entropy[..8].copy_from_slice(&self.prng.bits().to_le_bytes());
        entropy
    }

    fn payment(
        &mut self,
        stage: &Stage,
        kind: PaymentKind,
        debit: AccountId,
        credit: AccountId,
        pence: u64,
    ) -> Payment {
        let id = self.id(stage);
        Payment {
            id,
            kind,
            debit,
            credit,
            amount: Amount::new(u128::from(pence)),
            asset: asset_of(if debit.class() == AccountClass::Issuer { credit } else { debit }),
            reference: reference(id),
        }
    }

    /// An order for a payment, signed by the owner of the debit account if it
    /// has one.
    fn order(&self, stage: &Stage, payment: &Payment) -> Order {
        self.order_as(stage, payment, payment.debit.institution())
    }

    fn order_as(&self, stage: &Stage, payment: &Payment, institution: InstitutionId) -> Order {
        let record = PaymentRecord::from(payment);
        let owner = self.directory.owner(payment.debit);
        let signature = owner.map(|key| key.sign(&record.signing_hash(&stage.cluster.hash)));
        let chain = self.chain_of(stage, payment);
        Order { item: Item::Pay(record, signature), chain, institution }
    }

    fn chain_of(&self, stage: &Stage, payment: &Payment) -> ChainId {
        let routes = &stage.cluster.genesis.routes;
        tributary_routing::route(payment, routes).unwrap_or(stage.cluster.hf)
    }

    fn imitate(&mut self, stage: &mut Stage) -> Option<Order> {
        let number = *self.prng.pick(&self.recent)?;
        stage.orders.get(number).cloned()
    }
}

/// What a front-end says about a payment: nothing, a text, or bytes.
fn reference(id: PaymentId) -> Reference {
    let bytes = id.to_bytes();
    match bytes.last() {
        Some(last @ 0..64) => Reference::from_text(&format!("invoice {last}")).unwrap_or_default(),
        Some(64..128) => decode_exact(&bytes).map(Reference).unwrap_or_default(),
        _ => Reference::default(),
    }
}
