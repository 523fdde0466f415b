//! `payment`: what became of an id, and the proof of it.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tributary_client::{Client, Located, PaymentId, PaymentReport, Verdict};

use super::verify::{Proof, write};
use crate::output::{Format, Rows, print};

/// Between two questions about a payment that is not final.
const POLL: Duration = Duration::from_millis(20);

/// Prints the verdict. Exit code 1 if no chain knows the id.
///
/// # Errors
/// If a chain does not answer.
pub async fn run(
    client: &Client,
    id: PaymentId,
    proof: Option<&Path>,
    format: Format,
) -> Result<ExitCode> {
    let report = client.payment(id).await?;
    if let Some(path) = proof {
        let proof = client.prove_payment(id).await?;
        let proof = proof.with_context(|| format!("{id} has no outcome to prove"))?;
        write(path, &Proof::Outcome(Box::new(proof)))?;
    }
    let (word, located) = describe(&report.verdict);
    let mut rows = Rows::new(&["id", "verdict", "outcome", "chain", "height", "index", "time_ms"]);
    let mut cells = vec![id.to_string(), word.to_owned()];
    match located {
        Some(at) => cells.extend([
            at.receipt.code.to_string(),
            at.chain.to_string(),
            at.position.height().to_string(),
            at.position.index().to_string(),
            at.time.to_string(),
        ]),
        None => cells.extend(std::iter::repeat_n(String::new(), 5)),
    }
    rows.push(cells);
    print(format, &rows, &report)?;
    Ok(if located.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(verdict: &Verdict) -> (&'static str, Option<&Located>) {
    match verdict {
        Verdict::Committed(at) => ("committed", Some(at)),
        Verdict::Refused(at) => ("refused", Some(at)),
        Verdict::Pending(at) => ("pending", Some(at)),
        Verdict::NeverExecuted => ("never executed: its id is expired", None),
        Verdict::NotSeen { .. } => ("not seen yet", None),
    }
}

/// Asks until the payment is final, at most for `patience`.
///
/// # Errors
/// If a chain does not answer.
pub async fn until_final(
    client: &Client,
    id: PaymentId,
    patience: Duration,
) -> Result<PaymentReport> {
    let deadline = Instant::now() + patience;
    loop {
        let report = client.payment(id).await?;
        if !matches!(report.verdict, Verdict::Pending(_)) || Instant::now() >= deadline {
            return Ok(report);
        }
        tokio::time::sleep(POLL).await;
    }
}
