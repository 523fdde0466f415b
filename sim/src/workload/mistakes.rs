//! Orders that are wrong in one way or another, by accident or by intent.

use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, Encode, PaymentId, PaymentKind, PaymentRecord, Slot,
};

use super::{Workload, asset_of};
use crate::clock::true_time;
use crate::cluster::{BANK, EURO, POUND, other_institution, strangers_key};
use crate::orders::{Item, Order};
use crate::stage::Stage;

/// Where the first reserved byte of a record lies.
const RESERVED_BYTE: usize = 69;

impl Workload {
    /// One kind of mistake, by chance.
    pub(super) fn mistake(&mut self, stage: &mut Stage) -> Option<Order> {
        let mut order = self.pay_merchant(stage)?;
        let Item::Pay(record, _) = &order.item else { return None };
        let mut payment = record.parse().ok()?;
        match self.prng.below(13) {
            0 => payment.id = self.old_id(stage),
            1 => payment.id = self.early_id(stage),
            2 => payment.amount = Amount::ZERO,
            3 => payment.amount = Amount::new(u128::MAX),
            4 => payment.asset = if payment.asset == EURO { POUND } else { EURO },
            5 => payment.asset = AssetId::new(99),
            6 => payment.kind = PaymentKind::Refund,
            7 => payment.credit = payment.debit,
            8 => payment.credit = self.nobody(AccountClass::Hf)?,
            9 => payment.debit = self.nobody(AccountClass::User)?,
            10 => {
                let other = other_institution(payment.debit.institution());
                return Some(self.order_as(stage, &payment, other));
            }
            11 => {
                order.item = Item::Pay(malformed(record)?, None);
                return Some(order);
            }
            _ => return self.foreign_issuer(stage),
        }
        Some(self.order(stage, &payment))
    }

    /// Something else under an id that was used: another amount, another payee,
    /// or an operation.
    pub(super) fn reuse_id(&mut self, stage: &mut Stage) -> Option<Order> {
        let number = *self.prng.pick(&self.recent)?;
        let mut payment = match &stage.orders.get(number)?.item {
            Item::Pay(record, _) => record.parse().ok()?,
            Item::Do(operation) => {
                let id = operation.id;
                let mut order = self.set_user_status(stage)?;
                if let Item::Do(other) = &mut order.item {
                    other.id = id;
                }
                return Some(order);
            }
        };
        let chain = self.chain_of(stage, &payment);
        match self.prng.below(3) {
            0 => payment.amount = Amount::new(payment.amount.get() ^ 1),
            1 if payment.credit.class() == AccountClass::Hf => {
                (payment.credit, _) = self.directory.some_merchant(&mut self.prng)?;
            }
            1 => payment.credit = self.directory.some_user(chain, &mut self.prng)?,
            _ => payment.amount = Amount::new(payment.amount.get().saturating_add(1)),
        }
        Some(self.order(stage, &payment))
    }

    /// An id about as old as the window reaches, or much older.
    fn old_id(&mut self, stage: &Stage) -> PaymentId {
        let back_ms = stage.scenario.parameters.id_window_back_ms;
        let age_ms = self.prng.between(back_ms.saturating_sub(500), back_ms * 2);
        PaymentId::new(true_time(stage.now_us).minus_ms(age_ms), self.entropy())
    }

    /// An id about as far ahead as the window reaches, or much farther.
    fn early_id(&mut self, stage: &Stage) -> PaymentId {
        let ahead_ms = stage.scenario.parameters.id_window_ahead_ms;
        let lead_ms = self.prng.between(ahead_ms.saturating_sub(500), ahead_ms * 2);
        PaymentId::new(true_time(stage.now_us).plus_ms(lead_ms), self.entropy())
    }

    /// A payment of an account with an owner, without the owner's signature, or
    /// with one over something else, or by somebody else.
    pub(super) fn reuse_signature(&mut self, stage: &mut Stage) -> Option<Order> {
        let order = self.pay_merchant(stage)?;
        let Item::Pay(record, _) = &order.item else { return None };
        let payment: Payment = record.parse().ok()?;
        let asset = asset_of(payment.debit);
        let is_fit =
            |(_, number, user): &(_, u64, AccountId)| number % 4 == 3 && asset_of(*user) == asset;
        let owned: Vec<_> = self.directory.users().filter(is_fit).collect();
        let (_, _, debit) = *self.prng.pick(&owned)?;
        let mut order = self.order(stage, &Payment { debit, ..payment });
        let id = self.id(stage);
        let other = self.order(stage, &Payment { debit, id, ..payment });
        if let (Item::Pay(record, signature), Item::Pay(_, reused)) = (&mut order.item, &other.item)
        {
            *signature = match self.prng.below(4) {
                0 => None,
                1 | 2 => *reused,
                _ => Some(strangers_key(1).sign(&record.signing_hash(&stage.cluster.hash))),
            };
        }
        Some(order)
    }

    /// Money from an issuer of another chain.
    fn foreign_issuer(&mut self, stage: &Stage) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let credit = self.directory.some_user(chain, &mut self.prng)?;
        let debit = AccountId::issuer(BANK, POUND, stage.cluster.hf);
        let payment = self.payment(stage, PaymentKind::Issue, debit, credit, 5);
        Some(self.order(stage, &payment))
    }

    fn nobody(&mut self, class: AccountClass) -> Option<AccountId> {
        let name = "nobody".parse().ok()?;
        Some(AccountId::named(class, BANK, &name, Slot::new(3)?))
    }
}

fn malformed(record: &PaymentRecord) -> Option<PaymentRecord> {
    let mut bytes = record.to_bytes();
    *bytes.get_mut(RESERVED_BYTE)? ^= 1;
    decode_exact(&bytes).ok()
}
