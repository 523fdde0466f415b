//! A service's program under test: it says what is wrong with its configuration
//! in one sentence, on standard error, with a non-zero status, before it
//! touches any data. The tests of each program include this file.

use std::path::Path;
use std::process::Command;

/// The program and a configuration that is right but for what it names.
pub struct Program {
    pub name: &'static str,
    pub path: &'static str,
    pub config: &'static str,
}

impl Program {
    /// The program refuses `config` with one sentence that contains `expected`.
    pub fn check(&self, config: &str, flags: &[&str], expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["ca.pem", "certificate.pem", "key.pem", "genesis.json"] {
            std::fs::write(dir.path().join(name), "{}").unwrap();
        }
        std::fs::write(dir.path().join("config.toml"), config).unwrap();
        let (code, text) = self.run(dir.path(), flags);
        assert_eq!(code, Some(1), "{text}");
        let prefix = format!("{}: ", self.name);
        assert!(text.starts_with(&prefix) && !text.contains('\n'), "{text}");
        assert!(text.contains(expected), "{text}");
        assert!(!dir.path().join("data").exists());
    }

    /// What every program refuses.
    pub fn check_common(&self) {
        let config = self.config;
        self.check(&format!("keyy = 1\n{config}"), &[], "config.toml: keyy: unknown field");
        self.check(&config.replace("name =", "# name ="), &[], "missing field `name`");
        self.check(&config.replace("\"key.pem\"", "\"none.pem\""), &[], "none.pem is not a file");
        self.check(config, &["--set", "nonsense"], "a setting is given as key=value");
        self.check(config, &[], "genesis.json: missing field `cluster`");
        self.check(config, &["--check"], "genesis.json: missing field `cluster`");
        self.check("name =", &[], "config.toml is not TOML");
    }

    pub fn check_missing_file(&self) {
        let dir = tempfile::tempdir().unwrap();
        let (code, text) = self.run(dir.path(), &[]);
        assert_eq!(code, Some(1));
        assert!(text.contains("config.toml: No such file"), "{text}");
    }

    pub fn check_usage(&self) {
        let output = Command::new(self.path).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
    }

    /// Status and what stands on standard error.
    fn run(&self, dir: &Path, flags: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(self.path);
        let output =
            command.arg("--config").arg(dir.join("config.toml")).args(flags).output().unwrap();
        assert!(output.stdout.is_empty());
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), text.trim_end().to_owned())
    }
}
