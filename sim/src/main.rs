//! The command `sim`: see `sim --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tributary_sim::command::main()
}
