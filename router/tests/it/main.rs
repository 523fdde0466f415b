//! A router in this process, between front-ends and nodes that follow a
//! script, over real connections on the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admission;
mod leaders;
mod node;
mod order;
mod reads;
mod routes;
mod setup;
