//! PostgreSQL on this machine, as a yardstick: double entry in one transaction
//! a payment, all of them to one row, 16 clients, everything as installed
//! (so with fsync).
//!
//! A private server in a directory of its own, reached through a UNIX socket
//! only. It refuses to run as root, so then it runs as the user `postgres`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

const CLIENTS: &str = "16";
const ACCOUNTS: u32 = 100_000;
/// Where Debian keeps the server's programs, by version.
const DEBIAN: &str = "/usr/lib/postgresql";
/// Longest that a start or a stop may take.
const WAIT_SECONDS: &str = "30";

/// Payments per second to one hot row.
///
/// # Errors
///
/// When it is not installed, or does not run.
pub fn hot_row_per_second(parent: &Path, seconds: u64) -> Result<f64> {
    let programs = programs().context("PostgreSQL is not installed")?;
    let folder = parent.join(format!("tributary-postgres-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let server = Server { programs, folder, as_postgres: is_root() };
    server.measure(seconds)
}

/// The newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(DEBIAN).ok()?.filter_map(|entry| entry.ok());
    let programs = versions.map(|entry| entry.path().join("bin"));
    let all = programs.filter(|bin| {
        ["initdb", "pg_ctl", "psql", "pgbench"].iter().all(|name| bin.join(name).is_file())
    });
    all.max()
}

struct Server {
    programs: PathBuf,
    folder: PathBuf,
    as_postgres: bool,
}

impl Server {
    fn measure(&self, seconds: u64) -> Result<f64> {
        if self.as_postgres {
            command::run(command::program("chown").arg("postgres").arg(&self.folder))?;
        }
        let data = self.folder.join("data");
        let mut init = self.call("initdb");
        init.args(["--auth", "trust", "--username", "bench", "--no-instructions", "--pgdata"]);
        quiet(init.arg(&data))?;
        let options = format!("-c listen_addresses='' -k {}", self.folder.display());
        let log = self.folder.join("log");
        let mut start = self.call("pg_ctl");
        start.arg("start").arg("--pgdata").arg(&data).arg("--log").arg(&log);
        quiet(start.args(["--wait", "--timeout", WAIT_SECONDS, "--options", &options]))?;
        self.pay(seconds)
    }

    fn pay(&self, seconds: u64) -> Result<f64> {
        let script = self.folder.join("pay.sql");
        let text = format!(
            "\\set payer random(2, {ACCOUNTS})\nBEGIN;\n\
             UPDATE account SET debits = debits + 1 WHERE id = :payer;\n\
             UPDATE account SET credits = credits + 1 WHERE id = 1;\n\
             INSERT INTO payment (payer, payee, amount) VALUES (:payer, 1, 1);\nCOMMIT;\n"
        );
        fs::write(&script, text).context("writing the script")?;
        let tables = format!(
            "CREATE TABLE account (id int PRIMARY KEY, debits bigint NOT NULL, \
             credits bigint NOT NULL); INSERT INTO account SELECT n, 0, 0 FROM \
             generate_series(1, {ACCOUNTS}) AS n; CREATE TABLE payment (id bigserial PRIMARY KEY, \
             payer int NOT NULL, payee int NOT NULL, amount bigint NOT NULL);"
        );
        quiet(self.client("psql").args(["--quiet", "--command", &tables]))?;
        let mut pgbench = self.client("pgbench");
        pgbench.args(["--no-vacuum", "--client", CLIENTS, "--jobs", "2", "--time"]);
        let text = command::read(pgbench.arg(seconds.to_string()).arg("--file").arg(&script))?;
        per_second(&text).with_context(|| format!("pgbench told no rate: {text}"))
    }

    /// A client of the private server.
    fn client(&self, name: &str) -> Command {
        let mut client = self.call(name);
        client.env("PGHOST", &self.folder).env("PGUSER", "bench").env("PGDATABASE", "postgres");
        client
    }

    fn call(&self, name: &str) -> Command {
        let path = self.programs.join(name);
        let mut call = if self.as_postgres {
            let mut call = command::program("runuser");
            call.args(["-u", "postgres", "--"]).arg(path);
            call
        } else {
            command::program(path)
        };
        // The checkout may be closed to that user.
        call.current_dir("/");
        call
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.folder.join("data");
        if data.join("postmaster.pid").is_file() {
            let mut stop = self.call("pg_ctl");
            stop.arg("stop").arg("--pgdata").arg(&data).args(["--mode", "immediate"]);
            if let Err(error) = quiet(stop.args(["--wait", "--timeout", WAIT_SECONDS])) {
                eprintln!("PostgreSQL is left running: {error:#}");
            }
        }
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays behind: {error}", self.folder.display());
        }
    }
}

fn is_root() -> bool {
    command::program("id").arg("-u").output().is_ok_and(|output| output.stdout == b"0\n")
}

/// Runs to the end; what it printed is told only if it fails. Output goes to a
/// file-like end, because a server that is left running would hold a pipe open.
fn quiet(call: &mut Command) -> Result<()> {
    let status = call.stdout(std::process::Stdio::null()).status();
    let status = status.with_context(|| format!("cannot start `{}`", command::line(call)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", command::line(call));
    }
    Ok(())
}

/// `tps = 3412.5 (without initial connection time)`.
fn per_second(text: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix("tps = "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_read_from_the_summary() {
        let text = "latency average = 4 ms\ntps = 3412.5 (without initial connection time)\n";
        assert_eq!(per_second(text), Some(3412.5));
        assert_eq!(per_second("nothing"), None);
    }
}
