//! Payments per second through `Ledger::execute`, roots included.

use std::time::{Duration, Instant};

use tributary_types::{AccountId, Hash, PaymentKind};

use crate::fixture::{BLOCK_PAYMENTS, World, assert_committed};
use crate::{Figures, rate};

const MERCHANTS: usize = 1_000;
const BLOCKS: usize = 200;

/// Measures three kinds of load.
pub fn measure(accounts: usize) -> Figures {
    let mut world = World::user_chain(accounts, MERCHANTS);
    let hot = world.merchants[0];
    let uniform =
        run(&mut world, |world| (PaymentKind::Payment, world.any_user(), world.any_merchant()));
    let one_merchant = run(&mut world, |world| (PaymentKind::Payment, world.any_user(), hot));
    let transfers = run(&mut world, |world| {
        let payer = world.any_user();
        let payee = std::iter::repeat_with(|| world.any_user()).find(|payee| *payee != payer);
        (PaymentKind::Transfer, payer, payee.expect("there are two users"))
    });
    Figures::from([
        ("uniform_per_second", uniform),
        ("one_merchant_per_second", one_merchant),
        ("transfers_per_second", transfers),
    ])
}

fn run(
    world: &mut World,
    mut next: impl FnMut(&mut World) -> (PaymentKind, AccountId, AccountId),
) -> f64 {
    let mut spent = Duration::ZERO;
    for _ in 0..BLOCKS {
        let body = world.payments(BLOCK_PAYMENTS, &mut next);
        let start = Instant::now();
        let executed = world.ledger.execute(&body, Hash::ZERO);
        spent += start.elapsed();
        assert_committed(&executed);
    }
    rate(BLOCKS * BLOCK_PAYMENTS, spent)
}
