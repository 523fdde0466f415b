//! Payments per second through `Ledger::execute`, roots included.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use tributary_types::{AccountId, Hash, PaymentKind};

use crate::fixture::{BLOCK_PAYMENTS, World, assert_committed};
use crate::{Figures, rate};

const MERCHANTS: usize = 1_000;
/// Blocks of each load.
const BLOCKS: usize = 200;

/// A kind of load, and how it draws a payment.
type Load = (&'static str, fn(&mut World) -> (PaymentKind, AccountId, AccountId));

const LOADS: [Load; 3] = [
    ("uniform", |world| (PaymentKind::Payment, world.any_user(), world.any_merchant())),
    ("one_merchant", |world| (PaymentKind::Payment, world.any_user(), world.merchants[0])),
    ("transfers", |world| {
        let payer = world.any_user();
        let payee = std::iter::repeat_with(|| world.any_user()).find(|payee| *payee != payer);
        (PaymentKind::Transfer, payer, payee.expect("there are two users"))
    }),
];

/// Measures all kinds of load.
pub fn measure(accounts: usize) -> Figures {
    let mut spent: BTreeMap<&str, Duration> = BTreeMap::new();
    let add = |load, took| {
        *spent.entry(load).or_default() += took;
        Ok::<_, Infallible>(())
    };
    let Ok(()) = blocks(accounts, || true, add);
    let rates = spent.into_iter().map(|(load, spent)| (load, rate(BLOCKS * BLOCK_PAYMENTS, spent)));
    rates.map(|(load, rate)| (format!("{load}_per_second"), rate)).collect()
}

/// Executes blocks of all kinds of load as long as `goes_on` says so before one, and
/// tells what each took.
///
/// # Errors
/// Those of `tell`.
pub fn blocks<E>(
    accounts: usize,
    mut goes_on: impl FnMut() -> bool,
    mut tell: impl FnMut(&'static str, Duration) -> Result<(), E>,
) -> Result<(), E> {
    let mut world = World::user_chain(accounts, MERCHANTS);
    for (load, draw) in LOADS {
        for _ in 0..BLOCKS {
            let body = world.payments(BLOCK_PAYMENTS, draw);
            if !goes_on() {
                return Ok(());
            }
            let start = Instant::now();
            let executed = world.ledger.execute(&body, Hash::ZERO);
            tell(load, start.elapsed())?;
            assert_committed(&executed);
        }
    }
    Ok(())
}
