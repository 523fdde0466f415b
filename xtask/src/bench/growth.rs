//! Row 11: the cost of a payment as there is more of everything.
//!
//! One thing at a time grows, each time on a fresh cluster; what counts is the
//! worst growth of the CPU per payment from the small end to the large one.

use anyhow::Result;

use super::cluster::{CANONICAL, Shape};
use super::load::{Load, Workbench};
use super::steps::cpu_per_payment;

/// From how many to how many.
struct Range {
    chains: (u16, u16),
    accounts: (usize, usize),
    merchants: (usize, usize),
    /// Payments before the second measurement.
    history: f64,
}

const FULL: Range = Range {
    chains: (1, 16),
    accounts: (100_000, 5_000_000),
    merchants: (1, 100_000),
    history: 50e6,
};
const QUICK: Range =
    Range { chains: (1, 8), accounts: (10_000, 200_000), merchants: (1, 10_000), history: 5e6 };
/// A load is driven again for more history at most so often.
const HISTORY_LOADS_MAX: usize = 20;

/// Measures each growth.
///
/// # Errors
///
/// When a load fails.
pub fn measure(bench: &mut Workbench) -> Result<()> {
    let range = if bench.scale.is_quick { QUICK } else { FULL };
    let canonical = cpu_per_payment(bench)?;
    bench.close();
    let mut found = Vec::new();
    let (few, many) = range.chains;
    let (few_chains, many_chains) =
        (Shape { chains: few, ..CANONICAL }, Shape { chains: many, ..CANONICAL });
    let one = at(bench, few_chains, &load(bench, few_chains, "few chains"))?;
    let all = at(bench, many_chains, &load(bench, many_chains, "many chains"))?;
    found.push((format!("chains {few} → {many}"), one, all));
    let (few, many) = range.accounts;
    let with_accounts = |accounts, load: Load| Load { accounts, ..load };
    let one = at(bench, CANONICAL, &with_accounts(few, load(bench, CANONICAL, "few accounts")))?;
    let all = at(bench, CANONICAL, &with_accounts(many, load(bench, CANONICAL, "many accounts")))?;
    found.push((format!("accounts {few} → {many}"), one, all));
    let (few, many) = range.merchants;
    let with_merchants = |merchants, load: Load| Load { merchants, ..load };
    let one = at(bench, CANONICAL, &with_merchants(few, load(bench, CANONICAL, "few merchants")))?;
    let all =
        at(bench, CANONICAL, &with_merchants(many, load(bench, CANONICAL, "many merchants")))?;
    found.push((format!("merchants {few} → {many}"), one, all));
    found.push(history(bench, range.history)?);
    let worst = found.iter().map(|(_, one, all)| more(*one, *all)).fold(f64::MIN, f64::max);
    let told = found.iter().map(|(what, one, all)| {
        format!("{what}: {one:.2} → {all:.2} µs ({:+.0} %)", more(*one, *all))
    });
    let told = told.collect::<Vec<_>>().join("; ");
    bench.figures.set("11", worst, format!("{told}; row 3: {canonical:.2} µs"));
    Ok(())
}

/// Full requests, one more under way than there are user chains.
fn load(bench: &Workbench, shape: Shape, what: &str) -> Load {
    let in_flight = (shape.chains + 1).to_string();
    bench.load(&format!("row 11: {what}"), &["--max", "--in-flight", &in_flight])
}

/// CPU per payment on a fresh cluster.
fn at(bench: &mut Workbench, shape: Shape, load: &Load) -> Result<f64> {
    let mut prepared = bench.fresh(shape)?;
    Ok(bench.drive(&mut prepared, load)?.cpu_microseconds_per_payment())
}

/// The same load again and again on one cluster, first and last compared.
fn history(bench: &mut Workbench, payments: f64) -> Result<(String, f64, f64)> {
    let mut prepared = bench.fresh(CANONICAL)?;
    let load = load(bench, CANONICAL, "history");
    let first = bench.drive(&mut prepared, &load)?;
    let (begin, one) = (prepared.payments, first.cpu_microseconds_per_payment());
    let mut all = one;
    for _ in 0..HISTORY_LOADS_MAX {
        if prepared.payments >= payments {
            break;
        }
        all = bench.drive(&mut prepared, &load)?.cpu_microseconds_per_payment();
    }
    let reached = prepared.payments;
    Ok((format!("history {:.0} M → {:.0} M", begin / 1e6, reached / 1e6), one, all))
}

fn more(one: f64, all: f64) -> f64 {
    100.0 * (all / one - 1.0)
}
