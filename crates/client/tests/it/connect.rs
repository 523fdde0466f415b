//! Joining a cluster: which routers are believed, and the client file.

use std::fs;
use std::time::Duration;

use tributary_client::error::AskError;
use tributary_client::{
    ChainId, Client, ClientConfig, ConfigError, ConnectError, Hash, ProofError, RoutesError,
    RoutesProof,
};
use tributary_routing::RouteTable;
use tributary_transport::Role;
use tributary_wire::router::RouterReply;

use crate::router::{HF_CHAIN, INSTITUTION, Setup, USER_CHAINS, prove_routes};

async fn connect_to(
    setup: &Setup,
    cluster: Hash,
    routes: Option<RoutesProof>,
) -> Result<Client, ConnectError> {
    let hello = RouterReply::Hello { cluster, routes: routes.map(Box::new) };
    let (listener, _) = setup.router_that_says(hello, |_| None);
    Client::connect(setup.config(&[&listener])).await
}

#[tokio::test]
async fn a_router_of_another_cluster_is_not_believed() {
    let setup = Setup::new();
    let error = connect_to(&setup, Hash::ZERO, None).await.unwrap_err();
    assert!(matches!(error, ConnectError::OtherCluster { found: Hash::ZERO, .. }), "{error}");
}

/// What comes of a router that shows a table with these user chains, signed by
/// the validator of `signer`.
async fn connect_with(version: u64, user: &[ChainId], signer: ChainId) -> Result<u64, RoutesError> {
    let setup = Setup::new();
    let routes = RouteTable::even(version, user, HF_CHAIN).unwrap();
    let proof = prove_routes(&setup.genesis, routes.clone(), signer);
    match connect_to(&setup, setup.genesis.hash(), Some(proof)).await {
        Ok(client) => {
            assert_eq!(client.routes(), &routes);
            Ok(version)
        }
        Err(ConnectError::Routes(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn proved_routes_are_used_and_those_of_the_genesis_without_a_proof() {
    let setup = Setup::new();
    let client = connect_to(&setup, setup.genesis.hash(), None).await.unwrap();
    assert_eq!(client.routes(), &setup.genesis.routes);
    let [first, second] = USER_CHAINS;
    assert_eq!(connect_with(5, &[first, second], HF_CHAIN).await.unwrap(), 5);
    assert_eq!(connect_with(6, &[second, first], HF_CHAIN).await.unwrap(), 6);
}

#[tokio::test]
async fn stale_and_forged_routes_are_not_believed() {
    let [first, second] = USER_CHAINS;
    let stale = connect_with(4, &[first, second], HF_CHAIN).await;
    assert!(matches!(stale, Err(RoutesError::Stale { known: 5, found: 4 })), "{stale:?}");
    let forged = connect_with(5, &[second, first], HF_CHAIN).await;
    assert!(matches!(forged, Err(RoutesError::Forged(5))), "{forged:?}");
    for (version, chains) in [(5, [first, second]), (6, [second, first])] {
        let other_set = connect_with(version, &chains, first).await;
        assert!(
            matches!(other_set, Err(RoutesError::Proof(ProofError::Certificate(_)))),
            "{other_set:?}"
        );
    }
}

#[tokio::test]
async fn only_front_ends_connect() {
    let setup = Setup::new();
    let (listener, _) = setup.router(|_| None);
    let credentials = setup.issue(Role::Relay, "relay");
    let config = ClientConfig { credentials, ..setup.config(&[&listener]) };
    let error = Client::connect(config).await.unwrap_err();
    assert!(matches!(error, ConnectError::NoFrontEnd(_)), "{error}");
}

#[tokio::test]
async fn the_first_router_that_answers_is_used() {
    let setup = Setup::new();
    let (listener, _) = setup.router(|_| None);
    let mut config = setup.config(&[&listener]);
    config.routers.insert(0, "127.0.0.1:1".parse().unwrap());
    assert!(Client::connect(config).await.is_ok());
}

#[tokio::test]
async fn a_read_without_router_ends_at_its_deadline() {
    let setup = Setup::new();
    let (listener, _) = setup.router(|_| None);
    let client = setup.client(&[&listener]).await;
    drop(listener);
    let client = client.with_deadline(Duration::from_millis(50));
    let error = client.chains().await.unwrap_err();
    assert!(matches!(error, AskError::Unreachable { waited_ms: 50.., .. }), "{error}");
}

#[test]
fn a_client_file_is_read_with_everything_that_it_names() {
    let setup = Setup::new();
    let directory = tempfile::tempdir().unwrap();
    let role = Role::Institution(INSTITUTION);
    let identity = tributary_transport::Identity { role, name: "front-end".to_owned() };
    let issued = setup.authority.issue(&identity, 1).unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("ca.pem", setup.authority.certificate_pem());
    write("certificate.pem", &issued.certificate_pem);
    write("key.pem", &issued.key_pem);
    write("genesis.json", &serde_json::to_string(&setup.genesis).unwrap());
    let file = "institution = 1\nrouters = [\"127.0.0.1:7101\"]\ngenesis = \"genesis.json\"\n\
        [tls]\nca = \"ca.pem\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n";
    let load = |text: &str| {
        write("client.toml", text);
        ClientConfig::load(&directory.path().join("client.toml"))
    };
    let config = load(file).unwrap();
    assert_eq!(config.genesis, setup.genesis);
    assert_eq!(config.routers, ["127.0.0.1:7101".parse().unwrap()]);
    let check = |from: &str, to: &str, expected: &str| {
        assert!(file.contains(from));
        let error = load(&file.replace(from, to)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        error
    };
    check("routers", "router", "client.toml");
    check("institution = 1", "institution = 2", "no front-end of institution 2");
    check("\"ca.pem\"", "\"other.pem\"", "other.pem");
    let error = check("\"genesis.json\"", "\"none.json\"", "none.json");
    assert!(matches!(error, ConfigError::Unreadable { .. }));
}
