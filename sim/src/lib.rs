//! A whole cluster in virtual time: one seed, one thread, and every fault that
//! machines, networks, disks, operators and liars produce.
//!
//! Everything that runs here above the simulated machines is the code that
//! runs in production: floors 0 to 3. The same seed and commit give the same
//! events, on any machine.

pub mod model;
pub mod prng;
