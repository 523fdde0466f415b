//! Floor 2: the deterministic state machines of user chains and HF chains.
//!
//! A [`Ledger`] is the state of one chain; [`Ledger::execute`] is the one
//! function that changes it. What follows from a state is here too: its proofs
//! ([`proof`]), its books ([`books`]), its pages ([`page`], [`restore`]). What
//! orders blocks, keeps and carries them is on higher floors.
//!
//! Read [`genesis`], [`ledger`] and [`execute`] first, then [`user`] and [`hf`]:
//! what each kind of chain does. [`table`], [`id_window`], [`channels`] and
//! [`queue`] are what a state is made of.

pub mod genesis;
pub mod ledger;
pub mod outcome;
pub mod view;

mod block;
mod execute;
mod hf;
mod movement;
mod operation;
pub mod owners;
mod payment;
mod user;

pub mod account;
mod channels;
mod core;
mod id_window;
pub mod merchant;
pub mod proxy;
mod refusal;
pub mod registry;
mod rules;

mod hashed;
mod index;
mod index_key;
mod leaves;
pub mod limits;
mod marks;
mod queue;
mod read_ahead;
pub mod row;
mod table;

pub mod balance;
pub mod books;
pub mod outgoing;
pub mod page;
pub mod proof;
pub mod restore;
pub mod roots;
pub mod validate;

pub use balance::Balance;
pub use books::{BooksError, BooksReport, BooksSummary, check_books};
pub use genesis::{ChainKind, ChainSpec, Genesis, GenesisError, Parameters};
pub use index_key::IndexKey;
pub use ledger::{Admission, AdmissionError, Executed, Ledger};
pub use outcome::BlockOutcomes;
pub use outgoing::Outgoing;
pub use owners::{InPlace, SignatureVerifier};
pub use page::{Page, PageBytes, PageKey};
pub use proof::{
    OutcomeProof, ProofError, RoutesError, RoutesProof, RoutesProofParts, StateProof,
    StateProofParts,
};
pub use queue::QueueCommitment;
pub use refusal::is_remembered;
pub use registry::Registry;
pub use restore::RestoreError;
pub use validate::Violation;
pub use view::{AccountView, ChannelStatus, MerchantView, ProxyView, Remembered, SettlementStatus};
