//! The command `sim-fast`: as `sim`, with worthless signatures, and an allocator
//! that suits many small values: a quarter of the time goes without it.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tributary_sim::command::main()
}
