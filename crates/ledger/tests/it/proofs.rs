//! Proofs hold against the genesis alone, and any changed byte breaks them.

use tributary_chain::Header;
use tributary_ledger::proof::OutcomeSubject;
use tributary_ledger::roots::StateParts;
use tributary_ledger::{
    OutcomeProof, ProofError, RoutesError, RoutesProof, StateProof, StateProofParts,
};
use tributary_routing::RouteTable;
use tributary_types::codec::decode_exact;
use tributary_types::{AccountId, ChainId, Hash, OutcomeCode, PaymentKind};

use crate::harness::{HF, ONE, TWO, World, amount, certify, float, genesis, outcome_proof};

fn state_proof(world: &World, chain: ChainId, parts: StateProofParts) -> StateProof {
    let header = world.ledger(chain).header().clone();
    let certificate = certify(&world.genesis, &header);
    parts.certified(header, Vec::new(), certificate)
}

/// A row of each kind.
fn state_proofs() -> (World, Vec<StateProof>) {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    world.relay();
    world.pay(ONE, PaymentKind::Refund, shop, alice, 5);
    let account = world.ledger(ONE).prove_account(&alice).unwrap();
    let proxy = world.ledger(ONE).prove_proxy(&shop).unwrap();
    let merchant = world.ledger(HF).prove_merchant(&shop).unwrap();
    let proofs = [(ONE, account), (ONE, proxy), (HF, merchant)]
        .map(|(chain, parts)| state_proof(&world, chain, parts));
    (world, proofs.into())
}

/// Every byte, in two ways: another bit, and another case of a letter.
fn check_every_byte(text: &str, holds: impl Fn(&str) -> bool) {
    assert!(holds(text));
    for position in 0..text.len() {
        for bit in [0x01, 0x20] {
            let mut bytes = text.as_bytes().to_vec();
            bytes[position] ^= bit;
            let Ok(changed) = String::from_utf8(bytes) else { continue };
            assert!(!holds(&changed), "byte {position}: {changed}");
        }
    }
    assert!(!holds(&format!("{text} ")), "one form only");
    assert!(!holds(text.trim_end()));
}

#[test]
fn proofs_of_rows_hold_and_no_changed_byte_does() {
    let (world, proofs) = state_proofs();
    for proof in proofs {
        proof.verify(&world.genesis).unwrap();
        let text = proof.to_json().unwrap();
        assert_eq!(StateProof::from_json(&text).unwrap(), proof);
        check_every_byte(&text, |text| {
            StateProof::from_json(text).is_ok_and(|proof| proof.verify(&world.genesis).is_ok())
        });
    }
}

/// The route table as the HF chain certifies it.
fn routes_proof(world: &World) -> RoutesProof {
    let header = world.ledger(HF).header().clone();
    let certificate = certify(&world.genesis, &header);
    world.ledger(HF).prove_routes().unwrap().certified(header, Vec::new(), certificate)
}

/// Another table in a proof, up to the header, which the HF chain's quorum
/// signs again.
fn certified_again(world: &World, proof: &RoutesProof, routes: RouteTable) -> RoutesProof {
    let parts = StateParts { routes: routes.hash(), ..proof.parts };
    let header = Header { state_root: parts.root(), ..proof.header.clone() };
    let certificate = certify(&world.genesis, &header);
    RoutesProof { header, descendants: Vec::new(), certificate, parts, routes }
}

#[test]
fn a_proof_of_the_routes_holds_and_no_changed_byte_does() {
    let (world, _) = World::settled();
    let proof = routes_proof(&world);
    assert_eq!(proof.verify(&world.genesis).unwrap(), &world.genesis.routes);
    let text = proof.to_json().unwrap();
    assert_eq!(RoutesProof::from_json(&text).unwrap(), proof);
    check_every_byte(&text, |text| {
        RoutesProof::from_json(text).is_ok_and(|proof| proof.verify(&world.genesis).is_ok())
    });
    assert_eq!(world.ledger(ONE).prove_routes(), None, "the HF chain decides");
}

#[test]
fn routes_are_believed_only_of_the_quorum_of_the_hf_chain() {
    let (world, _) = World::settled();
    let (genesis, proof) = (&world.genesis, routes_proof(&world));
    let other = RouteTable::even(4, &[TWO, ONE], HF).unwrap();
    let mut forged = proof.clone();
    forged.routes = other.clone();
    assert!(matches!(forged.verify(genesis), Err(ProofError::Routes { .. })));
    forged.parts.routes = other.hash();
    assert!(matches!(forged.verify(genesis), Err(ProofError::StateRoot { .. })));
    forged.header.state_root = forged.parts.root();
    assert!(matches!(forged.verify(genesis), Err(ProofError::Certificate(_))));
    // A user chain's quorum signs it, as its own state or as the HF chain's.
    let mut of_one = forged.header.clone();
    of_one.chain = ONE;
    forged.certificate = certify(genesis, &of_one);
    assert!(matches!(forged.verify(genesis), Err(ProofError::Certificate(_))));
    forged.header = of_one;
    let wrong_chain = ProofError::WrongChain { expected: HF, found: ONE };
    assert_eq!(forged.verify(genesis).unwrap_err().to_string(), wrong_chain.to_string());
    assert_eq!(certified_again(&world, &proof, other.clone()).verify(genesis).unwrap(), &other);
}

#[test]
fn proved_routes_replace_those_that_are_known_unless_they_go_back() {
    let (world, _) = World::settled();
    let (genesis, proof) = (&world.genesis, routes_proof(&world));
    let table = |version, users: &[ChainId]| RouteTable::even(version, users, HF).unwrap();
    let newer = certified_again(&world, &proof, table(7, &[TWO, ONE]));
    assert_eq!(proof.verify_after(genesis, &genesis.routes).unwrap(), &genesis.routes);
    assert_eq!(newer.verify_after(genesis, &genesis.routes).unwrap().version(), 7);
    let stale = proof.verify_after(genesis, &newer.routes);
    assert!(matches!(stale, Err(RoutesError::Stale { known: 7, found: 3 })));
    let forged = certified_again(&world, &proof, table(3, &[TWO, ONE]));
    let forged = forged.verify_after(genesis, &genesis.routes);
    assert!(matches!(forged, Err(RoutesError::Forged(3))));
    let mut unproved = newer.clone();
    unproved.certificate = proof.certificate;
    let unproved = unproved.verify_after(genesis, &genesis.routes);
    assert!(matches!(unproved, Err(RoutesError::Proof(ProofError::Certificate(_)))));
}

#[test]
fn proofs_of_outcomes_hold_and_no_changed_byte_does() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 100));
    let operation = outcome_proof(&world, ONE, 0).unwrap();
    world.pay(ONE, PaymentKind::Transfer, alice, bob, 30);
    let payment = outcome_proof(&world, ONE, 0).unwrap();
    assert_eq!(payment.receipt.code, OutcomeCode::Committed);
    for proof in [operation, payment] {
        proof.verify(&world.genesis).unwrap();
        let text = proof.to_json().unwrap();
        assert_eq!(OutcomeProof::from_json(&text).unwrap(), proof);
        check_every_byte(&text, |text| {
            OutcomeProof::from_json(text).is_ok_and(|proof| proof.verify(&world.genesis).is_ok())
        });
    }
}

/// A proof under the signatures of a quorum over a later block.
#[test]
fn proofs_under_a_later_certificate_hold_and_no_changed_byte_does() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 100));
    world.pay(ONE, PaymentKind::Transfer, alice, bob, 30);
    let mut proof = outcome_proof(&world, ONE, 0).unwrap();
    let account = world.ledger(ONE).prove_account(&alice).unwrap();
    let mut state = state_proof(&world, ONE, account);
    let mut descendants = Vec::new();
    for minor in 1..=2 {
        world.pay(ONE, PaymentKind::Transfer, bob, alice, minor);
        descendants.push(world.ledger(ONE).header().clone());
    }
    let certificate = certify(&world.genesis, &descendants[1]);
    (proof.descendants, proof.certificate) = (descendants.clone(), certificate.clone());
    (state.descendants, state.certificate) = (descendants, certificate);
    state.verify(&world.genesis).unwrap();
    proof.verify(&world.genesis).unwrap();
    check_every_byte(&proof.to_json().unwrap(), |text| {
        OutcomeProof::from_json(text).is_ok_and(|proof| proof.verify(&world.genesis).is_ok())
    });
    proof.descendants.remove(0);
    assert!(matches!(proof.verify(&world.genesis), Err(ProofError::Descent(_))));
    proof.descendants.pop();
    assert!(matches!(proof.verify(&world.genesis), Err(ProofError::Certificate(_))));
}

#[test]
fn every_outcome_of_a_block_can_be_proved_late_ones_too() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    let nobody = world.user("nobody", TWO);
    let refund = world.payment(PaymentKind::Refund, shop, alice, 5);
    world.pay_record(ONE, &refund);
    let transfer = world.payment(PaymentKind::Transfer, alice, nobody, 5);
    world.pay_record(ONE, &transfer);
    world.carry(ONE, TWO).unwrap();
    let returned = world.delivery(TWO, ONE);
    let payment = world.payment(PaymentKind::Payment, alice, shop, 50);
    let batch =
        world.batch(ONE, crate::harness::BANK, &[crate::harness::Item::Pay((&payment).into())]);
    let executed = world.block(ONE, vec![batch], vec![returned]);
    assert_eq!(executed.outcomes.late.len(), 2, "the return, then the refund");
    let codes: Vec<_> = (0..)
        .map_while(|index| outcome_proof(&world, ONE, index))
        .map(|proof| {
            proof.verify(&world.genesis).unwrap();
            let OutcomeSubject::Payment(record) = &proof.subject else { panic!() };
            (record.parse().unwrap().id, proof.receipt.code)
        })
        .collect();
    assert_eq!(
        codes,
        [
            (payment.id, OutcomeCode::Committed),
            (transfer.id, OutcomeCode::UnknownCreditAccount),
            (refund.id, OutcomeCode::Committed),
        ]
    );
    let position = world.ledger(ONE).payment(&refund.id).unwrap().position;
    assert_eq!((position.height(), position.index()), (executed.header.height, 2));
}

#[test]
fn a_proof_says_which_link_does_not_hold() {
    let (world, proofs) = state_proofs();
    let other = genesis(3, tributary_ledger::Parameters::default());
    let proof = &proofs[0];
    assert!(matches!(proof.verify(&other), Err(ProofError::Certificate(_))), "another cluster");
    let mut wrong = proof.clone();
    wrong.parts.registry = Hash::ZERO;
    assert!(matches!(wrong.verify(&world.genesis), Err(ProofError::StateRoot { .. })));
    let mut wrong = proof.clone();
    wrong.path.index ^= 1;
    assert!(matches!(wrong.verify(&world.genesis), Err(ProofError::Path)));
    let mut wrong = proof.clone();
    wrong.header.chain = ChainId::new(99);
    assert!(matches!(wrong.verify(&world.genesis), Err(ProofError::UnknownChain(_))));
    // A leaf of one table is none of another.
    let mut wrong = proofs[1].clone();
    wrong.parts = proofs[2].parts;
    assert!(wrong.verify(&world.genesis).is_err());
}

#[test]
fn history_is_a_list_of_links_without_gaps() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice: AccountId = world.open("alice", ONE, 1_000);
    for minor in 1..=10 {
        world.pay(ONE, PaymentKind::Payment, alice, shop, minor);
        world.advance(90);
    }
    world.pay(ONE, PaymentKind::Refund, shop, alice, 55);
    world.relay();
    world.settle();
    let mut blocks = std::collections::BTreeMap::new();
    let mut replayed = tributary_ledger::Ledger::genesis(&world.genesis, ONE).unwrap();
    for bytes in &world.bodies[&ONE] {
        let body: tributary_chain::Body = decode_exact(bytes).unwrap();
        let executed = replayed.execute(&body, tributary_chain::Body::root_of_bytes(bytes));
        blocks.insert(executed.header.height, (body, executed.outcomes));
    }
    for (account, entries, sum) in [(alice, 12, 945 + 55), (shop, 11, 0)] {
        let mut position = world.ledger(ONE).last_position(&account);
        let (mut found, mut balance) = (0, 0_i64);
        while !position.is_none() {
            let (body, outcomes) = &blocks[&position.height()];
            let (subject, receipt) = outcomes.get(body, position.index()).unwrap();
            let tributary_ledger::outcome::Subject::Payment(record) = subject else { panic!() };
            let payment = record.parse().unwrap();
            let minor = i64::try_from(payment.amount.get()).unwrap();
            (position, balance) = if payment.debit == account {
                (receipt.previous_debit, balance - minor)
            } else {
                assert_eq!(payment.credit, account);
                (receipt.previous_credit, balance + minor)
            };
            found += 1;
        }
        assert_eq!((found, balance), (entries, sum), "{account}");
    }
    assert_eq!(world.ledger(ONE).proxy(&shop).unwrap().counters.received, amount(55));
}
