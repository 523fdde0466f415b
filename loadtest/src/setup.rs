//! Before the load: accounts and merchants are opened and given money.
//!
//! A second run on the same cluster uses the same accounts; it gives them money
//! again.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::task::JoinSet;
use tributary_client::{
    AccountId, AccountName, Action, Amount, AssetId, Client, FloatPolicy, ItemResult, Operation,
    OutcomeCode, PaymentDraft, PaymentKind, SetFloat, SigningKey, operation,
};

use crate::arguments::{Arguments, Setup, Signed};
use crate::workload::{Parties, Payer};

/// Operations or payments of one request.
const CHUNK_ITEMS: usize = 4_096;
/// Minor units that every payer gets: more than it can spend in one run.
const OPENING_BALANCE: Amount = Amount::new(1_000_000_000);
/// What merchants keep on each user chain for refunds, in minor units.
const REFUND_FLOAT: Amount = Amount::new(1_000_000);

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
    if arguments.setup == Setup::Done {
        return Ok(parties);
    }
    let merchants = merchants_opening(client, arguments, asset)?;
    announce(clients, &merchants, is_there).await.context("opening merchants")?;
    let users = users_opening(client, arguments, asset)?;
    operate(clients, &users, OutcomeCode::is_committed).await.context("opening accounts")?;
    let floats = floats(&parties, arguments);
    announce(clients, &floats, OutcomeCode::is_committed).await.context("setting floats")?;
    fund(clients, &parties).await.context("giving opening money")?;
    let (accounts, merchants) = (arguments.accounts, arguments.merchants);
    let seconds = begin.elapsed().as_secs_f64();
    eprintln!("{accounts} accounts and {merchants} merchants are ready after {seconds:.1} s");
    Ok(parties)
}

fn parties(client: &Client, arguments: &Arguments, asset: AssetId) -> Result<Parties> {
    let chains = client.routes().user_chains();
    let mut payers = Vec::with_capacity(arguments.accounts);
    for number in 0..arguments.accounts {
        let account = client.place_user(&user_name(arguments, number)?, asset);
        let chain = chains.iter().position(|chain| *chain == client.chain_of(account));
        let chain = chain.context("an account belongs to a user chain")?;
        let owner = owner(arguments, number).map(Box::new);
        payers.push(Payer { account, chain, owner });
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

/// Executes operations over all connections; each outcome must be accepted.
async fn operate(
    clients: &[Client],
    operations: &[Operation],
    is_accepted: fn(OutcomeCode) -> bool,
) -> Result<()> {
    in_chunks(clients, operations, is_accepted, |client, chunk: Vec<Operation>| async move {
        client.operate(&chunk).await
    })
    .await
}

/// Executes operations that the HF chain tells all user chains of, a part at a
/// time: it has only so many messages under way to a chain.
async fn announce(
    clients: &[Client],
    operations: &[Operation],
    is_accepted: fn(OutcomeCode) -> bool,
) -> Result<()> {
    for part in operations.chunks(CHUNK_ITEMS) {
        operate(clients, part, is_accepted).await?;
        clients[0].announced().await?;
    }
    Ok(())
}

/// Lets merchants keep money on the user chains if refunds are to come.
fn floats(parties: &Parties, arguments: &Arguments) -> Vec<Operation> {
    let target = if arguments.refund_percent == 0 { Amount::ZERO } else { REFUND_FLOAT };
    let float = FloatPolicy { target, ..FloatPolicy::default() };
    let set =
        |account: &AccountId| operation(Action::SetFloat(SetFloat { account: *account, float }));
    parties.merchants.iter().map(set).collect()
}

/// Gives every payer its opening balance from the issuer of its chain.
async fn fund(clients: &[Client], parties: &Parties) -> Result<()> {
    let asset = parties.asset;
    in_chunks(
        clients,
        &parties.payers,
        OutcomeCode::is_committed,
        |client, chunk: Vec<Payer>| async move {
            let draft = |payer: &Payer| {
                let issuer = client.issuer(asset, client.chain_of(payer.account));
                PaymentDraft::new(PaymentKind::Issue, issuer, payer.account, OPENING_BALANCE, asset)
            };
            let drafts: Vec<_> = chunk.iter().map(draft).collect();
            client.pay(&drafts).await
        },
    )
    .await
}

/// Asks for all items, one request under way for each connection.
async fn in_chunks<T, F>(
    clients: &[Client],
    items: &[T],
    is_accepted: fn(OutcomeCode) -> bool,
    ask: impl Fn(Client, Vec<T>) -> F,
) -> Result<()>
where
    T: Clone,
    F: Future<Output = Vec<ItemResult>> + Send + 'static,
{
    let mut asking = JoinSet::new();
    for (number, chunk) in items.chunks(CHUNK_ITEMS).enumerate() {
        if asking.len() == clients.len() {
            check(&mut asking, is_accepted).await?;
        }
        asking.spawn(ask(clients[number % clients.len()].clone(), chunk.to_vec()));
    }
    while !asking.is_empty() {
        check(&mut asking, is_accepted).await?;
    }
    Ok(())
}

/// Waits for one request and checks its outcomes.
async fn check(
    asking: &mut JoinSet<Vec<ItemResult>>,
    is_accepted: fn(OutcomeCode) -> bool,
) -> Result<()> {
    let Some(results) = asking.join_next().await else { return Ok(()) };
    for result in results? {
        let code = result?.receipt.code;
        ensure!(is_accepted(code), "refused as {code}");
    }
    Ok(())
}

/// A merchant whose float an earlier run has set exists, with other properties.
const fn is_there(code: OutcomeCode) -> bool {
    matches!(code, OutcomeCode::Committed | OutcomeCode::AccountExists)
}
