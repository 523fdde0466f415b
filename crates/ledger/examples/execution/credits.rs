//! Rows of settlement statements that the HF chain credits per second: the
//! certificate, order and completeness checked in execution, roots included.
//! One statement of all merchants a block.

use std::time::{Duration, Instant};

use tributary_chain::channel::Outbox;
use tributary_chain::message::STATEMENT_ROWS_MAX;
use tributary_chain::{Counters, Message, Statement, StatementRow};
use tributary_types::{Amount, BlockHeight, Hash, TimeMs};

use crate::fixture::{ASSET, HF_CHAIN, USER_CHAIN, World, delivery};
use crate::{Figures, rate};

const STATEMENTS: u64 = 200;
/// Payments of each merchant in each statement.
const PAYMENTS: u64 = 80;

/// Measures statements of so many rows, at most what one may hold.
pub fn measure(merchants: usize) -> Figures {
    let mut world = World::hf_chain(merchants.min(STATEMENT_ROWS_MAX));
    let mut accounts = world.merchants.clone();
    accounts.sort_unstable();
    let (mut outbox, mut previous, mut spent) = (Outbox::default(), Hash::ZERO, Duration::ZERO);
    for epoch in 1..=STATEMENTS {
        let total = Amount::new(u128::from(epoch * PAYMENTS));
        let payments = epoch * PAYMENTS;
        let counters = Counters { received: total, swept: total, payments, ..Counters::default() };
        let rows = accounts.iter().map(|account| StatementRow {
            account: *account,
            asset: ASSET,
            counters,
        });
        let statement = Statement {
            epoch,
            first_height: BlockHeight::new(epoch),
            last_height: BlockHeight::new(epoch),
            time: TimeMs::new(epoch),
            previous,
            rows: rows.collect(),
        };
        previous = statement.hash();
        outbox.send(USER_CHAIN, HF_CHAIN, Message::Statement(statement));
        let height = BlockHeight::new(epoch);
        let delivery = delivery(&outbox, epoch - 1, USER_CHAIN, HF_CHAIN, height);
        outbox.acknowledge(epoch);
        let body = world.body(Vec::new(), Vec::new(), vec![delivery]);
        let start = Instant::now();
        let executed = world.ledger.execute(&body, Hash::ZERO);
        spent += start.elapsed();
        assert!(executed.deliveries.iter().all(Result::is_ok), "{:?}", executed.deliveries);
    }
    let statements = usize::try_from(STATEMENTS).unwrap_or(usize::MAX);
    Figures::from([("rows_per_second".to_owned(), rate(statements * accounts.len(), spent))])
}
