//! Orders that are wrong in one way or another, by accident or by intent.

use tributary_types::codec::decode_exact;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, Encode, InstitutionId, PaymentId, PaymentKind,
    PaymentRecord, Slot,
};

use super::Workload;
use crate::clock::true_time;
use crate::cluster::{BANK, EURO, POUND, SHOPS, strangers_key};
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
        match self.prng.below(15) {
            0 => return self.reuse_id(stage),
            1 => payment.id = self.old_id(stage),
            2 => payment.id = self.early_id(stage),
            3 => payment.amount = Amount::ZERO,
            4 => payment.amount = Amount::new(u128::MAX),
            5 => payment.asset = if payment.asset == EURO { POUND } else { EURO },
            6 => payment.asset = AssetId::new(99),
            7 => payment.kind = PaymentKind::Refund,
            8 => payment.credit = payment.debit,
            9 => payment.credit = self.nobody(AccountClass::Hf)?,
            10 => payment.debit = self.nobody(AccountClass::User)?,
            11 => return Some(self.order_as(stage, &payment, other_than(&payment))),
            12 => return self.wrong_signature(stage, &payment),
            13 => {
                order.item = Item::Pay(malformed(record)?, None);
                return Some(order);
            }
            _ => return self.foreign_issuer(stage),
        }
        Some(self.order(stage, &payment))
    }

    /// Another payment under an id that was used.
    fn reuse_id(&mut self, stage: &mut Stage) -> Option<Order> {
        let number = *self.prng.pick(&self.recent)?;
        let Item::Pay(record, _) = &stage.orders.get(number)?.item else { return None };
        let mut payment = record.parse().ok()?;
        payment.amount = Amount::new(payment.amount.get() ^ 1);
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
    fn wrong_signature(&mut self, stage: &Stage, payment: &Payment) -> Option<Order> {
        let owned: Vec<_> =
            self.directory.users().filter(|(_, number, _)| number % 4 == 3).collect();
        let (_, _, debit) = *self.prng.pick(&owned)?;
        let mut order = self.order(stage, &Payment { debit, ..*payment });
        let id = self.id(stage);
        let other = self.order(stage, &Payment { debit, id, ..*payment });
        if let (Item::Pay(record, signature), Item::Pay(_, reused)) = (&mut order.item, &other.item)
        {
            *signature = match self.prng.below(3) {
                0 => None,
                1 => *reused,
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

fn other_than(payment: &Payment) -> InstitutionId {
    if payment.debit.institution() == BANK { SHOPS } else { BANK }
}

fn malformed(record: &PaymentRecord) -> Option<PaymentRecord> {
    let mut bytes = record.to_bytes();
    *bytes.get_mut(RESERVED_BYTE)? ^= 1;
    decode_exact(&bytes).ok()
}
