//! Configuration files: any bytes give settings that keep their rules, or one
//! sentence; and settings written back are the same settings.

use config::NodeConfig;
use serde::Serialize;
use tributary_client::{ClientConfig, load_genesis};
use tributary_relay::RelayConfig;
use tributary_router::RouterSettings;
use tributary_service::Topology;
use tributary_service::settings::{Settings, load_from};

use crate::folder::{file, told, with_credentials};
use crate::samples::WORLD;

/// The host cannot be built for fuzzing (RocksDB); this is the same source.
#[path = "../../crates/host/src/config.rs"]
mod config;

/// What the names of variables that are settings begin with.
const VARIABLE: &str = "TRIBUTARY_";

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

/// Settings of nodes, routers and relays: a file, then flags and variables, one
/// a line, behind the first line that is `--set`.
pub(crate) fn settings(bytes: &[u8]) {
    with_credentials();
    let separator = b"\n--set\n";
    let at = bytes.windows(separator.len()).position(|window| window == separator);
    let (text, lines) =
        at.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + separator.len()..]));
    let lines = String::from_utf8_lossy(lines);
    let (variables, flags): (Vec<_>, Vec<_>) =
        lines.lines().map(str::to_owned).partition(|line| line.starts_with(VARIABLE));
    let over = Over { variables: variables.iter().map(|line| variable(line)).collect(), flags };
    settings_of::<NodeConfig>("node", text, &over);
    settings_of::<RouterSettings>("router", text, &over);
    settings_of::<RelayConfig>("relay", text, &over);
}

/// What stands over a file.
struct Over {
    variables: Vec<(String, String)>,
    flags: Vec<String>,
}

fn variable(line: &str) -> (String, String) {
    let (name, value) = line.split_once('=').unwrap_or((line, ""));
    (name.to_owned(), value.to_owned())
}

fn settings_of<T: Settings + PartialEq + std::fmt::Debug>(name: &str, text: &[u8], over: &Over) {
    match load_from::<T>(&file(name, text), over.variables.clone(), &over.flags) {
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
    let node = format!(
        "{common}data_dir = \"data\"\n{tls}[[replica]]\nchain = 1\nvalidator = 0\nkey = \"1.seed\"\n\
         [[replica]]\nchain = 2\nvalidator = 1\nkey = \"/2.seed\"\n\
         [limits]\nchain_inputs_max = 16\nsignature_threads = 0\n"
    );
    let router = format!(
        "{common}institution = 1\nsigning_key = \"key\"\nlisten = \"127.0.0.1:1\"\n{tls}\
         [limits]\nrequests_in_flight_max = 7\nqueue_payments_max = 9000\n"
    );
    let relay = format!("{common}rank = 1\nage_alarm_ms = 5000\n{tls}");
    let flags = format!("{relay}\n--set\nrank=2\ntls.ca=ca.pem\nname='x'\n");
    let variables =
        format!("{node}\n--set\nTRIBUTARY_LIMITS__WAITERS_MAX=9\nTRIBUTARY__NAME=two\n");
    [node, router, relay, flags, variables].map(String::into_bytes).into()
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
    with_credentials();
    if bytes.iter().any(|byte| matches!(byte, b'/' | b'\\')) {
        return;
    }
    match ClientConfig::load(&file("client", bytes)) {
        Ok(config) => assert_eq!(config.genesis, WORLD.genesis),
        Err(error) => told(&error),
    }
}

pub(crate) fn client_samples() -> Vec<Vec<u8>> {
    let sample = "institution = 7\nrouters = [\"127.0.0.1:7101\", \"[::1]:9\"]\n\
        genesis = \"genesis.json\"\n[tls]\nca = \"ca.pem\"\ncertificate = \"certificate.pem\"\n\
        key = \"key.pem\"\n";
    vec![sample.as_bytes().to_vec()]
}
