//! `pay`: one payment between two names.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;
use tributary_client::{
    AccountClass, AccountId, AccountName, Amount, AssetCode, AssetId, ChainId, Client,
    PaymentDraft, PaymentId, PaymentKind, Position, Receipt, Reference, Verdict,
};

use super::payment::until_final;
use crate::output::{Format, Rows, print};

/// The name that stands for the institution's issuer account.
const ISSUER: &str = "issuer";
/// How long an outcome that is not final is waited for.
const FINAL_WAIT: Duration = Duration::from_secs(10);

/// What is to be paid.
pub struct Order {
    /// Who pays.
    pub from: AccountName,
    /// Who is paid.
    pub to: AccountName,
    /// Minor units.
    pub amount: Amount,
    /// The asset; by default the one of the accounts.
    pub asset: Option<AssetCode>,
    /// The caller's own reference.
    pub reference: Option<String>,
    /// The id to use.
    pub id: Option<PaymentId>,
}

/// Pays and prints the outcome; exit code 1 if it is refused.
///
/// # Errors
/// If a name is unknown or there is no answer.
pub async fn run(client: &Client, order: &Order, format: Format) -> Result<ExitCode> {
    let draft = draft(client, order).await?;
    let results = client.pay(&[draft]).await;
    let result = results.into_iter().next().context("one payment has one result")?;
    let outcome = result?;
    let mut shown = (outcome.chain, outcome.position, outcome.receipt);
    if outcome.receipt.code.is_pending() {
        let report = until_final(client, draft.id(), FINAL_WAIT).await?;
        if let Verdict::Committed(at) | Verdict::Refused(at) = report.verdict {
            shown = (at.chain, at.position, at.receipt);
        }
    }
    report(&draft, shown, format)
}

async fn draft(client: &Client, order: &Order) -> Result<PaymentDraft> {
    let is_issuer = |name: &AccountName| name.as_str() == ISSUER;
    if is_issuer(&order.from) && is_issuer(&order.to) {
        bail!("{ISSUER} cannot pay itself");
    }
    let wanted = match order.asset {
        Some(code) => {
            let entry = client.asset(code).with_context(|| format!("there is no asset {code}"))?;
            Some(entry.id)
        }
        None => None,
    };
    let (debit, credit, asset);
    if is_issuer(&order.from) {
        credit = client.resolve_any(&order.to).await?;
        asset = wanted.map_or(asset_of(client, credit).await, Ok)?;
        debit = client.issuer(asset, client.chain_of(credit));
    } else {
        debit = client.resolve_any(&order.from).await?;
        asset = wanted.map_or(asset_of(client, debit).await, Ok)?;
        credit = match is_issuer(&order.to) {
            true => client.issuer(asset, client.chain_of(debit)),
            false => client.resolve_any(&order.to).await?,
        };
    }
    let mut draft = PaymentDraft::new(kind(debit, credit), debit, credit, order.amount, asset);
    if let Some(text) = &order.reference {
        let reference = Reference::from_text(text);
        draft = draft.with_reference(reference.context("the reference is over 16 bytes")?);
    }
    Ok(order.id.map_or(draft, |id| draft.with_id(id)))
}

async fn asset_of(client: &Client, account: AccountId) -> Result<AssetId> {
    let unknown = || format!("there is no account {account}");
    if account.class() == AccountClass::Hf {
        let report = client.merchant(account).await?.with_context(unknown)?;
        return Ok(report.merchant.value.asset);
    }
    Ok(client.account(account).await?.with_context(unknown)?.value.asset)
}

fn kind(debit: AccountId, credit: AccountId) -> PaymentKind {
    match (debit.class(), credit.class()) {
        (AccountClass::Issuer, _) => PaymentKind::Issue,
        (_, AccountClass::Issuer) => PaymentKind::Redeem,
        (AccountClass::User, AccountClass::Hf) => PaymentKind::Payment,
        (AccountClass::Hf, AccountClass::User) => PaymentKind::Refund,
        _ => PaymentKind::Transfer,
    }
}

fn report(
    draft: &PaymentDraft,
    (chain, position, receipt): (ChainId, Position, Receipt),
    format: Format,
) -> Result<ExitCode> {
    let mut rows = Rows::new(&["id", "outcome", "replay", "chain", "height", "index", "detail"]);
    let detail = detail(draft, &receipt);
    rows.push(vec![
        draft.id().to_string(),
        receipt.code.to_string(),
        receipt.replay.to_string(),
        chain.to_string(),
        position.height().to_string(),
        position.index().to_string(),
        detail.clone(),
    ]);
    let document = json!({
        "id": draft.id(),
        "outcome": receipt.code,
        "replay": receipt.replay,
        "chain": chain,
        "height": position.height(),
        "index": position.index(),
        "detail": detail,
    });
    print(format, &rows, &document)?;
    Ok(if receipt.code.is_refused() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What a refusal says beyond its code.
fn detail(draft: &PaymentDraft, receipt: &Receipt) -> String {
    use tributary_client::OutcomeCode as Code;
    match receipt.code {
        Code::InsufficientFunds if !receipt.replay => {
            format!("available {}, needed {}", receipt.detail, draft.payment().amount)
        }
        Code::Expired | Code::FromFuture => {
            format!("id time {} ms, block time {} ms", draft.id().time(), receipt.detail)
        }
        Code::Moved => format!("route table version {}", receipt.detail),
        _ => String::new(),
    }
}
