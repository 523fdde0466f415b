//! One import from file to report.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tributary_client::{
    AccountId, Client, Hash, OutcomeCode, PaymentDraft, PaymentKind, Reference,
};
use tributary_types::{Domain, Encode as _};

use super::journal::Journal;
use super::plan::plan;
use super::rows::{BadRow, Row, RowKind, Rows, read};
use super::setup::{asset, open, openings};
use super::submit::{Item, submit};
use crate::arguments::ImportArguments;
use crate::output::{Format, print};

/// Longest that one request is repeated before the import gives up; another
/// run then completes it.
const ANSWER_WAIT: Duration = Duration::from_secs(120);
/// Bad rows that are shown.
const BAD_ROWS_SHOWN_MAX: usize = 10;

/// What an import came to.
#[derive(Debug, Serialize)]
struct Report {
    /// Valid rows of the file.
    rows: u64,
    /// Rows that were left out.
    bad: u64,
    /// Rows submitted by this run.
    submitted: u64,
    /// Rows by final outcome, over all runs.
    outcomes: BTreeMap<&'static str, u64>,
    /// Accounts that the file names.
    accounts: u64,
    /// Opening and funding of accounts.
    setup_seconds: f64,
    /// Submission of rows until all outcomes are final.
    seconds: f64,
    /// Submitted rows per second.
    rate: f64,
}

/// Imports a file; exit code 1 if a row was refused.
///
/// # Errors
/// If the file is bad, or something gets no answer; repeating completes it.
pub async fn run(
    client: &Client,
    root: &Path,
    arguments: &ImportArguments,
    format: Format,
) -> Result<ExitCode> {
    let rows = read_checked(arguments)?;
    let openings_wanted = (arguments.opening_customers, arguments.opening_merchants);
    let plan = plan(&rows.rows, openings_wanted.0, openings_wanted.1)?;
    let root = root.canonicalize().with_context(|| format!("cannot find {}", root.display()))?;
    let mut journal = Journal::open(Journal::path_of(&root, client.cluster()))?;
    let client = client.with_deadline(ANSWER_WAIT);
    let stopped = stop_on_interrupt();
    let is_stopped = move || stopped.load(Ordering::Relaxed);

    let start = Instant::now();
    open(&client, &plan).await.context("opening accounts")?;
    let file = digest(&rows.rows);
    let funding = openings(&client, &plan, openings_wanted, &file)?;
    let hidden = ProgressBar::hidden();
    let funded = submit(&client, &mut journal, &funding, &hidden, &is_stopped).await?;
    if let Some(refused) = refusals(&funded.outcomes) {
        bail!("opening money was refused: {refused}");
    }
    let setup = start.elapsed();

    let start = Instant::now();
    let progress = progress_bar(rows.rows.len() as u64);
    let items = rows.rows.iter().map(|row| item(&client, row)).collect::<Result<Vec<_>>>()?;
    let tally = submit(&client, &mut journal, &items, &progress, &is_stopped).await?;
    progress.finish_and_clear();
    let elapsed = start.elapsed();
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let rate = tally.submitted as f64 / elapsed.as_secs_f64().max(f64::EPSILON);
    let report = Report {
        rows: rows.rows.len() as u64,
        bad: rows.bad.len() as u64,
        submitted: tally.submitted,
        accounts: (plan.customers.len() + plan.merchants.len()) as u64,
        outcomes: tally.outcomes,
        setup_seconds: setup.as_secs_f64(),
        seconds: elapsed.as_secs_f64(),
        rate,
    };
    show(&report, format)?;
    Ok(match refusals(&report.outcomes) {
        Some(_) => ExitCode::FAILURE,
        None => ExitCode::SUCCESS,
    })
}

fn show(report: &Report, format: Format) -> Result<()> {
    let mut rows = crate::output::Rows::new(&["outcome", "rows"]);
    for (outcome, count) in &report.outcomes {
        rows.push(vec![(*outcome).to_owned(), count.to_string()]);
    }
    print(format, &rows, report)?;
    if format == Format::Table {
        println!(
            "\n{} rows, {} submitted in {:.2} s ({:.0} a second); {} accounts set up in {:.2} s",
            report.rows,
            report.submitted,
            report.seconds,
            report.rate,
            report.accounts,
            report.setup_seconds
        );
    }
    Ok(())
}

/// The refused outcomes in words, if there are any.
fn refusals(outcomes: &BTreeMap<&'static str, u64>) -> Option<String> {
    let refused: Vec<_> = outcomes
        .iter()
        .filter(|(outcome, _)| **outcome != OutcomeCode::Committed.as_str())
        .map(|(outcome, count)| format!("{count} {outcome}"))
        .collect();
    (!refused.is_empty()).then(|| refused.join(", "))
}

/// Reads the file; bad rows end the import unless they are to be collected.
fn read_checked(arguments: &ImportArguments) -> Result<Rows> {
    let rows = read(&arguments.file)?;
    match &arguments.skip_bad {
        Some(path) => write_bad(path, &rows)?,
        None if !rows.bad.is_empty() => {
            let shown: Vec<_> =
                rows.bad.iter().take(BAD_ROWS_SHOWN_MAX).map(BadRow::to_string).collect();
            let (all, list) = (rows.bad.len(), shown.join("\n  "));
            bail!("{all} bad rows, nothing was submitted (see --skip-bad):\n  {list}");
        }
        None => {}
    }
    Ok(rows)
}

fn write_bad(path: &Path, rows: &Rows) -> Result<()> {
    let context = || format!("cannot write {}", path.display());
    let mut writer =
        csv::WriterBuilder::new().flexible(true).from_path(path).with_context(context)?;
    let extra = ["line".to_owned(), "column".to_owned(), "reason".to_owned()];
    writer.write_record(extra.iter().chain(&rows.header)).with_context(context)?;
    for bad in &rows.bad {
        let extra = [bad.line.to_string(), bad.column.to_owned(), bad.reason.clone()];
        writer.write_record(extra.iter().chain(&bad.fields)).with_context(context)?;
    }
    writer.flush().with_context(context)
}

fn item(client: &Client, row: &Row) -> Result<Item> {
    let asset = asset(client, row.currency).with_context(|| format!("line {}", row.line))?;
    let customer: AccountId = client.place_user(row.customer(), asset);
    let merchant = client.place_merchant(row.merchant(), asset);
    let (kind, debit, credit) = match row.kind {
        RowKind::Payment => (PaymentKind::Payment, customer, merchant),
        RowKind::Refund => (PaymentKind::Refund, merchant, customer),
    };
    let draft = PaymentDraft::new(kind, debit, credit, row.amount, asset)
        .with_reference(reference_of(&row.reference));
    Ok(Item { reference: format!("row/{}", row.reference), content: content_of(&draft), draft })
}

/// The 16 bytes that stand for a business reference in a payment: its text if
/// that fits, else the beginning of its hash.
pub fn reference_of(text: &str) -> Reference {
    Reference::from_text(text).unwrap_or_else(|| {
        let hash = Domain::Content.hash(text.as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash.as_bytes()[..16]);
        Reference(bytes)
    })
}

/// A digest of everything about a payment but its id.
pub fn content_of(draft: &PaymentDraft) -> Hash {
    let after_id = &draft.record().to_bytes()[16..];
    Domain::Content.hash(after_id)
}

/// A digest of the rows, so that the same file is recognised.
fn digest(rows: &[Row]) -> String {
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(row.reference.as_bytes());
        bytes.push(0);
    }
    Domain::Content.hash(&bytes).to_string()[..16].to_owned()
}

fn progress_bar(rows: u64) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} payments, {per_sec}, {eta} left";
    let style =
        ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(rows).with_style(style)
}

/// Set by Ctrl-C: the import then stops between two requests, with its journal
/// complete.
fn stop_on_interrupt() -> Arc<AtomicBool> {
    let stopped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stopped);
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            flag.store(true, Ordering::Relaxed);
        }
    });
    stopped
}
