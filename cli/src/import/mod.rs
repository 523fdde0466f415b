//! Importing a file of payments: `rows` reads and checks, `plan` works out
//! accounts, `journal` remembers ids, `run` submits.

pub mod journal;
pub mod plan;
pub mod rows;
mod run;
mod setup;
mod submit;

pub use run::run;
