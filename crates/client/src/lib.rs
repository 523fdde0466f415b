//! Floor 5: the client of Tributary. Command line, load generator and anyone
//! else reach a cluster through it and nothing else.
//!
//! [`Client::connect`] joins a cluster through a router of the client's
//! institution, checks that it is the cluster of the genesis file, and verifies
//! the proof of the route table that the router goes by. Then:
//!
//! | verb | what it does |
//! | --- | --- |
//! | [`Client::pay`] | executes payments; one result per payment, order per payer kept |
//! | [`Client::operate`] | executes operations; one result per operation |
//! | [`Client::open_account`], [`Client::open_merchant`] | opens one account by name |
//! | [`Client::set_status`], [`Client::set_float`], [`Client::register`] | changes one thing |
//! | [`Client::sign_batches`], [`Client::forward`] | signs and submits without the router's key |
//! | [`Client::payment`] | what became of an id: always a definite answer |
//! | [`Client::finals`] | waits until payments that were pending are final |
//! | [`Client::account`], [`Client::history`] | a user account and its payments, newest first |
//! | [`Client::merchant`], [`Client::merchants`] | a merchant everywhere; all merchants, by pages |
//! | [`Client::settled`] | waits until what is committed now has reached the HF chain |
//! | [`Client::announced`] | waits until merchants opened now are known on every user chain |
//! | [`Client::books`] | the conservation check over all chains |
//! | [`Client::chains`] | every chain: leader, height, term, channels |
//! | [`Client::prove_payment`], [`Client::prove_balance`] | proofs to verify offline |
//!
//! Proofs are verified without a client: [`verify_outcome`], [`verify_balance`].
//!
//! Submitting is safe to repeat. An id never executes twice, and the client
//! repeats an unanswered item under its own id, never another, until there is
//! a definite answer or its deadline passes; it changes routers on the way. See
//! [`submit`]. Reads are linearizable: each is answered by a chain's leader
//! after it made sure that it still leads.
//!
//! ```no_run
//! use std::path::Path;
//! use tributary_client::{Amount, Client, ClientConfig, PaymentDraft, PaymentKind};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect(ClientConfig::load(Path::new("client.toml"))?).await?;
//! let gbp = client.asset("GBP".parse()?).ok_or("no such asset")?.id;
//! let payer = client.resolve_user(&"c17850".parse()?).await?;
//! let shop = client.resolve_merchant(&"m85123A".parse()?).await?;
//! let draft = PaymentDraft::new(PaymentKind::Payment, payer, shop, Amount::new(1_530), gbp);
//! for result in client.pay(&[draft]).await {
//!     println!("{} is {}", draft.id(), result?.receipt.code);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A proof needs no cluster: whoever has the genesis file can check it.
//!
//! ```no_run
//! use std::path::Path;
//! use tributary_client::{AccountId, Client, StateProof, load_genesis, verify_balance};
//!
//! # async fn example(client: &Client, shop: AccountId) -> Result<(), Box<dyn std::error::Error>> {
//! let proof = client.prove_balance(shop).await?.ok_or("no such account")?;
//! std::fs::write("balance.json", proof.to_json()?)?;
//!
//! let shown = StateProof::from_json(&std::fs::read_to_string("balance.json")?)?;
//! verify_balance(&shown, &load_genesis(Path::new("genesis.json"))?)?;
//! # Ok(())
//! # }
//! ```
//!
//! What it lacks: it joins by one route table and keeps it; after a move of
//! slots its router goes on by the newer one, and reads of moved accounts need
//! a new client. It keeps nothing on disk. Whoever must not pay twice over a
//! crash of its own keeps its ids and submits them again, or asks for them.

pub mod client;
pub mod settings;

pub mod draft;
pub mod id;
pub mod operations;
pub mod submit;
pub mod undecided;

pub mod accounts;
pub mod books;
pub mod chains;
pub mod names;
pub mod payments;
pub mod proofs;
pub mod settled;
pub mod verdict;

pub mod error;

mod link;

pub use accounts::{HistoryPages, MerchantPages, MerchantReport};
pub use chains::ChainOverview;
pub use client::{AsOf, Client};
pub use draft::PaymentDraft;
pub use error::{AskError, CheckBooksError, ConnectError, FinalError, ResolveError, SettledError};
pub use id::{new_payment_id, new_payment_ids, wall_clock};
pub use operations::operation;
pub use proofs::{verify_balance, verify_outcome};
pub use settings::{ClientConfig, ConfigError, load_genesis};
pub use undecided::{ItemError, ItemResult};
pub use verdict::{Located, PaymentReport, Verdict};

pub use tributary_chain::Batch;
/// The words that the verbs speak.
pub use tributary_chain::operation::{
    AccountStatus, Action, AssetEntry, FloatPolicy, InstitutionEntry, InstitutionKey, Operation,
    RegistryChange, SetFloat,
};
pub use tributary_ledger::books::{BooksError, BooksReport, BooksSummary};
pub use tributary_ledger::genesis::{ChainKind, ChainSpec, Genesis, Parameters};
pub use tributary_ledger::proof::{OutcomeProof, ProofError, RoutesError, RoutesProof, StateProof};
pub use tributary_ledger::{AccountView, ChannelStatus, MerchantView, ProxyView, SettlementStatus};
pub use tributary_transport::Credentials;
pub use tributary_types::payment::Payment;
pub use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetCode, AssetId, BlockHeight, ChainId, Hash,
    InstitutionId, OutcomeCode, PaymentId, PaymentKind, Position, PublicKey, Receipt, Reference,
    SigningKey, TimeMs,
};
pub use tributary_wire::query::{HistoryEntry, ReplicaStatus};
pub use tributary_wire::router::Outcome;
