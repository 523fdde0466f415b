//! Before the load: accounts and merchants are opened and given money.
//!
//! A second run on the same cluster uses the same accounts; it gives them money
//! again.

use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;
use tributary_client::{
    AccountName, Amount, AssetId, Client, FloatPolicy, Operation, OutcomeCode, PaymentDraft,
    PaymentKind, SigningKey,
};

use crate::arguments::{Arguments, Signed};
use crate::workload::{Parties, Payer};

/// Operations or payments of one request.
const CHUNK_ITEMS: usize = 4_096;
/// Minor units that every payer gets: more than it can spend in one run.
const OPENING_BALANCE: Amount = Amount::new(1_000_000_000);
/// What merchants keep on each user chain for refunds, in minor units.
const REFUND_FLOAT: Amount = Amount::new(1_000_000);

/// Everything that exists before the load begins.
pub struct Population;

impl Population {
    /// Opens and funds what the workload needs.
    ///
    /// # Errors
    /// If anything is refused or gets no answer.
    pub async fn open(clients: &[Client], arguments: &Arguments) -> Result<Parties> {
        let begin = Instant::now();
        let client = &clients[0];
        let code = arguments.asset;
        let entry = client.asset(code);
        let asset = entry.with_context(|| format!("the cluster has no asset {code}"))?.id;
        let parties = parties(client, arguments, asset)?;
        let merchants = merchants_opening(client, arguments, asset)?;
        operate(clients, merchants).await.context("opening merchants")?;
        let users = users_opening(client, arguments, asset)?;
        operate(clients, users).await.context("opening accounts")?;
        set_floats(client, &parties, arguments).await.context("setting floats")?;
        client.announced().await?;
        fund(clients, &parties).await.context("giving opening money")?;
        let (accounts, merchants) = (arguments.accounts, arguments.merchants);
        let seconds = begin.elapsed().as_secs_f64();
        eprintln!("{accounts} accounts and {merchants} merchants are ready after {seconds:.1} s");
        Ok(parties)
    }
}

fn parties(client: &Client, arguments: &Arguments, asset: AssetId) -> Result<Parties> {
    let chains = client.routes().user_chains();
    let mut payers = Vec::with_capacity(arguments.accounts);
    for number in 0..arguments.accounts {
        let account = client.place_user(&user_name(arguments, number)?, asset);
        let chain = chains.iter().position(|chain| *chain == client.chain_of(account));
        let chain = chain.context("an account belongs to a user chain")?;
        payers.push(Payer { account, chain, owner: owner(arguments, number) });
    }
    let first = payers[0].chain;
    ensure!(
        arguments.cross_chain_percent == 0 || payers.iter().any(|payer| payer.chain != first),
        "--cross-chain-percent needs accounts on at least two user chains"
    );
    let merchants = 0..arguments.merchants;
    let merchants =
        merchants.map(|number| Ok(client.place_merchant(&merchant_name(number)?, asset)));
    let merchants = merchants.collect::<Result<_>>()?;
    Ok(Parties { cluster: *client.cluster(), asset, payers, merchants })
}

fn merchants_opening(
    client: &Client,
    arguments: &Arguments,
    asset: AssetId,
) -> Result<Vec<Operation>> {
    let float = FloatPolicy::default();
    let open = |number| Ok(client.merchant_opening(&merchant_name(number)?, asset, float));
    (0..arguments.merchants).map(open).collect()
}

fn users_opening(client: &Client, arguments: &Arguments, asset: AssetId) -> Result<Vec<Operation>> {
    let open = |number| {
        let owner = owner(arguments, number).map(|key| key.public());
        Ok(client.account_opening(&user_name(arguments, number)?, asset, owner))
    };
    (0..arguments.accounts).map(open).collect()
}

/// Accounts with an owner are other accounts than those without.
fn user_name(arguments: &Arguments, number: usize) -> Result<AccountName> {
    let prefix = match arguments.signed {
        Signed::Institution => "lu",
        Signed::Owner => "lo",
    };
    Ok(format!("{prefix}{number}").parse()?)
}

fn merchant_name(number: usize) -> Result<AccountName> {
    Ok(format!("lm{number}").parse()?)
}

/// The key of an account's owner: the same in every run.
fn owner(arguments: &Arguments, number: usize) -> Option<SigningKey> {
    let mut seed = [0x6c; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    (arguments.signed == Signed::Owner).then(|| SigningKey::from_seed(seed))
}

/// Executes operations over all connections; each must be committed.
async fn operate(clients: &[Client], operations: Vec<Operation>) -> Result<()> {
    let mut asking = JoinSet::new();
    for (number, chunk) in operations.chunks(CHUNK_ITEMS).enumerate() {
        if asking.len() == clients.len() {
            joined(&mut asking).await?;
        }
        let (client, chunk) = (clients[number % clients.len()].clone(), chunk.to_vec());
        asking.spawn(async move {
            let results = client.operate(&chunk).await;
            results.into_iter().map(|result| Ok(result?.receipt.code)).collect::<Result<Vec<_>>>()
        });
    }
    while !asking.is_empty() {
        joined(&mut asking).await?;
    }
    Ok(())
}

/// Lets merchants keep money on the user chains if refunds are to come.
async fn set_floats(client: &Client, parties: &Parties, arguments: &Arguments) -> Result<()> {
    let target = if arguments.refund_percent == 0 { Amount::ZERO } else { REFUND_FLOAT };
    let float = FloatPolicy { target, ..FloatPolicy::default() };
    for merchant in &parties.merchants {
        let code = client.set_float(*merchant, float).await?.receipt.code;
        ensure!(code == OutcomeCode::Committed, "refused as {code}");
    }
    Ok(())
}

/// Gives every payer its opening balance from the issuer of its chain.
async fn fund(clients: &[Client], parties: &Parties) -> Result<()> {
    let mut asking = JoinSet::new();
    for (number, chunk) in parties.payers.chunks(CHUNK_ITEMS).enumerate() {
        if asking.len() == clients.len() {
            joined(&mut asking).await?;
        }
        let client = clients[number % clients.len()].clone();
        let draft = |payer: &Payer| {
            let issuer = client.issuer(parties.asset, client.chain_of(payer.account));
            let (kind, account) = (PaymentKind::Issue, payer.account);
            PaymentDraft::new(kind, issuer, account, OPENING_BALANCE, parties.asset)
        };
        let drafts: Vec<_> = chunk.iter().map(draft).collect();
        asking.spawn(async move {
            let results = client.pay(&drafts).await;
            results.into_iter().map(|result| Ok(result?.receipt.code)).collect::<Result<Vec<_>>>()
        });
    }
    while !asking.is_empty() {
        joined(&mut asking).await?;
    }
    Ok(())
}

async fn joined(asking: &mut JoinSet<Result<Vec<OutcomeCode>>>) -> Result<()> {
    let Some(codes) = asking.join_next().await else { return Ok(()) };
    // A merchant whose float an earlier run has set exists.
    let is_done = |code| matches!(code, OutcomeCode::Committed | OutcomeCode::AccountExists);
    match codes??.into_iter().find(|code| !is_done(*code)) {
        Some(code) => bail!("refused as {code}"),
        None => Ok(()),
    }
}
