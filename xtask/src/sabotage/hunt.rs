//! Building a copy with a bug in it, and simulating it until a seed fails.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::bugs::Bug;
use super::tree::Tree;
use crate::command;
use crate::repository::target_dir;

/// A seed that takes longer is one at which the simulation never ends.
const SEED_SECONDS_MAX: u64 = 180;
const POLL_INTERVAL_MS: u64 = 20;
/// What the simulator says of a promise that was broken.
const VIOLATION: &str = "VIOLATION of ";

/// Looks for bugs.
pub struct Hunter {
    tree: Tree,
    build: PathBuf,
    /// The simulator without any bug.
    untouched: PathBuf,
    seeds: u64,
}

/// How a bug was found.
pub struct Found {
    /// The checker that saw it.
    pub checker: String,
    /// Seeds that it took.
    pub seeds: u64,
}

impl Hunter {
    /// Copies the checkout and builds it as it is.
    ///
    /// # Errors
    ///
    /// When that fails.
    pub fn prepare(seeds: u64) -> Result<Self> {
        let folder = target_dir()?.join("sabotage");
        let tree = Tree::copy(folder.join("tree"))?;
        let (build, untouched) = (folder.join("build"), folder.join("sim-untouched"));
        let hunter = Self { tree, build, untouched, seeds };
        let built = hunter.build().context("the untouched code")?;
        fs::copy(built, &hunter.untouched).context("keeping the untouched simulator")?;
        Ok(hunter)
    }

    /// Puts a bug in, and takes it out again.
    ///
    /// # Errors
    ///
    /// When the bug does not apply or does not build, or the seed that finds it
    /// fails without it too.
    pub fn hunt(&self, bug: &Bug) -> Result<Option<Found>> {
        let text = self.tree.read(&bug.file)?;
        self.tree.write(&bug.file, &bug.put_into(&text)?)?;
        let found = self.build().and_then(|built| self.first_failure(&built));
        self.tree.write(&bug.file, &text)?;
        let found = found.with_context(|| bug.name.clone())?;
        if let Some(found) = &found
            && let Some(checker) = failure(&self.untouched, found.seeds)?
        {
            let seed = found.seeds;
            bail!("{}: {checker} fails seed {seed} without the bug too", bug.name);
        }
        Ok(found)
    }

    fn first_failure(&self, simulator: &Path) -> Result<Option<Found>> {
        for seed in 1..=self.seeds {
            if let Some(checker) = failure(simulator, seed)? {
                return Ok(Some(Found { checker, seeds: seed }));
            }
        }
        Ok(None)
    }

    fn build(&self) -> Result<PathBuf> {
        let build = ["build", "--quiet", "--release", "--offline", "--package", "tributary-sim"];
        let mut cargo = command::cargo(build);
        cargo.current_dir(&self.tree.root).env("CARGO_TARGET_DIR", &self.build);
        // A bug may leave something unused: that is no news.
        command::run(cargo.env("RUSTFLAGS", "-Awarnings"))?;
        Ok(self.build.join("release").join("sim"))
    }
}

/// Which checker fails at a seed, if one does.
fn failure(simulator: &Path, seed: u64) -> Result<Option<String>> {
    let mut child = Command::new(simulator)
        .args(["--seed", &seed.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("starting {}", simulator.display()))?;
    let said = child.stdout.take().map(|stdout| thread::spawn(|| std::io::read_to_string(stdout)));
    let Some(succeeded) = wait(&mut child)? else {
        return Ok(Some("no end".to_owned()));
    };
    let said = said.and_then(|said| said.join().ok()).context("reading what it says")?;
    let said = said.context("reading what it says")?;
    let violation = said.lines().find_map(|line| line.strip_prefix(VIOLATION));
    let checker = violation.and_then(|text| text.split(':').next());
    Ok((!succeeded).then(|| checker.unwrap_or("its end").to_owned()))
}

/// Whether a simulation succeeded; `None` if it took too long and was ended.
fn wait(child: &mut Child) -> Result<Option<bool>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("waiting for a simulation")? {
            return Ok(Some(status.success()));
        }
        if start.elapsed() > Duration::from_secs(SEED_SECONDS_MAX) {
            child.kill().context("ending a simulation")?;
            child.wait().context("waiting for a simulation")?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(POLL_INTERVAL_MS));
    }
}
