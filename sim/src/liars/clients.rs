//! Clients who use signatures again: those of institutions under old batches,
//! and those of owners under payments that no owner has seen.
//!
//! They sign batches with their own institution's key, which they have. What
//! they submit comes beside what was asked for; what the ledger says to it is
//! counted, so that a lie that never reaches its check is seen.

use tributary_chain::batch::OwnerSignature;
use tributary_chain::{Batch, Operation};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, ChainId, Hash, InstitutionId, OutcomeCode, PaymentId,
    PaymentRecord, Receipt, Signature,
};

use super::KEPT_MAX;
use crate::clock::true_time;
use crate::cluster::{institution_key, other_institution, strangers_key};
use crate::prng::{Chance, Prng};
use crate::stage::Stage;
use crate::workload::asset_of;

/// A kind of lie and what is counted of it.
#[derive(Debug, Clone, Copy)]
pub struct Lie {
    /// It is submitted.
    told: &'static str,
    /// The check that it is for refused it.
    pub(super) refused: &'static str,
    /// Something else became of it: another check came first.
    otherwise: &'static str,
    /// What the check says; nothing if the batch is not admitted.
    codes: &'static [OutcomeCode],
}

/// A batch that a liar submits.
#[derive(Debug, Clone)]
pub struct Forgery {
    /// Which lie it is.
    pub lie: Lie,
    /// The chain that it is submitted to.
    pub chain: ChainId,
    /// The batch.
    pub batch: Batch,
}

/// What clients who lie remember. When there is no room, chance says what is
/// forgotten: some of it grows old.
#[derive(Debug, Default)]
pub struct Seen {
    batches: Vec<Batch>,
    /// Payments with their owners' signatures and their chains.
    signed: Vec<(ChainId, Payment, Signature)>,
    /// Of each institution, payments without such a signature.
    payments: Vec<(ChainId, Payment)>,
    operations: Vec<(ChainId, InstitutionId, Operation)>,
}

macro_rules! lie {
    ($name:ident, $text:literal, $codes:expr) => {
        const $name: Lie = Lie {
            told: concat!("lie: ", $text),
            refused: concat!("refused lie: ", $text),
            otherwise: concat!("otherwise decided lie: ", $text),
            codes: $codes,
        };
    };
}

/// Every lie that a client tells.
#[cfg(test)]
pub(super) const LIES: [Lie; 9] = [
    AGAIN,
    ELSEWHERE,
    CHANGED,
    OTHER_ID,
    OTHER_AMOUNT,
    OTHER_PAYEE,
    OTHER_CONTENT,
    FOREIGN_PAYMENT,
    FOREIGN_OPERATION,
];

lie!(AGAIN, "an old batch again", &[OutcomeCode::Expired, OutcomeCode::UnknownKey]);
lie!(ELSEWHERE, "an old batch to another chain", &[]);
lie!(CHANGED, "a batch changed after it was signed", &[]);
lie!(OTHER_ID, "an owner's signature under another id", &[OutcomeCode::OwnerSignatureInvalid]);
lie!(
    OTHER_AMOUNT,
    "an owner's signature under another amount",
    &[OutcomeCode::OwnerSignatureInvalid]
);
lie!(
    OTHER_PAYEE,
    "an owner's signature under another payee",
    &[OutcomeCode::OwnerSignatureInvalid]
);
lie!(
    OTHER_CONTENT,
    "an old id over another amount",
    &[OutcomeCode::IdReused, OutcomeCode::Expired, OutcomeCode::OwnerSignatureInvalid]
);
lie!(FOREIGN_PAYMENT, "another institution's payment", &[OutcomeCode::Unauthorized]);
lie!(FOREIGN_OPERATION, "another institution's operation", &[OutcomeCode::Unauthorized]);

/// Remembers a batch, and tells a lie beside it now and then.
pub fn beside(honest: &Batch, stage: &mut Stage) -> Option<Forgery> {
    let chance = stage.scenario.profile.liars.client;
    if stage.healing || chance == Chance::NEVER {
        return None;
    }
    stage.lies.seen.remember(honest, &mut stage.liar_prng);
    if !stage.liar_prng.happens(chance) {
        return None;
    }
    let forgery = forgery(stage)?;
    stage.trace.count(forgery.lie.told);
    Some(forgery)
}

/// A chain has executed a forgery.
pub fn executed(lie: &Lie, receipts: &[Receipt], stage: &mut Stage) {
    let is_refused = |receipt: &Receipt| receipt.replay || lie.codes.contains(&receipt.code);
    let as_meant = !lie.codes.is_empty() && receipts.iter().all(is_refused);
    stage.trace.count(if as_meant { lie.refused } else { lie.otherwise });
}

/// A node did not take a forgery: right for what is not signed, and else the
/// network's doing.
pub fn not_admitted(lie: &Lie, stage: &mut Stage) {
    stage.trace.count(if lie.codes.is_empty() { lie.refused } else { lie.otherwise });
}

fn forgery(stage: &mut Stage) -> Option<Forgery> {
    let id = PaymentId::new(true_time(stage.now_us), fresh(&mut stage.liar_prng));
    let Stage { lies, liar_prng: prng, cluster, .. } = stage;
    let seen = &lies.seen;
    match prng.below(10) {
        0 => {
            let batch = prng.pick(&seen.batches)?.clone();
            Some(Forgery { lie: AGAIN, chain: batch.chain, batch })
        }
        1 => {
            let batch = prng.pick(&seen.batches)?.clone();
            let chain = *prng.pick(&cluster.chains)?;
            (chain != batch.chain).then_some(Forgery { lie: ELSEWHERE, chain, batch })
        }
        2 => {
            let batch = changed(prng.pick(&seen.batches)?.clone(), prng);
            (!batch.is_signed(&cluster.hash)).then_some(Forgery {
                lie: CHANGED,
                chain: batch.chain,
                batch,
            })
        }
        3..=7 => {
            let (chain, payment, signature) = *prng.pick(&seen.signed)?;
            let (lie, payment) = seen.unsigned(payment, id, prng)?;
            let institution = payment.debit.institution();
            let signed = Signed { chain, institution, cluster: &cluster.hash };
            Some(Forgery { lie, chain, batch: signed.pay(&payment, Some(signature)) })
        }
        8 => {
            let (chain, payment) = *prng.pick(&seen.payments)?;
            let institution = other_institution(payment.debit.institution());
            let payment = Payment { id, ..payment };
            let batch = Signed { chain, institution, cluster: &cluster.hash }.pay(&payment, None);
            Some(Forgery { lie: FOREIGN_PAYMENT, chain, batch })
        }
        _ => {
            let (chain, institution, operation) = prng.pick(&seen.operations)?.clone();
            let institution = other_institution(institution);
            let operation = Operation { id, ..operation };
            let batch = Signed { chain, institution, cluster: &cluster.hash }.order(operation);
            Some(Forgery { lie: FOREIGN_OPERATION, chain, batch })
        }
    }
}

impl Seen {
    fn remember(&mut self, batch: &Batch, prng: &mut Prng) {
        keep(&mut self.batches, batch.clone(), prng);
        for operation in batch.operations.iter().take(1) {
            keep(&mut self.operations, (batch.chain, batch.institution, operation.clone()), prng);
        }
        for (index, record) in (0..).zip(&batch.payments) {
            let Ok(payment) = record.parse() else { continue };
            if payment.debit.institution() != batch.institution || !is_sound(&payment) {
                continue;
            }
            match batch.owner_signature(index) {
                Some(signature) => {
                    keep(&mut self.signed, (batch.chain, payment, *signature), prng);
                }
                None => keep(&mut self.payments, (batch.chain, payment), prng),
            }
        }
    }

    /// A payment that its owner did not sign.
    fn unsigned(&self, payment: Payment, id: PaymentId, prng: &mut Prng) -> Option<(Lie, Payment)> {
        let amount = Amount::new(payment.amount.get().checked_add(1)?);
        Some(match prng.below(4) {
            0 => (OTHER_ID, Payment { id, ..payment }),
            1 => (OTHER_AMOUNT, Payment { id, amount, ..payment }),
            2 => {
                let fits = |other: &&(ChainId, Payment, Signature)| {
                    let is_alike = other.1.kind == payment.kind && other.1.asset == payment.asset;
                    is_alike && other.1.credit != payment.credit
                };
                let (_, other, _) = self.signed.iter().find(fits)?;
                (OTHER_PAYEE, Payment { id, credit: other.credit, ..payment })
            }
            _ => (OTHER_CONTENT, Payment { amount, ..payment }),
        })
    }
}

/// Whether nothing is wrong with a payment that is checked before signatures.
fn is_sound(payment: &Payment) -> bool {
    let holds = |account: AccountId| {
        account.class() == AccountClass::Issuer || asset_of(account) == payment.asset
    };
    holds(payment.debit) && holds(payment.credit) && payment.debit != payment.credit
}

/// Who signs a batch, for which chain of which cluster.
struct Signed<'a> {
    chain: ChainId,
    institution: InstitutionId,
    cluster: &'a Hash,
}

impl Signed<'_> {
    fn pay(&self, payment: &Payment, signature: Option<Signature>) -> Batch {
        let signatures = signature.map(|signature| OwnerSignature { payment: 0, signature });
        self.sign(Vec::new(), vec![PaymentRecord::from(payment)], signatures.into_iter().collect())
    }

    fn order(&self, operation: Operation) -> Batch {
        self.sign(vec![operation], Vec::new(), Vec::new())
    }

    fn sign(
        &self,
        operations: Vec<Operation>,
        payments: Vec<PaymentRecord>,
        signatures: Vec<OwnerSignature>,
    ) -> Batch {
        let key = institution_key(self.institution, 0);
        let Self { chain, institution, cluster } = *self;
        Batch::sign(cluster, chain, institution, &key, operations, payments, signatures)
    }
}

/// A batch under a signature that is not for it.
fn changed(mut batch: Batch, prng: &mut Prng) -> Batch {
    match prng.below(4) {
        0 => batch.payments.reverse(),
        1 => {
            batch.institution = other_institution(batch.institution);
            batch.key = institution_key(batch.institution, 0).public();
        }
        2 => batch.key = strangers_key(2).public(),
        _ => batch.owner_signatures.clear(),
    }
    batch
}

fn fresh(prng: &mut Prng) -> [u8; 10] {
    let mut entropy = [0; 10];
    entropy[..8].copy_from_slice(&prng.bits().to_le_bytes());
    entropy
}

fn keep<T>(kept: &mut Vec<T>, item: T, prng: &mut Prng) {
    if kept.len() < KEPT_MAX {
        kept.push(item);
    } else {
        let forgotten = prng.index(kept.len());
        kept[forgotten] = item;
    }
}
