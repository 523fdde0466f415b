//! `merchants` and `merchant`: aggregated totals and balances.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use tributary_client::{AccountName, Amount, Client, MerchantReport, MerchantView};

use crate::output::{Format, Rows, print};

/// Received less refunded; may be negative.
fn net(merchant: &MerchantView) -> String {
    let (received, refunded) = (merchant.received, merchant.refunded);
    match received.checked_sub(refunded) {
        Some(net) => net.to_string(),
        None => {
            let owed = refunded.checked_sub(received).unwrap_or(Amount::ZERO);
            format!("-{owed}")
        }
    }
}

/// Prints all merchants.
///
/// # Errors
/// If a chain does not answer, or does not settle in time.
pub async fn list(client: &Client, settled: bool, format: Format) -> Result<()> {
    if settled {
        client.settled().await?;
    }
    let mut merchants = client.merchants().collect().await?;
    merchants.sort_by_key(|merchant| merchant.name);
    let mut rows = Rows::new(&["merchant", "received", "refunded", "net", "balance"]);
    for merchant in &merchants {
        rows.push(vec![
            merchant.name.to_string(),
            merchant.received.to_string(),
            merchant.refunded.to_string(),
            net(merchant),
            merchant.balance.to_string(),
        ]);
    }
    print(format, &rows, &merchants)
}

/// Prints one merchant.
///
/// # Errors
/// If there is none of this name, or a chain does not answer.
pub async fn show(
    client: &Client,
    name: &AccountName,
    proof: Option<&Path>,
    format: Format,
) -> Result<()> {
    let account = client.resolve_merchant(name).await?;
    let report = client.merchant(account).await?;
    let report = report.with_context(|| format!("there is no merchant named {name}"))?;
    if let Some(path) = proof {
        let proof = client.prove_balance(account).await?;
        let proof = proof.with_context(|| format!("{name} has no proof yet"))?;
        super::verify::write(path, &super::verify::Proof::Balance(Box::new(proof)))?;
    }
    let (rows, in_flight) = in_flight(&report);
    let merchant = &report.merchant.value;
    if format == Format::Table {
        println!("{name} ({account}), {}", super::asset_code(client, merchant.asset));
        println!(
            "received {}, refunded {}, net {}",
            merchant.received,
            merchant.refunded,
            net(merchant)
        );
        println!("balance {}, of which {} on the HF chain", merchant.balance, merchant.available);
        println!("as of block {} ({} ms)\n", report.merchant.height, report.merchant.time);
    }
    let document = json!({
        "merchant": merchant,
        "net": net(merchant),
        "height": report.merchant.height,
        "time_ms": report.merchant.time,
        "in_flight": in_flight,
    });
    print(format, &rows, &document)
}

/// Chain by chain: what is settled, and what the proxy has beyond it.
fn in_flight(report: &MerchantReport) -> (Rows, Vec<serde_json::Value>) {
    let mut rows = Rows::new(&[
        "chain",
        "received",
        "refunded",
        "swept",
        "funded",
        "unsettled_received",
        "unsettled_refunded",
        "waiting_refunds",
        "as_of_height",
        "as_of_time_ms",
    ]);
    let mut documents = Vec::new();
    for proxy in &report.proxies {
        let known = report.merchant.value.chains.iter().find(|known| known.chain == proxy.chain);
        let settled = known.map(|known| known.counters).unwrap_or_default();
        let counters = proxy.value.counters;
        let beyond = |now: Amount, then: Amount| now.checked_sub(then).unwrap_or(Amount::ZERO);
        let received = beyond(counters.received, settled.received);
        let refunded = beyond(counters.refunded, settled.refunded);
        rows.push(vec![
            proxy.chain.to_string(),
            settled.received.to_string(),
            settled.refunded.to_string(),
            settled.swept.to_string(),
            settled.funded.to_string(),
            received.to_string(),
            refunded.to_string(),
            proxy.value.waiting.to_string(),
            known.map_or(0, |known| known.as_of_height.get()).to_string(),
            known.map_or(0, |known| known.as_of_time.get()).to_string(),
        ]);
        documents.push(json!({
            "chain": proxy.chain,
            "unsettled_received": received,
            "unsettled_refunded": refunded,
            "waiting_refunds": proxy.value.waiting,
            "waiting_amount": proxy.value.waiting_amount,
            "proxy_balance": proxy.value.balance,
        }));
    }
    (rows, documents)
}
