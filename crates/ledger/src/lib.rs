//! Floor 2: the deterministic state machines of user chains and HF chains.
#![allow(dead_code)]

pub mod account;
pub mod balance;
pub mod books;
pub mod genesis;
mod index;
pub mod ledger;
pub mod limits;
mod marks;
pub mod merchant;
pub mod outcome;
pub mod page;
pub mod proof;
pub mod proxy;
mod queue;
pub mod registry;
pub mod roots;
pub mod row;
mod table;
pub mod view;

pub use balance::Balance;
pub use books::{BooksError, BooksReport, BooksSummary, check_books};
pub use genesis::{ChainKind, ChainSpec, Genesis, GenesisError, Parameters};
pub use ledger::{Admission, AdmissionError, Executed, Ledger, Outgoing, RestoreError, Violation};
pub use outcome::BlockOutcomes;
pub use page::{Page, PageKey};
pub use proof::{OutcomeProof, ProofError, StateProof, StateProofParts};
pub use queue::QueueCommitment;
pub use registry::Registry;
pub use view::{AccountView, ChannelStatus, MerchantView, ProxyView, Remembered, SettlementStatus};
