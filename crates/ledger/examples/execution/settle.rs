//! A user chain that settles: blocks of payments to any of very many merchants, each
//! with a statement at its end, as many rows as it may hold, once there are so many.

use std::time::{Duration, Instant};

use tributary_chain::message::STATEMENT_ROWS_MAX;
use tributary_types::Hash;

use crate::fixture::{World, assert_committed};

const BLOCKS: usize = 100;

/// Executes blocks as long as `goes_on` says so before one, and tells what each took.
///
/// # Errors
/// Those of `tell`.
pub fn blocks<E>(
    accounts: usize,
    merchants: usize,
    mut goes_on: impl FnMut() -> bool,
    mut tell: impl FnMut(&'static str, Duration) -> Result<(), E>,
) -> Result<(), E> {
    let mut world = World::settling_chain(accounts, merchants);
    for _ in 0..BLOCKS {
        let mut body = world.uniform_payments(STATEMENT_ROWS_MAX);
        // It has all statements of the blocks before.
        body.deliveries.push(world.delivery_from_hf());
        if !goes_on() {
            return Ok(());
        }
        let start = Instant::now();
        let executed = world.ledger.execute(&body, Hash::ZERO);
        tell("settled", start.elapsed())?;
        assert_committed(&executed);
        assert!(executed.deliveries.iter().all(Result::is_ok), "{:?}", executed.deliveries);
    }
    Ok(())
}
