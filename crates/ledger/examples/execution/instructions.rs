//! Fixed pieces of work whose instructions callgrind counts:
//! `cargo xtask instructions`. Only what happens inside of [`counted`] counts;
//! what it works on is made before. Encoding is not among them: what it takes
//! hangs on what the compiler happens to inline.

use std::error::Error;
use std::hint::black_box;

use tributary_chain::{Body, DenseTree};
use tributary_types::codec::{Encode as _, decode_exact};
use tributary_types::{Domain, Hash};

use crate::fixture::{World, assert_committed};

const ACCOUNTS: usize = 4_096;
const MERCHANTS: usize = 64;
const PAYMENTS: usize = 2_048;
const LEAVES: u32 = 16_384;
/// One leaf of so many changes.
const LEAF_STEP: usize = 8;

/// The cases, by name.
const CASES: [(&str, fn()); 4] =
    [("execute", execute), ("known-ids", known_ids), ("merkle", merkle), ("decode", decode)];

/// Runs one case, or all.
///
/// # Errors
/// If there is no such case.
pub fn run(wanted: Option<&str>) -> Result<(), Box<dyn Error>> {
    if let Some(name) = wanted
        && !CASES.iter().any(|(known, _)| *known == name)
    {
        return Err(format!("there is no case {name}").into());
    }
    let chosen = CASES.iter().filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name));
    for (name, case) in chosen {
        case();
        println!("{name}");
    }
    Ok(())
}

/// Where counting is on. Never inlined, and generic over nothing, so that its
/// name is always the same.
#[inline(never)]
fn counted(work: &mut dyn FnMut()) {
    work();
}

/// A block of payments to many merchants, all new.
fn execute() {
    let mut world = World::user_chain(ACCOUNTS, MERCHANTS);
    let body = world.uniform_payments(PAYMENTS);
    counted(&mut || {
        assert_committed(&world.ledger.execute(&body, Hash::ZERO));
    });
}

/// The same block again: every id is found in the window, and no money moves.
fn known_ids() {
    let mut world = World::user_chain(ACCOUNTS, MERCHANTS);
    let body = world.uniform_payments(PAYMENTS);
    assert_committed(&world.ledger.execute(&body, Hash::ZERO));
    counted(&mut || {
        black_box(world.ledger.execute(&body, Hash::ZERO));
    });
}

/// Changed leaves, and the root above them.
fn merkle() {
    let leaf = |number: u32| Domain::Account.hash(&number.to_le_bytes());
    let mut tree = DenseTree::from_leaves((0..LEAVES).map(leaf).collect());
    let changed: Vec<(u32, Hash)> =
        (0..LEAVES).step_by(LEAF_STEP).map(|index| (index, leaf(index + LEAVES))).collect();
    counted(&mut || {
        for (index, leaf) in &changed {
            tree.set(*index, *leaf);
        }
        black_box(tree.commit());
    });
}

fn decode() {
    let bytes = World::user_chain(ACCOUNTS, MERCHANTS).uniform_payments(PAYMENTS).to_bytes();
    counted(&mut || {
        assert!(black_box(decode_exact::<Body>(&bytes)).is_ok());
    });
}
