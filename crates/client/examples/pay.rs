//! Opens a customer and a shop, brings money in, pays, and waits until the
//! shop's balance on the HF chain shows it.
//!
//! ```text
//! tributary cluster up --dir /tmp/tributary
//! cargo run --release -p tributary-client --example pay -- /tmp/tributary/client.toml
//! ```

use std::error::Error;
use std::path::Path;

use tributary_client::{
    Amount, Client, ClientConfig, FloatPolicy, ItemResult, PaymentDraft, PaymentKind,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let file = std::env::args().nth(1).ok_or("usage: pay CLIENT.TOML")?;
    let client = Client::connect(ClientConfig::load(Path::new(&file))?).await?;
    let gbp = client.asset("GBP".parse()?).ok_or("the cluster has no GBP")?.id;

    // Names are placed on chains by hashing; opening twice changes nothing.
    let (customer, shop) = ("example-customer".parse()?, "example-shop".parse()?);
    committed("customer", &client.open_account(&customer, gbp, None).await)?;
    committed("shop", &client.open_merchant(&shop, gbp, FloatPolicy::default()).await)?;
    client.announced().await?;
    let (customer, shop) =
        (client.resolve_user(&customer).await?, client.resolve_merchant(&shop).await?);

    // Money enters through the issuer account of the customer's own chain.
    let issuer = client.issuer(gbp, client.chain_of(customer));
    let issue = PaymentDraft::new(PaymentKind::Issue, issuer, customer, Amount::new(5_000), gbp);
    let pay = PaymentDraft::new(PaymentKind::Payment, customer, shop, Amount::new(1_530), gbp);
    committed("issue", &client.pay(&[issue]).await[0])?;
    committed("payment", &client.pay(&[pay]).await[0])?;

    client.settled().await?;
    let report = client.merchant(shop).await?.ok_or("the shop is gone")?;
    let merchant = &report.merchant;
    println!("shop: received {} as of block {}", merchant.value.received, merchant.height);
    Ok(())
}

/// Prints an outcome; anything but `committed` ends the example.
fn committed(what: &str, result: &ItemResult) -> Result<(), Box<dyn Error>> {
    let outcome = result.as_ref().map_err(Clone::clone)?;
    let code = outcome.receipt.code;
    println!("{what}: {code} on chain {}", outcome.chain);
    if code.is_committed() { Ok(()) } else { Err(format!("{what} is {code}").into()) }
}
