//! Before the rows: accounts are opened and given their opening money.

use anyhow::{Context, Result, bail};
use tributary_client::{
    AccountId, AssetCode, AssetId, Client, FloatPolicy, Operation, OutcomeCode, PaymentDraft,
    PaymentKind,
};

use super::plan::{Opening, Plan, PlannedAccount};
use super::submit::Item;
use super::{run::content_of, run::reference_of};

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
    Ok(client.announced().await?)
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
