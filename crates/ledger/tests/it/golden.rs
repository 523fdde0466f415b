//! Golden hashes: what every replica and every auditor must come to. A change
//! here is a change of the format.

use tributary_types::PaymentKind;

use crate::harness::{HF, ONE, World, float};

#[test]
fn the_genesis_and_one_block_hash_to_what_they_always_did() {
    let mut world = World::new(2);
    let cluster = world.genesis.hash();
    let header = |world: &World, chain| world.ledger(chain).header().hash(&cluster).to_string();
    let mut found = vec![cluster.to_string(), header(&world, ONE), header(&world, HF)];
    let shop = world.open_merchant("shop", float(10, 5));
    let alice = world.open("alice", ONE, 1_000);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 300);
    world.pay(ONE, PaymentKind::Refund, shop, alice, 400);
    world.settle();
    found.extend([header(&world, ONE), header(&world, HF)]);
    assert_eq!(found, GOLDEN);
}

const GOLDEN: [&str; 5] = [
    "6b1ac69367fdd65811a8dab02d8d98b4a01f61ce4425f69ed90532c19a375cd0",
    "8b0b04c178f79b34a7319919c0afdfa3ecec0dad333008c170aec68725f5e21f",
    "250e8af81b2d197c927646bd86d50c59d6b01adac162bd02a3cae621eb23d07e",
    "d6d0c8ee727951267d3fe8fc247e345979db92c07ded677c6ea7017d947b4a97",
    "f5962ddd9553235fa62aa6470ee3d031cadb32f9a750c553dc497ab65e0282e8",
];
