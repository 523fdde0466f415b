//! Small files for targets whose decoder takes a path.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use tributary_transport::authority::{CertificateAuthority, Issued};
use tributary_transport::{Identity, Role};

use crate::samples::{BANK, WORLD};

/// Files are read from where reading costs no disk access, if there is such a
/// place.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let shared = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    shared.expect("a place for a small file")
});

/// Days that the certificates of the samples are valid.
const VALIDITY_DAYS: u32 = 7;

/// Names of what a process's settings name, in one folder.
const CREDENTIALS: [&str; 3] = ["ca.pem", "certificate.pem", "key.pem"];

/// A process's certificate, and who signed it. Made anew in every run: keys are
/// not to be had otherwise.
pub(crate) static PROCESS: LazyLock<(CertificateAuthority, Issued)> = LazyLock::new(|| {
    let authority =
        CertificateAuthority::create("samples", VALIDITY_DAYS).expect("a development CA");
    let issued = authority.issue(&identity(), VALIDITY_DAYS).expect("a certificate");
    (authority, issued)
});

/// Who that process is.
pub(crate) fn identity() -> Identity {
    Identity { role: Role::Institution(BANK), name: "one".to_owned() }
}

/// A place of this thread's own.
pub(crate) fn place(name: &str) -> PathBuf {
    FOLDER.path().join(format!("{:?}-{name}", std::thread::current().id()))
}

/// A file of this thread's own.
pub(crate) fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = place(name);
    write(&path, bytes);
    path
}

/// Puts a CA, a certificate, a key and a genesis beside such files.
pub(crate) fn with_credentials() {
    static READY: LazyLock<()> = LazyLock::new(|| {
        let (authority, issued) = &*PROCESS;
        let texts = [authority.certificate_pem(), &issued.certificate_pem, &issued.key_pem];
        for (name, text) in CREDENTIALS.into_iter().zip(texts) {
            write(&FOLDER.path().join(name), text.as_bytes());
        }
        let genesis = serde_json::to_vec(&WORLD.genesis).expect("a genesis has a text");
        write(&FOLDER.path().join("genesis.json"), &genesis);
    });
    LazyLock::force(&READY);
}

/// Errors are told to people.
pub(crate) fn told(error: &impl std::fmt::Display) {
    assert!(!error.to_string().is_empty());
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a small file can be written");
}
