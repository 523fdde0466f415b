//! `books`: the conservation check over all chains.

use anyhow::Result;
use tributary_client::Client;

use crate::output::{Format, Rows, print};

/// Prints the books of all chains together.
///
/// # Errors
/// If a chain does not answer, or a penny is missing.
pub async fn run(client: &Client, format: Format) -> Result<()> {
    let summary = client.books().await?;
    let mut rows = Rows::new(&["asset", "issued", "users", "proxies", "merchants", "in_flight"]);
    for asset in &summary.assets {
        rows.push(vec![
            super::asset_code(client, asset.asset),
            asset.issued.to_string(),
            asset.users.to_string(),
            asset.proxies.to_string(),
            asset.merchants.to_string(),
            asset.in_flight.to_string(),
        ]);
    }
    print(format, &rows, &summary)?;
    if format == Format::Table {
        println!("\nThe books of {} chains balance.", client.chain_ids().len());
    }
    Ok(())
}
