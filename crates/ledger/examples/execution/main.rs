//! What one core does with the pure ledger, in memory, roots included.
//!
//! ```text
//! cargo run --release -p tributary-ledger --example execution [WHAT] [SIZE] [--json]
//! … execution turns PROGRAM [SIZE]
//! ```
//!
//! | WHAT | SIZE | what is measured |
//! | --- | --- | --- |
//! | `execute` (default) | accounts | payments/s through `Ledger::execute`, without a settlement in between |
//! | `audit` | accounts | payments/s of a chain that is checked again from the bytes of its blocks |
//! | `credits` | merchants | rows of statements per second that the HF chain credits |
//! | `memory` | accounts | bytes of an account, and of a remembered id |
//! | `turns` | accounts | blocks of this build and of another one, PROGRAM, in turns: how long this one takes beside that |
//! | `answer` | accounts | a block for each line of stdin, and how long it took; for `turns` |
//! | `instructions` | a case | a fixed piece of work between two marks, for callgrind; without SIZE all cases |
//!
//! Every block is full. Bodies are made, and signed, before the clock starts.
//! With `--json` the figures are one line of JSON.

mod audit;
mod credits;
mod execute;
mod fixture;
mod instructions;
mod memory;
mod settle;
mod turns;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const ACCOUNTS_DEFAULT: usize = 1_000_000;
const MERCHANTS_DEFAULT: usize = 1_000;

/// Figures by name; the name ends in the unit.
type Figures = BTreeMap<String, f64>;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let is_json = words.iter().any(|word| word == "--json");
    words.retain(|word| word != "--json");
    let word = |place: usize| words.get(place).map(String::as_str);
    let what = word(0).unwrap_or("execute");
    if what == "instructions" {
        return instructions::run(word(1));
    }
    let place_of_size = if what == "turns" { 2 } else { 1 };
    let size: Option<usize> = word(place_of_size).map(str::parse).transpose()?;
    let accounts = size.unwrap_or(ACCOUNTS_DEFAULT);
    let figures = match what {
        "turns" => {
            let other = word(1).ok_or("turns: beside which program?")?;
            return turns::compare(Path::new(other), accounts);
        }
        "answer" => return turns::answer(accounts),
        "execute" => execute::measure(accounts),
        "audit" => audit::measure(accounts),
        "credits" => credits::measure(size.unwrap_or(MERCHANTS_DEFAULT)),
        "memory" => memory::measure(accounts)?,
        other => return Err(format!("{other}: see the head of the example").into()),
    };
    if is_json {
        println!("{}", serde_json::to_string(&figures)?);
    } else {
        for (name, figure) in &figures {
            println!("{name}: {figure:.0}");
        }
    }
    Ok(())
}

/// Items per second of all rounds together.
fn rate(items: usize, spent: Duration) -> f64 {
    f64::from(u32::try_from(items).unwrap_or(u32::MAX)) / spent.as_secs_f64()
}
