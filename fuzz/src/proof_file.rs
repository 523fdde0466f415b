//! The file that `verify` checks: a proof that holds is one of the samples,
//! word for word, however its text looks.

use tributary_client::{verify_balance, verify_outcome};
use verify::Proof;

use crate::proofs::{outcomes, states};
use crate::samples::WORLD;

/// The command line is a program without a library; this is the same source.
#[path = "../../cli/src/commands/verify.rs"]
#[expect(dead_code, reason = "the command line uses the rest")]
mod verify;

pub(crate) fn check(bytes: &[u8]) {
    let Ok(proof) = serde_json::from_slice::<Proof>(bytes) else { return };
    let text = text_of(&proof);
    let again: Proof = serde_json::from_str(&text).expect("what was written");
    assert_eq!(text_of(&again), text, "another proof");
    let holds = match &proof {
        Proof::Outcome(proof) => verify_outcome(proof, &WORLD.genesis),
        Proof::Balance(proof) => verify_balance(proof, &WORLD.genesis),
    };
    if holds.is_ok() {
        assert!(proofs().any(|sample| text_of(&sample) == text), "a forged proof: {text}");
    }
}

fn text_of(proof: &Proof) -> String {
    serde_json::to_string_pretty(proof).expect("a proof has a text")
}

fn proofs() -> impl Iterator<Item = Proof> {
    let states = states().into_iter().map(|proof| Proof::Balance(Box::new(proof)));
    states.chain(outcomes().into_iter().map(|proof| Proof::Outcome(Box::new(proof))))
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let compact = |proof| serde_json::to_vec(&proof).expect("a proof has a text");
    proofs().map(compact).collect()
}
