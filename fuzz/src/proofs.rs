//! Proofs as text: one form each, and none holds that no quorum signed.

use std::sync::LazyLock;

use tributary_chain::Header;
use tributary_ledger::proof::{OutcomeProof, ProofError, RoutesProof, StateProof};

use crate::samples::{HF, ONE, WORLD, merchant, user};

/// Every text that holds.
static TEXTS: LazyLock<Vec<String>> = LazyLock::new(texts);

pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(proof) = StateProof::from_json(text) {
        one_form(text, proof.to_json(), proof.verify(&WORLD.genesis).is_ok());
    }
    if let Ok(proof) = OutcomeProof::from_json(text) {
        one_form(text, proof.to_json(), proof.verify(&WORLD.genesis).is_ok());
    }
    if let Ok(proof) = RoutesProof::from_json(text) {
        one_form(text, proof.to_json(), proof.verify(&WORLD.genesis).is_ok());
    }
}

fn one_form(text: &str, written: Result<String, ProofError>, holds: bool) {
    assert!(written.is_ok_and(|written| written == text), "another text of the same proof");
    assert!(!holds || TEXTS.iter().any(|known| known == text), "a forged proof: {text}");
}

/// A proof that holds hangs on a header of the samples.
pub(crate) fn holds_only_if_sampled(holds: bool, header: &Header) {
    let mut headers = WORLD.blocks.iter().map(|(_, _, executed)| &executed.header);
    assert!(!holds || headers.any(|known| known == header), "a forged proof");
}

fn texts() -> Vec<String> {
    let states = states();
    let (outcomes, routes) = (outcomes(), routes());
    let texts = states.iter().map(StateProof::to_json);
    let texts = texts.chain(outcomes.iter().map(OutcomeProof::to_json));
    let texts = texts.chain(routes.iter().map(RoutesProof::to_json));
    texts.map(|text| text.expect("what a ledger proves has a text")).collect()
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    TEXTS.iter().map(|text| text.clone().into_bytes()).collect()
}

/// An account, a proxy and a merchant.
pub(crate) fn states() -> Vec<StateProof> {
    let (one, hf) = (&WORLD.ledgers[&ONE], &WORLD.ledgers[&HF]);
    let shop = merchant("shop");
    let account = one.prove_account(&user(&WORLD.genesis, "alice", ONE));
    let parts = [(one, account), (one, one.prove_proxy(&shop)), (hf, hf.prove_merchant(&shop))];
    let certified = parts.map(|(ledger, parts)| {
        let header = ledger.header().clone();
        let certificate = WORLD.certificate(&header);
        parts.expect("the samples have the row").certified(header, Vec::new(), certificate)
    });
    certified.into()
}

/// An operation and a payment, each under the certificate of the next block if
/// there is one.
pub(crate) fn outcomes() -> Vec<OutcomeProof> {
    let headers = || WORLD.blocks.iter().map(|(_, _, executed)| &executed.header);
    let blocks = WORLD.blocks.iter().filter(|(_, body, _)| !body.batches.is_empty());
    let proofs = blocks.filter_map(|(_, body, executed)| {
        let header = executed.header.clone();
        let cluster = WORLD.genesis.hash();
        let after: Vec<_> =
            headers().filter(|next| next.follows(&header, &cluster)).cloned().collect();
        let certificate = WORLD.certificate(after.last().unwrap_or(&header));
        OutcomeProof::from_block(header, after, certificate, body, &executed.outcomes, 0)
    });
    proofs.collect()
}

/// The route table.
pub(crate) fn routes() -> Option<RoutesProof> {
    let ledger = &WORLD.ledgers[&HF];
    let header = ledger.header().clone();
    let certificate = WORLD.certificate(&header);
    ledger.prove_routes().map(|parts| parts.certified(header, Vec::new(), certificate))
}
