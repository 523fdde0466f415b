//! Tests of the simulator and of its reference model.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod digest;
mod model;
mod model_liars;
mod model_operations;
mod model_workload;
mod model_world;
mod quorum;
mod regressions;
mod seeds;
