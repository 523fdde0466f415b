//! The workbench: programs, scale, the cluster that most rows share, and how a
//! load is driven on a cluster.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::cluster::{CANONICAL, Cluster, Shape};
use super::figures::{Figures, Run};
use super::stages;
use crate::command;

/// What measuring needs.
pub struct Workbench {
    /// Where the programs are.
    pub programs: PathBuf,
    /// How large and how long.
    pub scale: Scale,
    /// What has been measured.
    pub figures: Figures,
    /// Whether processes of clusters take shortcuts to each other.
    pub has_shortcuts: bool,
    scratch: PathBuf,
    canonical: Option<Prepared>,
}

/// How large and how long.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Whether figures are for a quick look.
    pub is_quick: bool,
    /// User accounts.
    pub accounts: usize,
    /// Merchants.
    pub merchants: usize,
    /// Accounts with an owner's key: making keys and signatures takes long.
    pub owners: usize,
    /// Seconds of one load.
    pub seconds: u64,
    /// How often a leader is killed.
    pub kills: usize,
}

const QUICK: Scale = Scale {
    is_quick: true,
    accounts: 100_000,
    merchants: 1_000,
    owners: 20_000,
    seconds: 5,
    kills: 5,
};
const FULL: Scale = Scale {
    is_quick: false,
    accounts: 1_000_000,
    merchants: 1_000,
    owners: 100_000,
    seconds: 15,
    kills: 50,
};

/// A cluster on which accounts are opened as loads need them.
pub struct Prepared {
    /// The cluster.
    pub cluster: Cluster,
    /// Payments that were committed by loads so far.
    pub payments: f64,
    /// Bytes on disk that loads did not write: what was there before the first
    /// of them, and what opening more accounts has added.
    pub disk_bytes_opened: u64,
    /// What the setup made: account, merchants, signed.
    opened: BTreeSet<(usize, usize, &'static str)>,
}

/// One load.
#[derive(Debug, Clone)]
pub struct Load {
    /// For people.
    pub title: String,
    /// User accounts.
    pub accounts: usize,
    /// Merchants.
    pub merchants: usize,
    /// Who signs: `institution` or `owner`.
    pub signed: &'static str,
    /// Seconds.
    pub seconds: u64,
    /// Further arguments of `loadtest`.
    pub arguments: Vec<String>,
}

/// What a load came to.
pub struct Driven {
    /// All that `loadtest --json` said.
    pub result: Value,
}

impl Workbench {
    /// Nothing measured yet.
    pub fn new(programs: PathBuf, scratch: PathBuf, is_quick: bool) -> Self {
        let scale = if is_quick { QUICK } else { FULL };
        let figures = Figures::default();
        Self { programs, scale, figures, has_shortcuts: true, scratch, canonical: None }
    }

    /// A fresh cluster.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub fn fresh(&self, shape: Shape) -> Result<Prepared> {
        let cluster = Cluster::up(&self.programs, &self.scratch, shape, self.has_shortcuts)?;
        Ok(Prepared { cluster, payments: 0.0, disk_bytes_opened: 0, opened: BTreeSet::new() })
    }

    /// Where directories of a run lie.
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// The load of a row unless it says otherwise.
    pub fn load(&self, title: &str, arguments: &[&str]) -> Load {
        let Scale { accounts, merchants, seconds, .. } = self.scale;
        Load {
            title: title.to_owned(),
            accounts,
            merchants,
            signed: "institution",
            seconds,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        }
    }

    /// Drives a load on the cluster that most rows share, which is started for
    /// the first of them.
    ///
    /// # Errors
    ///
    /// As [`Workbench::drive`].
    pub fn drive_canonical(&mut self, load: &Load) -> Result<Driven> {
        let mut prepared = match self.canonical.take() {
            Some(prepared) => prepared,
            None => self.fresh(CANONICAL)?,
        };
        let driven = self.drive(&mut prepared, load);
        self.canonical = Some(prepared);
        driven
    }

    /// The cluster that most rows share, if one of them has run.
    pub fn canonical(&self) -> Option<&Prepared> {
        self.canonical.as_ref()
    }

    /// Stops the cluster that most rows share.
    pub fn close(&mut self) {
        self.canonical = None;
    }

    /// Opens what the load needs, drives it, and checks the books.
    ///
    /// # Errors
    ///
    /// When `loadtest` fails, or the books do not balance.
    pub fn drive(&mut self, prepared: &mut Prepared, load: &Load) -> Result<Driven> {
        self.open(prepared, load)?;
        let before = prepared.cluster.metrics()?;
        let file = prepared.cluster.directory().join("load.json");
        let outcome = command::run(&mut self.loadtest(prepared, load, &file));
        self.take(prepared, load, &file, &before, outcome)
    }

    /// Opens accounts and merchants, once for each kind.
    ///
    /// # Errors
    ///
    /// When `loadtest` fails.
    pub fn open(&mut self, prepared: &mut Prepared, load: &Load) -> Result<()> {
        if prepared.opened.insert((load.accounts, load.merchants, load.signed)) {
            let is_first = prepared.opened.len() == 1;
            let before = if is_first { 0 } else { prepared.cluster.disk_bytes()? };
            let mut setup = self.call(prepared, load);
            command::run(setup.args(["--setup", "only", "--connections", "4"]))?;
            prepared.disk_bytes_opened += prepared.cluster.disk_bytes()?.saturating_sub(before);
        }
        Ok(())
    }

    /// The call that drives a load and writes `file`.
    pub fn loadtest(&self, prepared: &Prepared, load: &Load, file: &Path) -> Command {
        let mut call = self.call(prepared, load);
        call.args(["--setup", "done", "--duration", &load.seconds.to_string()]);
        if !load.arguments.iter().any(|word| word == "--lag-probes") {
            call.args(["--lag-probes", "0"]);
        }
        call.args(&load.arguments).arg("--json").arg(file);
        call.stdout(std::process::Stdio::null());
        call
    }

    /// Takes over what a load wrote; `outcome` is how it ended.
    ///
    /// # Errors
    ///
    /// When it failed, or the books do not balance.
    pub fn take(
        &mut self,
        prepared: &mut Prepared,
        load: &Load,
        file: &Path,
        metrics_before: &str,
        outcome: Result<()>,
    ) -> Result<Driven> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                outcome?;
                bail!("{} is not there: {error}", file.display());
            }
        };
        fs::remove_file(file)?;
        let result: Value = serde_json::from_str(&text).context("loadtest wrote no JSON")?;
        if result["books"] != "balanced" {
            self.figures.unbalanced();
            bail!("{}: the books do not balance", load.title);
        }
        outcome?;
        let stages = stages::between(metrics_before, &prepared.cluster.metrics()?);
        let driven = Driven { result: result.clone() };
        prepared.payments += driven.committed();
        self.figures.runs.push(Run { title: load.title.clone(), result, stages });
        Ok(driven)
    }

    fn call(&self, prepared: &Prepared, load: &Load) -> Command {
        let mut call = command::program(self.programs.join("loadtest"));
        call.arg("--cluster").arg(prepared.cluster.directory());
        call.args(["--accounts", &load.accounts.to_string()]);
        call.args(["--merchants", &load.merchants.to_string()]);
        call.args(["--signed", load.signed]);
        call
    }
}

impl Driven {
    /// A number of the result; NaN where there is none.
    pub fn number(&self, pointer: &str) -> f64 {
        self.result.pointer(pointer).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }

    /// Committed payments per second.
    pub fn rate(&self) -> f64 {
        self.number("/payments_per_second")
    }

    /// Committed payments.
    pub fn committed(&self) -> f64 {
        self.result["outcomes"]["committed"].as_f64().unwrap_or(0.0)
    }

    /// Whatever did not end as `committed`, for a note; empty if everything did.
    pub fn others(&self) -> String {
        let outcomes = self.result["outcomes"].as_object().into_iter().flatten();
        let others = outcomes.filter(|(name, _)| *name != "committed");
        others.map(|(name, count)| format!("; {count} {name}")).collect()
    }

    /// CPU of all processes per committed payment, in microseconds.
    pub fn cpu_microseconds_per_payment(&self) -> f64 {
        let seconds: f64 = self.processes().map(|(_, one)| number(one, "cpu_seconds")).sum();
        seconds * 1e6 / self.committed()
    }

    /// Memory of all processes at the end.
    pub fn resident_bytes(&self) -> f64 {
        self.processes().map(|(_, one)| number(one, "resident_bytes")).sum()
    }

    fn processes(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.result["processes"].as_object().into_iter().flatten()
    }
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_cost_of_a_payment_is_that_of_all_processes() {
        let result = json!({"outcomes": {"committed": 1_000_000}, "processes": {
            "shard-1": {"cpu_seconds": 2.5}, "loadtest": {"cpu_seconds": 0.5}}});
        let driven = Driven { result };
        assert!((driven.cpu_microseconds_per_payment() - 3.0).abs() < 1e-9);
        assert!(driven.rate().is_nan());
    }
}
