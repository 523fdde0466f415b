//! Rows and yardsticks that an example beside the code measures alone.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

use super::load::Workbench;
use super::postgres;
use crate::command;

/// Makes the allocator give memory back at once: what was freed is then not
/// taken for what is used.
const GIVE_BACK: &str = "glibc.malloc.mmap_threshold=65536";
/// Huge pages for the ledger alone, as nodes have them in a cluster.
const HUGE_PAGES: &str = "glibc.malloc.hugetlb=1";
/// By which glibc is told.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// What the machine can do: disk, hashes, signatures, memory, network, and
/// PostgreSQL if it is there.
///
/// # Errors
///
/// When an example fails.
pub fn yardsticks(bench: &mut Workbench) -> Result<()> {
    let scratch = bench.scratch().to_owned();
    let scratch = scratch.to_str().context("the scratch directory's name is no UTF-8")?;
    let examples: [(&str, &[&str]); 4] =
        [("fsync", &[scratch]), ("hashing", &[]), ("signatures", &[]), ("throughput", &[])];
    for (example, arguments) in examples {
        eprintln!("yardstick {example}");
        for (name, value) in measure(bench, example, arguments)? {
            let value = value.as_f64().with_context(|| format!("{name} is no number"))?;
            bench.figures.yardsticks.insert(name, value);
        }
    }
    eprintln!("yardstick postgres");
    match postgres::hot_row_per_second(bench.scratch(), bench.scale.seconds) {
        Ok(rate) => {
            bench.figures.yardsticks.insert("postgres_hot_row_per_second".to_owned(), rate);
        }
        Err(error) => bench.figures.remarks.push(format!("no PostgreSQL yardstick: {error:#}")),
    }
    Ok(())
}

/// Row 9.
///
/// # Errors
///
/// When the example fails.
pub fn execution(bench: &mut Workbench) -> Result<()> {
    let accounts = bench.scale.accounts.to_string();
    let found = ledger_alone(bench, &["execute", &accounts])?;
    let note = format!(
        "{accounts} accounts; one merchant {:.0}/s, transfers {:.0}/s",
        number(&found, "one_merchant_per_second")?,
        number(&found, "transfers_per_second")?
    );
    bench.figures.set("9", number(&found, "uniform_per_second")?, note);
    Ok(())
}

/// Row 10.
///
/// # Errors
///
/// When the example fails.
pub fn audit(bench: &mut Workbench) -> Result<()> {
    let accounts = bench.scale.accounts.to_string();
    let found = ledger_alone(bench, &["audit", &accounts])?;
    let note = format!("{accounts} accounts; decoded, hashed, signatures verified, executed");
    bench.figures.set("10", number(&found, "audited_per_second")?, note);
    Ok(())
}

/// Row 12.
///
/// # Errors
///
/// When the example fails.
pub fn credits(bench: &mut Workbench) -> Result<()> {
    let merchants = bench.scale.merchants.to_string();
    let found = ledger_alone(bench, &["credits", &merchants])?;
    let note = format!("statements of {merchants} rows");
    bench.figures.set("12", number(&found, "rows_per_second")?, note);
    Ok(())
}

/// Row 13.
///
/// # Errors
///
/// When the example fails.
pub fn memory(bench: &mut Workbench) -> Result<()> {
    let accounts = bench.scale.accounts.to_string();
    let mut call = example(bench, "execution", &["memory", &accounts]);
    let found = figures(call.env(TUNABLES, GIVE_BACK))?;
    let note = format!("the ledger alone, {accounts} accounts");
    bench.figures.set("13", number(&found, "account_bytes")?, note.clone());
    bench.figures.set("13.id", number(&found, "remembered_id_bytes")?, note);
    Ok(())
}

/// Runs the example of the ledger alone.
fn ledger_alone(bench: &Workbench, arguments: &[&str]) -> Result<Map<String, Value>> {
    figures(example(bench, "execution", arguments).env(TUNABLES, HUGE_PAGES))
}

/// Runs an example that prints one flat object.
fn measure(bench: &Workbench, name: &str, arguments: &[&str]) -> Result<Map<String, Value>> {
    figures(&mut example(bench, name, arguments))
}

fn example(bench: &Workbench, name: &str, arguments: &[&str]) -> Command {
    let mut call = command::program(bench.programs.join("examples").join(name));
    call.args(arguments).arg("--json");
    call
}

fn figures(call: &mut Command) -> Result<Map<String, Value>> {
    let text = command::read(call)?;
    match serde_json::from_str(&text) {
        Ok(Value::Object(found)) => Ok(found),
        _ => bail!("{} printed no figures: {text:?}", call.get_program().display()),
    }
}

fn number(found: &Map<String, Value>, name: &str) -> Result<f64> {
    found.get(name).and_then(Value::as_f64).with_context(|| format!("there is no {name}"))
}
