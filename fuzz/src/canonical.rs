//! What is hashed and signed: one value has one encoding. Bytes that decode are
//! exactly those that the value encodes to.

use tributary_chain::{Batch, Body, Certificate, Delivery, Header, Message, ValidatorSet};
use tributary_ledger::{Admission, BlockOutcomes, Ledger};
use tributary_relay::verify::{Verdict, Verifier};
use tributary_types::codec::{Decode, decode_exact};
use tributary_types::{Encode, PaymentRecord, Receipt};

use crate::samples::WORLD;

/// Most samples of one kind: the corpus minimises itself, but not its beginning.
const SAMPLES_MAX: usize = 24;

/// Bytes that decode are the value's one encoding.
pub(crate) fn one_encoding<T: Encode + Decode>(bytes: &[u8]) -> Option<T> {
    let value: T = decode_exact(bytes).ok()?;
    assert!(value.to_bytes() == bytes, "other bytes decode to the same value");
    Some(value)
}

/// Encodes some of the values.
pub(crate) fn encoded<'a, T: Encode + 'a>(values: impl IntoIterator<Item = &'a T>) -> Vec<Vec<u8>> {
    values.into_iter().take(SAMPLES_MAX).map(Encode::to_bytes).collect()
}

pub(crate) fn body(bytes: &[u8]) {
    one_encoding::<Body>(bytes);
}

pub(crate) fn bodies() -> Vec<Vec<u8>> {
    encoded(WORLD.blocks.iter().map(|(_, body, _)| body))
}

/// A batch whose signature holds is one that the samples' institution signed.
pub(crate) fn batch(bytes: &[u8]) {
    let Some(batch) = one_encoding::<Batch>(bytes) else { return };
    if batch.institution == crate::samples::BANK && batch.is_signed(&WORLD.genesis.hash()) {
        let known = WORLD.genesis.institutions[0].keys.contains(&batch.key);
        assert!(!known || sampled_batches().any(|sample| *sample == batch), "a forged batch");
    }
}

fn sampled_batches() -> impl Iterator<Item = &'static Batch> {
    WORLD.blocks.iter().flat_map(|(_, body, _)| &body.batches)
}

pub(crate) fn batches() -> Vec<Vec<u8>> {
    encoded(sampled_batches())
}

/// A delivery that brings anything, or that a relay finds certified, hangs on a
/// header that a quorum signed: here only those of the samples.
pub(crate) fn delivery(bytes: &[u8]) {
    let Some(delivery) = one_encoding::<Delivery>(bytes) else { return };
    let brings = |ledger: &Ledger| {
        matches!(ledger.admit_delivery(&delivery), Ok(Admission::Useful))
            && !delivery.messages.is_empty()
    };
    if WORLD.ledgers.values().any(brings) || is_certified_for_a_relay(&delivery) {
        let current = WORLD.ledgers.values().map(Ledger::header);
        let mut headers = WORLD.deliveries.iter().map(|one| &one.header).chain(current);
        assert!(headers.any(|header| *header == delivery.header), "a forged header");
    }
}

fn is_certified_for_a_relay(delivery: &Delivery) -> bool {
    let (source, destination) = (delivery.source(), delivery.leaf.peer);
    let validators = WORLD.genesis.validator_set(source);
    validators.is_some_and(|validators| {
        let verifier = Verifier::new(WORLD.genesis.hash(), source, destination, validators);
        verifier.verify(delivery) == Ok(Verdict::Certified)
    })
}

pub(crate) fn deliveries() -> Vec<Vec<u8>> {
    let mut samples = encoded(WORLD.deliveries.iter().filter(|one| !one.messages.is_empty()));
    let chains = WORLD.ledgers.keys();
    for (from, to) in chains.clone().flat_map(|from| chains.clone().map(move |to| (from, to))) {
        if from != to {
            samples.push(WORLD.delivery(*from, *to).to_bytes());
        }
    }
    samples
}

pub(crate) fn message(bytes: &[u8]) {
    one_encoding::<Message>(bytes);
}

pub(crate) fn messages() -> Vec<Vec<u8>> {
    let set = ValidatorSet::new(1, WORLD.genesis.chains[0].validators.clone());
    let mut samples: Vec<_> =
        encoded(WORLD.deliveries.iter().flat_map(|delivery| &delivery.messages));
    samples.extend(set.ok().map(|set| Message::ValidatorSet(set).to_bytes()));
    samples
}

pub(crate) fn header(bytes: &[u8]) {
    one_encoding::<Header>(bytes);
}

pub(crate) fn headers() -> Vec<Vec<u8>> {
    encoded(WORLD.blocks.iter().map(|(_, _, executed)| &executed.header))
}

/// A certificate that holds for a header of the samples is its own.
pub(crate) fn certificate(bytes: &[u8]) {
    one_encoding::<ValidatorSet>(bytes);
    let Some(certificate) = one_encoding::<Certificate>(bytes) else { return };
    let header = &WORLD.blocks[0].2.header;
    let set = WORLD.genesis.validator_set(header.chain);
    let holds =
        set.is_some_and(|set| certificate.verify(&WORLD.genesis.hash(), header, &set).is_ok());
    assert!(!holds || certificate == WORLD.certificate(header), "a forged certificate");
}

pub(crate) fn certificates() -> Vec<Vec<u8>> {
    let headers = WORLD.blocks.iter().take(3).map(|(_, _, executed)| &executed.header);
    let mut samples: Vec<_> = headers.map(|header| WORLD.certificate(header).to_bytes()).collect();
    let set = WORLD.genesis.validator_set(crate::samples::ONE);
    samples.extend(set.map(|set| set.to_bytes()));
    samples
}

/// Any record travels unchanged; one that parses is the record of its fields.
pub(crate) fn record(bytes: &[u8]) {
    if let Some(record) = one_encoding::<PaymentRecord>(bytes)
        && let Ok(payment) = record.parse()
    {
        assert!(PaymentRecord::from(&payment) == record, "other fields, same payment");
    }
    one_encoding::<Receipt>(bytes);
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    let mut samples = encoded(sampled_batches().flat_map(|batch| &batch.payments));
    samples.truncate(8);
    let receipts = WORLD.blocks.iter().flat_map(|(_, _, executed)| &executed.outcomes.receipts);
    samples.extend(receipts.take(4).map(Encode::to_bytes));
    samples
}

pub(crate) fn outcomes(bytes: &[u8]) {
    one_encoding::<BlockOutcomes>(bytes);
}

pub(crate) fn outcome_samples() -> Vec<Vec<u8>> {
    encoded(WORLD.blocks.iter().map(|(_, _, executed)| &executed.outcomes))
}
