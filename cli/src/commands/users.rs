//! `account`: one user account and its newest payments.

use anyhow::{Context, Result};
use serde_json::json;
use tributary_client::{AccountId, AccountName, Client};

use crate::output::{Format, Rows, print};

/// Prints an account.
///
/// # Errors
/// If there is none of this name, or its chain does not answer.
pub async fn run(client: &Client, name: &AccountName, history: u32, format: Format) -> Result<()> {
    let id = client.resolve_user(name).await?;
    let chain = client.chain_of(id);
    let found = client.account(id).await?.with_context(|| format!("there is no account {name}"))?;
    let entries = client.history(chain, id).take(history as usize).await?;
    let account = &found.value;
    if format == Format::Table {
        println!("{name} ({id}), {}", super::asset_code(client, account.asset));
        println!("balance {} on chain {chain} as of block {}\n", account.balance, found.height);
    }
    let columns = &["position", "time_ms", "kind", "debit", "credit", "amount", "outcome", "id"];
    let mut rows = Rows::new(columns);
    for entry in &entries {
        let payment = &entry.payment;
        let side = |side: AccountId| if side == id { name.to_string() } else { side.to_string() };
        rows.push(vec![
            format!("{:?}", entry.position),
            entry.time.to_string(),
            format!("{:?}", payment.kind).to_lowercase(),
            side(payment.debit),
            side(payment.credit),
            payment.amount.to_string(),
            entry.receipt.code.to_string(),
            payment.id.to_string(),
        ]);
    }
    let document = json!({
        "account": id,
        "name": name,
        "chain": chain,
        "height": found.height,
        "asset": super::asset_code(client, account.asset),
        "status": account.status,
        "balance": account.balance,
        "debits": account.debits,
        "credits": account.credits,
        "history": entries,
    });
    print(format, &rows, &document)
}
