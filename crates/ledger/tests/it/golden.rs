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
    "c20b0d8ae7140b455df6f0b8f12fe2fc40fff505e420bf37078c12740cdfee45",
    "f5110eee40c4b86532723c9873100501492218d0f0ef14db9baed9610bc795b5",
    "1469d734623ebb7029f7d6fa5d0146970020403231b877d482f2b2633fdb3d40",
    "2a1587ff7f7e195756552b7a105cffab5cd1a59740f795767317dd9d85325fcf",
];
