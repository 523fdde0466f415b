//! The client against routers that follow a script, over real connections on
//! the loopback interface.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connect;
mod reads;
mod router;
mod submit;
