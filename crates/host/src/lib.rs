//! Floor 5: the IO shell that drives replicas of several chains in one process.

pub mod config;
