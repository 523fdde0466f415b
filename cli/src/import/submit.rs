//! Submitting payments under the journal: each reference under one id, until
//! there is a final outcome.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use tributary_client::{
    ChainId, Client, Hash, ItemError, OutcomeCode, PaymentDraft, PaymentId, Verdict, new_payment_id,
};

use super::journal::Journal;

/// Payments of one request.
const CHUNK_PAYMENTS: usize = 8_192;

/// A payment without an id, and the reference that stands for it.
#[derive(Debug, Clone)]
pub struct Item {
    /// The journal's key.
    pub reference: String,
    /// What it is, as a digest, so that a reference is not used for two things.
    pub content: Hash,
    /// The payment; its id is replaced by the journal's.
    pub draft: PaymentDraft,
}

/// What a submission came to.
#[derive(Debug, Default)]
pub struct Tally {
    /// Items by final outcome; those of earlier runs included.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Items submitted now.
    pub submitted: u64,
    /// Items that an earlier run had completed.
    pub done_before: u64,
}

/// Submits `items` in order; at every moment the journal knows enough to go on.
/// Stops between two requests once `is_stopped` says so.
///
/// # Errors
/// If an item gets no answer, or a reference stands for something else.
pub async fn submit(
    client: &Client,
    journal: &mut Journal,
    items: &[Item],
    progress: &ProgressBar,
    is_stopped: &dyn Fn() -> bool,
) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut pending = Vec::new();
    for chunk in items.chunks(CHUNK_PAYMENTS) {
        if is_stopped() {
            bail!("interrupted; repeat the import to complete it");
        }
        let mut drafts = assign(journal, chunk, &mut tally)?;
        progress.inc(chunk.len() as u64 - drafts.len() as u64);
        while !drafts.is_empty() {
            tally.submitted += drafts.len() as u64;
            drafts = submit_once(client, journal, &drafts, &mut tally, &mut pending).await?;
        }
        journal.sync()?;
        progress.set_position(progress.position().max(tally.done_before + tally.submitted));
    }
    let finals = client.finals(&pending).await.context("repeat the import later")?;
    for ((id, _), located) in pending.iter().zip(finals) {
        let code = located.receipt.code;
        journal.finish(*id, code)?;
        *tally.outcomes.entry(code.as_str()).or_default() += 1;
    }
    journal.sync()?;
    Ok(tally)
}

/// Gives every unfinished item its id: the journal's if it has one whose
/// outcome is open, a new one if it has none or was refused. Durable on return.
fn assign(
    journal: &mut Journal,
    items: &[Item],
    tally: &mut Tally,
) -> Result<Vec<(String, PaymentDraft)>> {
    let mut drafts = Vec::with_capacity(items.len());
    for item in items {
        let known = journal.entry(&item.reference).copied();
        if let Some(entry) = known
            && entry.content != item.content
        {
            bail!("reference {} stands for another payment in the journal", item.reference);
        }
        let id = match known {
            Some(entry) if entry.outcome.is_some_and(OutcomeCode::is_committed) => {
                tally.done_before += 1;
                *tally.outcomes.entry(OutcomeCode::Committed.as_str()).or_default() += 1;
                continue;
            }
            Some(entry) if entry.outcome.is_none() => entry.id,
            _ => {
                let id = new_payment_id();
                journal.assign(&item.reference, id, item.content)?;
                id
            }
        };
        drafts.push((item.reference.clone(), item.draft.with_id(id)));
    }
    journal.sync()?;
    Ok(drafts)
}

/// Submits drafts once. Returns those that need another id: their old one left
/// the window before it ever executed.
async fn submit_once(
    client: &Client,
    journal: &mut Journal,
    drafts: &[(String, PaymentDraft)],
    tally: &mut Tally,
    pending: &mut Vec<(PaymentId, ChainId)>,
) -> Result<Vec<(String, PaymentDraft)>> {
    let payments: Vec<_> = drafts.iter().map(|(_, draft)| *draft).collect();
    let results = client.pay(&payments).await;
    let mut again = Vec::new();
    for ((reference, draft), result) in drafts.iter().zip(results) {
        let (mut code, mut chain) = match result {
            Ok(outcome) => (outcome.receipt.code, outcome.chain),
            Err(ItemError::Unanswered { last, .. }) => {
                bail!("{reference} has no answer ({last}); repeat the import to complete it")
            }
            Err(error) => return Err(error).with_context(|| reference.clone()),
        };
        if code == OutcomeCode::Expired {
            match earlier_outcome(client, draft.id()).await? {
                Some(earlier) => (code, chain) = earlier,
                None => {
                    let content = journal.entry(reference).map(|entry| entry.content);
                    let id = new_payment_id();
                    journal.assign(reference, id, content.context("an assigned reference")?)?;
                    again.push((reference.clone(), draft.with_id(id)));
                    continue;
                }
            }
        }
        if code.is_pending() {
            pending.push((draft.id(), chain));
            continue;
        }
        journal.finish(draft.id(), code)?;
        *tally.outcomes.entry(code.as_str()).or_default() += 1;
    }
    journal.sync()?;
    Ok(again)
}

/// What an expired id came to when it was first submitted; `None` if it never
/// executed and never will.
async fn earlier_outcome(client: &Client, id: PaymentId) -> Result<Option<(OutcomeCode, ChainId)>> {
    match client.payment(id).await?.verdict {
        Verdict::Committed(at) | Verdict::Refused(at) | Verdict::Pending(at) => {
            Ok(Some((at.receipt.code, at.chain)))
        }
        Verdict::NeverExecuted => Ok(None),
        Verdict::NotSeen { .. } => bail!("payment {id} may still execute; repeat the import later"),
    }
}
