//! Configuration files: any bytes give settings that keep their rules, or one
//! sentence; and settings written back are the same settings.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde::Serialize;
use tributary_client::{ClientConfig, load_genesis};
use tributary_relay::RelayConfig;
use tributary_router::RouterSettings;
use tributary_service::Topology;
use tributary_service::settings::{Settings, load_from};
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{Identity, Role};

use crate::samples::WORLD;

/// Files are read from where reading costs no disk access, if there is such a
/// place.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let shared = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    shared.expect("a place for a small file")
});

/// Days that the certificates of the client's sample are valid.
const VALIDITY_DAYS: u32 = 7;

fn file(name: &str, bytes: &[u8]) -> PathBuf {
    let path = FOLDER.path().join(format!("{:?}-{name}", std::thread::current().id()));
    std::fs::write(&path, bytes).expect("a small file can be written");
    path
}

/// Errors are told to people in one sentence.
fn told(error: &impl std::fmt::Display) {
    assert!(!error.to_string().is_empty());
}

pub(crate) fn topology(bytes: &[u8]) {
    match Topology::load(&file("topology", bytes)) {
        Ok(topology) => {
            let again = Topology::load(&file("topology", text_of(&topology).as_bytes()));
            assert_eq!(again.ok(), Some(topology));
        }
        Err(error) => told(&error),
    }
}

fn text_of(value: &impl Serialize) -> String {
    toml::to_string(value).expect("settings have a text")
}

pub(crate) fn topologies() -> Vec<Vec<u8>> {
    let sample = "[[node]]\nname = \"shard-1\"\nrole = \"shard-node\"\naddress = \"127.0.0.1:7001\"\n\
        http = \"127.0.0.1:8001\"\nreplicas = [{ chain = 1, validator = 1 }, { chain = 2, validator = 0 }]\n\
        [[node]]\nname = \"hf-1\"\nrole = \"hf-aggregator\"\naddress = \"[::1]:7002\"\n\
        http = \"127.0.0.1:8002\"\nreplicas = [{ chain = 3, validator = 0 }]\n\
        [[router]]\nname = \"router-1\"\ninstitution = 1\naddress = \"127.0.0.1:7101\"\n\
        http = \"127.0.0.1:8101\"\n[[relay]]\nname = \"relay-1\"\nhttp = \"127.0.0.1:8201\"\n";
    vec![sample.as_bytes().to_vec(), Vec::new()]
}

/// Settings of routers and relays: a file, then flags, one a line, behind the
/// first line that is `--set`.
pub(crate) fn settings(bytes: &[u8]) {
    let separator = b"\n--set\n";
    let at = bytes.windows(separator.len()).position(|window| window == separator);
    let (text, flags) =
        at.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + separator.len()..]));
    let flags = String::from_utf8_lossy(flags);
    let flags: Vec<String> = flags.lines().map(str::to_owned).collect();
    settings_of::<RouterSettings>("router", text, &flags);
    settings_of::<RelayConfig>("relay", text, &flags);
}

fn settings_of<T: Settings + PartialEq + std::fmt::Debug>(
    name: &str,
    text: &[u8],
    flags: &[String],
) {
    match load_from::<T>(&file(name, text), [], flags) {
        Ok(settings) => {
            let again = load_from::<T>(&file(name, text_of(&settings).as_bytes()), [], &[]);
            assert_eq!(again.ok(), Some(settings));
        }
        Err(error) => told(&error),
    }
}

pub(crate) fn settings_samples() -> Vec<Vec<u8>> {
    let common = "name = \"one\"\ngenesis = \"../genesis.json\"\ntopology = \"../topology.toml\"\n";
    let tls = "[tls]\nca = \"ca.pem\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";
    let router = format!(
        "{common}institution = 1\nsigning_key = \"key\"\nlisten = \"127.0.0.1:1\"\n{tls}\
         [limits]\nrequests_in_flight_max = 7\nqueue_payments_max = 9000\n"
    );
    let relay = format!("{common}rank = 1\nage_alarm_ms = 5000\n{tls}");
    let flags = format!("{relay}\n--set\nrank=2\ntls.ca=/etc/ca.pem\nname='x'\n");
    [router, relay, flags].map(String::into_bytes).into()
}

pub(crate) fn genesis(bytes: &[u8]) {
    match load_genesis(&file("genesis", bytes)) {
        Ok(genesis) => {
            let text = serde_json::to_string(&genesis).expect("a genesis has a text");
            let again = load_genesis(&file("genesis", text.as_bytes()));
            assert_eq!(again.as_ref().ok(), Some(&genesis));
            assert!(again.is_ok_and(|again| again.hash() == genesis.hash()));
            for chain in &genesis.chains {
                let ledger = tributary_ledger::Ledger::genesis(&genesis, chain.id);
                let ledger = ledger.expect("a genesis that is valid has every chain");
                ledger.validate().expect("a first state is valid");
            }
        }
        Err(error) => told(&error),
    }
}

pub(crate) fn genesis_samples() -> Vec<Vec<u8>> {
    vec![serde_json::to_vec(&WORLD.genesis).expect("a genesis has a text")]
}

/// The client's file, beside a certificate, its key and a genesis. Names with
/// folders in them are left out: they would have the test read any file of this
/// machine, devices included.
pub(crate) fn client(bytes: &[u8]) {
    static READY: LazyLock<()> = LazyLock::new(client_files);
    LazyLock::force(&READY);
    if bytes.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return;
    }
    match ClientConfig::load(&file("client", bytes)) {
        Ok(config) => assert_eq!(config.genesis, WORLD.genesis),
        Err(error) => told(&error),
    }
}

/// What the client's sample names.
fn client_files() {
    let institution = crate::samples::BANK;
    let identity = Identity { role: Role::Institution(institution), name: "one".to_owned() };
    let authority =
        CertificateAuthority::create("samples", VALIDITY_DAYS).expect("a development CA");
    let issued = authority.issue(&identity, VALIDITY_DAYS).expect("a certificate");
    let genesis = serde_json::to_string(&WORLD.genesis).expect("a genesis has a text");
    let files = [
        ("ca.pem", authority.certificate_pem().to_owned()),
        ("certificate.pem", issued.certificate_pem),
        ("key.pem", issued.key_pem),
        ("genesis.json", genesis),
    ];
    for (name, text) in files {
        std::fs::write(FOLDER.path().join(name), text).expect("a small file can be written");
    }
}

pub(crate) fn client_samples() -> Vec<Vec<u8>> {
    let sample = "institution = 7\nrouters = [\"127.0.0.1:7101\", \"[::1]:9\"]\n\
        genesis = \"genesis.json\"\n[tls]\nca = \"ca.pem\"\ncertificate = \"certificate.pem\"\n\
        key = \"key.pem\"\n";
    vec![sample.as_bytes().to_vec()]
}
