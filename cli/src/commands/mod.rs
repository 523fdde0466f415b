//! The verbs that read from and pay through a cluster.

pub mod books;
pub mod chains;
pub mod merchants;
pub mod pay;
pub mod payment;
pub mod users;
pub mod verify;

use std::path::Path;

use anyhow::Context;
use tributary_client::{AssetId, Client, ClientConfig};

use crate::cluster::layout::Layout;

/// A client of the cluster in `root`.
///
/// # Errors
/// One sentence: no cluster there, or it does not answer.
pub async fn connect(root: &Path) -> anyhow::Result<Client> {
    let path = Layout::new(root).client();
    let config = ClientConfig::load(&path)
        .with_context(|| format!("{} holds no cluster", root.display()))?;
    Ok(Client::connect(config).await?)
}

/// The code of an asset, or its number if the genesis does not know it.
pub fn asset_code(client: &Client, asset: AssetId) -> String {
    let entry = client.genesis().assets.iter().find(|entry| entry.id == asset);
    entry.map_or_else(|| asset.to_string(), |entry| entry.code.to_string())
}
