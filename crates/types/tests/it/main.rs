//! Tests of ids, amounts, keys and their encodings, in one binary.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[macro_use]
mod check;

mod account;
mod any;
mod canonical;
mod golden;
mod key;
mod lists;
mod text;
