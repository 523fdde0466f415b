//! Joining a cluster: which routers are believed, and the client file.

use std::fs;
use std::time::Duration;

use tributary_client::error::AskError;
use tributary_client::routes::RoutesError;
use tributary_client::{Client, ClientConfig, ConfigError, ConnectError, Hash};
use tributary_routing::RouteTable;
use tributary_transport::Role;
use tributary_types::ChainId;
use tributary_wire::router::RouterReply;

use crate::router::{HF_CHAIN, INSTITUTION, Setup, USER_CHAINS};

async fn connect_to(setup: &Setup, cluster: Hash, routes: RouteTable) -> Result<(), ConnectError> {
    let hello = RouterReply::Hello { cluster, routes: Box::new(routes) };
    let (listener, _) = setup.router_that_says(hello, |_| None);
    Client::connect(setup.config(&[&listener])).await.map(|_| ())
}

#[tokio::test]
async fn a_router_of_another_cluster_is_not_believed() {
    let setup = Setup::new();
    let error = connect_to(&setup, Hash::ZERO, setup.genesis.routes.clone()).await.unwrap_err();
    assert!(matches!(error, ConnectError::OtherCluster { found: Hash::ZERO, .. }), "{error}");
}

#[tokio::test]
async fn stale_and_forged_routes_are_not_believed() {
    let setup = Setup::new();
    let check = async |version, user: &[ChainId], expected: Option<RoutesError>| {
        let routes = RouteTable::even(version, user, HF_CHAIN).unwrap();
        match (connect_to(&setup, setup.genesis.hash(), routes).await, expected) {
            (Ok(()), None) => {}
            (Err(ConnectError::Routes(error)), Some(expected)) => assert_eq!(error, expected),
            other => panic!("{other:?}"),
        }
    };
    let [first, second] = USER_CHAINS;
    check(5, &[first, second], None).await;
    check(6, &[second, first], None).await;
    check(4, &[first, second], Some(RoutesError::Stale { known: 5, found: 4 })).await;
    check(5, &[second, first], Some(RoutesError::Forged(5))).await;
    let chain = ChainId::new(77);
    let wrong = RoutesError::WrongChain { version: 6, chain, expected: "user" };
    check(6, &[first, chain], Some(wrong)).await;
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
