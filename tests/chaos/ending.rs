//! When faults have stopped: what became of every id, and what the cluster's
//! accounts say.
//!
//! The cluster is asked for each id that a client does not know the end of, and
//! for some of the others. What clients were told of the rest is held against
//! accounts, histories and books, as all of it is.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tributary_client::{Client, Located, OutcomeCode, PaymentId, PaymentKind, Verdict};

use crate::history::{Answer, Fate, History, Kind, MerchantEnd, PayerEnd, Place, Submission};
use crate::workload::{Parties, place};

/// How long a cluster without faults may take to decide everything.
const DECIDED_WITHIN: Duration = Duration::from_secs(120);
/// How long it may take to settle.
const SETTLED_WITHIN: Duration = Duration::from_secs(120);
/// Ids that are asked for at the same time.
const ASKED_MAX: usize = 64;
/// Of ids whose end is known, one in so many is asked for all the same.
const ASKED_ONE_IN: usize = 20;
/// Between two questions about one id.
const POLL: Duration = Duration::from_millis(100);

/// Adds the end to a history.
///
/// # Errors
/// If the cluster does not answer although nothing disturbs it any more.
pub async fn conclude(client: &Client, parties: &Parties, history: &mut History) -> Result<()> {
    let mut told = told(&history.submissions);
    history.fates = fates(client, parties, history, &mut told).await?;
    let settling = client.with_deadline(SETTLED_WITHIN);
    settling.settled().await.context("statements do not reach the HF chain")?;
    history.books = client.books().await.err().map(|error| error.to_string());
    for payer in &parties.payers {
        let view = client.account(*payer).await?.context("a payer's account is gone")?.value;
        let end = PayerEnd {
            opening: Parties::opening(),
            debits: view.debits.get(),
            credits: view.credits.get(),
            committed: committed(client, *payer).await?,
        };
        history.payers.push(end);
    }
    take_told(history, told);
    for merchant in &parties.merchants {
        let report = client.merchant(*merchant).await?.context("a merchant is gone")?;
        let view = report.merchant.value;
        history.merchants.push(MerchantEnd {
            received: view.received.get(),
            refunded: view.refunded.get(),
            payments: view.payments,
        });
    }
    Ok(())
}

/// Payments and refunds in a payer's history, without its opening money.
async fn committed(
    client: &Client,
    payer: tributary_client::AccountId,
) -> Result<Vec<(PaymentId, Place)>> {
    let chain = client.chain_of(payer);
    let (mut found, mut pages) = (Vec::new(), client.history(chain, payer));
    while let Some(page) = pages.next().await? {
        let wanted = page.iter().filter(|entry| {
            entry.receipt.code == OutcomeCode::Committed && entry.payment.kind != PaymentKind::Issue
        });
        found.extend(wanted.map(|entry| (entry.payment.id, place(chain, entry.position))));
    }
    Ok(found)
}

/// Asks for every id that is not told of, and for some that are: those are taken
/// off `told`.
async fn fates(
    client: &Client,
    parties: &Parties,
    history: &History,
    told: &mut BTreeMap<PaymentId, Fate>,
) -> Result<BTreeMap<PaymentId, Fate>> {
    let by_id: BTreeMap<PaymentId, &Submission> =
        history.submissions.iter().map(|one| (one.id, one)).collect();
    let (mut asking, mut fates) = (JoinSet::new(), BTreeMap::new());
    for (number, submission) in by_id.into_values().enumerate() {
        if number % ASKED_ONE_IN == 0 {
            told.remove(&submission.id);
        } else if told.contains_key(&submission.id) {
            continue;
        }
        if asking.len() == ASKED_MAX
            && let Some(found) = asking.join_next().await
        {
            let (id, fate): (PaymentId, Fate) = found?;
            fates.insert(id, fate);
        }
        let (client, parties, one) = (client.clone(), parties.clone(), submission.clone());
        asking.spawn(async move { (one.id, fate(&client, &parties, &one).await) });
    }
    while let Some(found) = asking.join_next().await {
        let (id, fate) = found?;
        fates.insert(id, fate);
    }
    Ok(fates)
}

/// What clients were told for good.
fn told(submissions: &[Submission]) -> BTreeMap<PaymentId, Fate> {
    let mut fates = BTreeMap::new();
    for Submission { id, answer, .. } in submissions {
        match answer {
            Answer::Committed(place) => {
                fates.insert(*id, Fate::Committed(*place));
            }
            Answer::Refused(why) => {
                fates.entry(*id).or_insert_with(|| Fate::Refused(why.clone()));
            }
            Answer::Pending | Answer::Unanswered(_) => {}
        }
    }
    fates
}

/// Adds what clients were told to what was asked. Who asks again about a refund
/// that waited is told where it began to; it stands in histories where it ended,
/// on the same chain.
fn take_told(history: &mut History, mut told: BTreeMap<PaymentId, Fate>) {
    let ends = history.payers.iter().flat_map(|payer| &payer.committed);
    let ends: BTreeMap<PaymentId, Place> = ends.copied().collect();
    for one in history.submissions.iter().filter(|one| one.kind == Kind::Refund) {
        if let Some(Fate::Committed(place)) = told.get_mut(&one.id)
            && let Some(end) = ends.get(&one.id)
            && end.0 == place.0
        {
            *place = *end;
        }
    }
    history.fates.append(&mut told);
}

/// Asks for an id until the answer is definite; one that no chain has seen is
/// submitted again, as its client would.
async fn fate(client: &Client, parties: &Parties, one: &Submission) -> Fate {
    let committed = |at: Located| Fate::Committed(place(at.chain, at.position));
    let begin = Instant::now();
    let mut last = String::new();
    while begin.elapsed() < DECIDED_WITHIN {
        match client.payment(one.id).await.map(|report| report.verdict) {
            Ok(Verdict::Committed(at)) => return committed(at),
            Ok(Verdict::Refused(at)) => return Fate::Refused(at.receipt.code.to_string()),
            Ok(Verdict::NeverExecuted) => return Fate::Refused("never executed".to_owned()),
            Ok(Verdict::Pending(at)) => last = at.receipt.code.to_string(),
            Ok(Verdict::NotSeen { .. }) => {
                "not seen".clone_into(&mut last);
                client.pay(&[parties.draft(one)]).await;
                continue;
            }
            Err(error) => last = error.to_string(),
        }
        tokio::time::sleep(POLL).await;
    }
    Fate::Undecided(last)
}
