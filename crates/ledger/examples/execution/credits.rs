//! Rows of settlement statements that the HF chain credits per second: the
//! certificate, order and completeness checked in execution, roots included.
//! A block has two deliveries, each of one statement of any merchants; user
//! chains take turns.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use tributary_chain::channel::Outbox;
use tributary_chain::message::STATEMENT_ROWS_MAX;
use tributary_chain::{Body, Counters, Delivery, Message, Statement, StatementRow};
use tributary_types::{Amount, BlockHeight, Hash, TimeMs};

use crate::fixture::{ASSET, HF_CHAIN, USER_CHAINS, World, delivery};
use crate::{Figures, rate};

/// Blocks that are executed.
const BLOCKS: usize = 100;
/// Deliveries of a block: two of the largest statements fill its bytes.
const DELIVERIES: usize = 2;
/// Payments of each merchant in each statement.
const PAYMENTS: u64 = 80;

/// Measures statements of as many rows as there are merchants, at most what one may
/// hold.
pub fn measure(merchants: usize) -> Figures {
    let mut spent = Duration::ZERO;
    let add = |_, took| {
        spent += took;
        Ok::<_, Infallible>(())
    };
    let Ok(()) = blocks(merchants, || true, add);
    let rows = BLOCKS * DELIVERIES * merchants.min(STATEMENT_ROWS_MAX);
    Figures::from([("rows_per_second".to_owned(), rate(rows, spent))])
}

/// Executes blocks of statements as long as `goes_on` says so before one, and tells what
/// each took.
///
/// # Errors
/// Those of `tell`.
pub fn blocks<E>(
    merchants: usize,
    mut goes_on: impl FnMut() -> bool,
    mut tell: impl FnMut(&'static str, Duration) -> Result<(), E>,
) -> Result<(), E> {
    let mut world = World::hf_chain(merchants);
    let mut sources = USER_CHAINS.map(|_| Source::new(merchants));
    let mut turn = (0..USER_CHAINS.len()).cycle();
    for _ in 0..BLOCKS {
        let next = turn.by_ref().take(DELIVERIES);
        let deliveries = next.map(|chain| sources[chain].statement(&mut world, chain));
        let deliveries = deliveries.collect();
        let body: Body = world.body(Vec::new(), Vec::new(), deliveries);
        if !goes_on() {
            return Ok(());
        }
        let start = Instant::now();
        let executed = world.ledger.execute(&body, Hash::ZERO);
        tell("credits", start.elapsed())?;
        assert!(executed.deliveries.iter().all(Result::is_ok), "{:?}", executed.deliveries);
    }
    Ok(())
}

/// A user chain that settles.
struct Source {
    outbox: Outbox,
    epoch: u64,
    previous: Hash,
    /// In how many statements each merchant was.
    stated: Vec<u64>,
}

impl Source {
    fn new(merchants: usize) -> Self {
        let stated = vec![0; merchants];
        Self { outbox: Outbox::default(), epoch: 0, previous: Hash::ZERO, stated }
    }

    /// The delivery of its next statement.
    fn statement(&mut self, world: &mut World, chain: usize) -> Delivery {
        self.epoch += 1;
        let statement = Statement {
            epoch: self.epoch,
            first_height: BlockHeight::new(self.epoch),
            last_height: BlockHeight::new(self.epoch),
            time: TimeMs::new(self.epoch),
            previous: self.previous,
            rows: self.rows(world),
        };
        self.previous = statement.hash();
        let chains = [USER_CHAINS[chain], HF_CHAIN];
        self.outbox.send(chains[0], chains[1], Message::Statement(statement));
        let (cluster, known) = (*world.ledger.cluster(), world.merchants.len() as u64);
        let delivery = delivery(&cluster, &self.outbox, self.epoch - 1, chains, known);
        self.outbox.acknowledge(self.epoch);
        delivery
    }

    /// A row for each of some merchants, ascending.
    fn rows(&mut self, world: &mut World) -> Vec<StatementRow> {
        let (mut left, count) = (world.merchants.len(), world.merchants.len());
        let mut wanted = count.min(STATEMENT_ROWS_MAX);
        let mut rows = Vec::with_capacity(wanted);
        for merchant in 0..count {
            // Selection sampling: Knuth, TAOCP volume 2, 3.4.2, algorithm S.
            if world.below(left) < wanted {
                wanted -= 1;
                self.stated[merchant] += 1;
                let payments = self.stated[merchant] * PAYMENTS;
                let total = Amount::new(u128::from(payments));
                let counters =
                    Counters { received: total, swept: total, payments, ..Counters::default() };
                rows.push(StatementRow {
                    account: world.merchants[merchant],
                    asset: ASSET,
                    counters,
                });
            }
            left -= 1;
        }
        rows.sort_unstable_by_key(|row| row.account);
        rows
    }
}
