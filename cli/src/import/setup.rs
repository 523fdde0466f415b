//! Before the rows: accounts are opened and given their opening money.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tributary_client::{
    AccountId, AssetCode, AssetId, Client, FloatPolicy, Operation, OutcomeCode, PaymentDraft,
    PaymentKind,
};

use super::plan::{Opening, Plan, PlannedAccount};
use super::submit::Item;
use super::{run::content_of, run::reference_of};

/// How long opened merchants may take to be known on every user chain.
const PROXIES_WAIT: Duration = Duration::from_secs(60);
/// Between two looks.
const PROXIES_POLL: Duration = Duration::from_millis(10);

/// The number of a currency.
pub fn asset(client: &Client, code: AssetCode) -> Result<AssetId> {
    let entry = client.asset(code);
    Ok(entry.with_context(|| format!("the cluster has no asset {code}"))?.id)
}

/// Opens every account of the plan; those that exist stay as they are.
pub async fn open(client: &Client, plan: &Plan) -> Result<()> {
    let mut operations = Vec::new();
    for merchant in &plan.merchants {
        let asset = asset(client, merchant.currency)?;
        operations.push(client.merchant_opening(&merchant.name, asset, FloatPolicy::default()));
    }
    for customer in &plan.customers {
        let asset = asset(client, customer.currency)?;
        operations.push(client.account_opening(&customer.name, asset, None));
    }
    operate(client, &operations).await?;
    wait_for_proxies(client).await
}

async fn operate(client: &Client, operations: &[Operation]) -> Result<()> {
    for (operation, result) in operations.iter().zip(client.operate(operations).await) {
        let code = result.with_context(|| format!("{:?}", operation.action))?.receipt.code;
        if code != OutcomeCode::Committed {
            bail!("{code}: {:?}", operation.action);
        }
    }
    Ok(())
}

/// Waits until every user chain has received what the HF chain has sent by now.
async fn wait_for_proxies(client: &Client) -> Result<()> {
    let hf_chain = client.genesis().hf_chain();
    let deadline = Instant::now() + PROXIES_WAIT;
    for sent in client.channels(hf_chain).await?.value {
        loop {
            let channels = client.channels(sent.peer).await?.value;
            let received = channels.iter().find(|channel| channel.peer == hf_chain);
            if received.is_some_and(|channel| channel.received >= sent.sent) {
                break;
            }
            if Instant::now() > deadline {
                bail!("merchants did not reach chain {} within {PROXIES_WAIT:?}", sent.peer);
            }
            tokio::time::sleep(PROXIES_POLL).await;
        }
    }
    Ok(())
}

/// The opening payments. A fixed amount is given once in an account's life; an
/// automatic one once for each file.
pub fn openings(
    client: &Client,
    plan: &Plan,
    (customers, merchants): (Opening, Opening),
    file: &str,
) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    let sides =
        [(&plan.customers, customers, "customer"), (&plan.merchants, merchants, "merchant")];
    for (accounts, opening, side) in sides {
        for account in accounts.iter().filter(|account| !account.opening.is_zero()) {
            let asset = asset(client, account.currency)?;
            let id = match side {
                "customer" => client.place_user(&account.name, asset),
                _ => client.place_merchant(&account.name, asset),
            };
            let once = match opening {
                Opening::Auto => file,
                Opening::Fixed(_) => "once",
            };
            items.push(opening_item(client, account, id, asset, &format!("opening/{side}/{once}")));
        }
    }
    Ok(items)
}

fn opening_item(
    client: &Client,
    account: &PlannedAccount,
    id: AccountId,
    asset: AssetId,
    prefix: &str,
) -> Item {
    let reference = format!("{prefix}/{}", account.name);
    let issuer = client.issuer(asset, client.chain_of(id));
    let draft = PaymentDraft::new(PaymentKind::Issue, issuer, id, account.opening, asset)
        .with_reference(reference_of("opening"));
    Item { content: content_of(&draft), reference, draft }
}
