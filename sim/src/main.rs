//! The command `sim`: see `sim --help`.

fn main() {}
