//! The command line that all services share, and their last word.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit status after a fault or a refused configuration.
pub const EXIT_FAILED: u8 = 1;

/// Flags of every service; flatten into the binary's own arguments.
#[derive(Debug, Clone, clap::Args)]
pub struct ServiceArgs {
    /// Configuration file (TOML); relative paths in it start at its directory
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Overrides one setting; the value is TOML or plain text (repeatable)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Checks the configuration and all files it names, then exits
    #[arg(long)]
    pub check: bool,
}

/// Ends a service: success, or one clear sentence on standard error and a
/// non-zero status.
pub fn exit<E: fmt::Display>(service: &str, result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{service}: {error}");
            ExitCode::from(EXIT_FAILED)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Binary {
        #[command(flatten)]
        service: ServiceArgs,
    }

    #[test]
    fn flags_are_read_and_set_repeats() {
        let line = ["node", "--config", "a.toml", "--set", "a=1", "--set", "b.c=x", "--check"];
        let args = Binary::try_parse_from(line).unwrap().service;
        assert_eq!(args.config, PathBuf::from("a.toml"));
        assert_eq!(args.set, ["a=1", "b.c=x"]);
        assert!(args.check);
    }

    #[test]
    fn a_configuration_is_required() {
        assert!(Binary::try_parse_from(["node"]).is_err());
    }
}
