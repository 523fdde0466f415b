//! Tests of bodies, headers, certificates, trees and channels, in one binary.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[macro_use]
#[path = "../../../types/tests/it/check.rs"]
mod check;
#[expect(dead_code, reason = "whole strategies of the floor below; not all are needed here")]
#[path = "../../../types/tests/it/any.rs"]
mod any_types;

mod any;
mod batch;
mod body;
mod canonical;
mod certificate;
mod channel;
mod channel_faults;
mod channel_lies;
mod channel_model;
mod golden;
mod merkle;
mod message;
mod network;
mod sample;

use tributary_chain::ValidatorSet;
use tributary_types::{Domain, Hash, SigningKey};

/// The identity of the cluster in these tests.
fn cluster() -> Hash {
    Domain::Genesis.hash(b"a cluster for tests")
}

/// Distinct keys, one for each seed.
fn signing_key(seed: u8) -> SigningKey {
    SigningKey::from_seed([seed; 32])
}

/// The set of the keys with these seeds.
fn validator_set(version: u64, seeds: &[u8]) -> ValidatorSet {
    let keys = seeds.iter().map(|seed| signing_key(*seed).public()).collect();
    ValidatorSet::new(version, keys).unwrap()
}
