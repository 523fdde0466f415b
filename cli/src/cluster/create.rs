//! Creating a local cluster: keys, certificates, genesis, topology,
//! configuration. Everything is written to a directory beside the wanted one,
//! which is renamed into place at the end: a cluster is there whole or not.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use rand::RngExt as _;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_client::{
    AssetId, ChainId, ChainKind, ChainSpec, Genesis, InstitutionId, Parameters, PublicKey,
    SigningKey, TimeMs,
};
use tributary_routing::RouteTable;
use tributary_service::keys::write_seed;
use tributary_service::topology::{
    NodeEntry, NodeRole, RelayEntry, ReplicaPlace, RouterEntry, Topology,
};

use super::certificates::{self, FRONT_END};
use super::layout::{Layout, Process, ProcessRole, processes};
use super::ports::FreePorts;
use crate::arguments::UpArguments;

/// The one institution of a local cluster.
pub const INSTITUTION: InstitutionId = InstitutionId::new(1);
/// Assets of a local cluster; all with two decimal places.
const ASSETS: [&str; 3] = ["GBP", "EUR", "USD"];
/// Name of the router's and the clients' signing key.
const INSTITUTION_KEY: &str = "institution.key";

/// Creates the cluster in `root`, which must be absent or empty.
///
/// # Errors
/// If `root` holds something else, or anything cannot be written.
pub fn create(root: &Path, arguments: &UpArguments) -> anyhow::Result<()> {
    if root.read_dir().is_ok_and(|mut entries| entries.next().is_some()) {
        bail!("{} is not empty and holds no cluster", root.display());
    }
    let parent = root.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    fs::create_dir_all(parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let draft = tempfile::Builder::new()
        .prefix(".tributary-new-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot create a directory in {}", parent.display()))?;
    write_all(&Layout::new(draft.path()), arguments)?;
    if root.exists() {
        fs::remove_dir(root).with_context(|| format!("cannot replace {}", root.display()))?;
    }
    fs::rename(draft.keep(), root).with_context(|| format!("cannot create {}", root.display()))
}

fn write_all(layout: &Layout, arguments: &UpArguments) -> anyhow::Result<()> {
    for directory in [layout.keys(), layout.logs(), layout.run(), layout.root().join("ca")] {
        fs::create_dir_all(&directory)?;
    }
    let institution_key = new_key(layout, INSTITUTION_KEY)?;
    let genesis = genesis(layout, arguments, institution_key.public())?;
    fs::write(layout.genesis(), serde_json::to_string_pretty(&genesis)?)?;
    let topology = topology(arguments)?;
    certificates::create(layout, &genesis.cluster, &topology)?;
    for process in processes(&topology) {
        let config = config(&topology, &process, !arguments.no_shortcuts)?;
        fs::write(layout.config(&process.name), config)?;
    }
    fs::write(layout.client(), client_config(&topology))?;
    fs::write(layout.topology(), toml::to_string_pretty(&topology)?)?;
    Ok(())
}

fn new_key(layout: &Layout, name: &str) -> anyhow::Result<SigningKey> {
    let seed: [u8; 32] = rand::rng().random();
    write_seed(&layout.keys().join(name), &seed)?;
    Ok(SigningKey::from_seed(seed))
}

fn validator_key_name(chain: ChainId, validator: u16) -> String {
    format!("chain-{chain}-validator-{validator}.key")
}

/// User chains are numbered from 1; the HF chain comes last.
fn genesis(
    layout: &Layout,
    arguments: &UpArguments,
    institution_key: PublicKey,
) -> anyhow::Result<Genesis> {
    let user_chains: Vec<_> = (1..=arguments.chains).map(ChainId::new).collect();
    let hf_chain = ChainId::new(arguments.chains + 1);
    let mut chains = Vec::new();
    for id in user_chains.iter().copied().chain([hf_chain]) {
        let kind = if id == hf_chain { ChainKind::Hf } else { ChainKind::User };
        let validators = (0..arguments.replicas)
            .map(|validator| Ok(new_key(layout, &validator_key_name(id, validator))?.public()))
            .collect::<anyhow::Result<_>>()?;
        chains.push(ChainSpec { id, kind, validators });
    }
    let assets = (1..).zip(ASSETS).map(|(number, code)| {
        Ok(AssetEntry { id: AssetId::new(number), code: code.parse()?, scale: 2 })
    });
    let interval = u64::try_from(arguments.settlement_interval.as_millis())?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let genesis = Genesis {
        cluster: "local".to_owned(),
        created: TimeMs::new(u64::try_from(now.as_millis())?),
        chains,
        assets: assets.collect::<anyhow::Result<_>>()?,
        institutions: vec![InstitutionEntry {
            id: INSTITUTION,
            name: "local-bank".parse()?,
            keys: vec![institution_key],
            operator: true,
        }],
        routes: RouteTable::even(1, &user_chains, hf_chain)?,
        parameters: Parameters { settlement_interval_ms: interval, ..Parameters::default() },
    };
    genesis.validate()?;
    Ok(genesis)
}

fn topology(arguments: &UpArguments) -> anyhow::Result<Topology> {
    let mut ports = FreePorts::default();
    let user_chains = 1..=arguments.chains;
    let hf_chain = ChainId::new(arguments.chains + 1);
    let mut nodes = Vec::new();
    let roles = [(NodeRole::ShardNode, "shard"), (NodeRole::HfAggregator, "hf")];
    for (role, prefix) in roles {
        for validator in 0..arguments.replicas {
            let chains: Vec<_> = match role {
                NodeRole::ShardNode => user_chains.clone().map(ChainId::new).collect(),
                NodeRole::HfAggregator => vec![hf_chain],
            };
            nodes.push(NodeEntry {
                name: format!("{prefix}-{}", validator + 1),
                role,
                address: ports.next()?,
                http: ports.next()?,
                replicas: chains
                    .into_iter()
                    .map(|chain| ReplicaPlace { chain, validator })
                    .collect(),
            });
        }
    }
    let (address, http) = (ports.next()?, ports.next()?);
    let router =
        RouterEntry { name: "router-1".to_owned(), institution: INSTITUTION, address, http };
    let relays = (1..=arguments.relays)
        .map(|number| Ok(RelayEntry { name: format!("relay-{number}"), http: ports.next()? }))
        .collect::<anyhow::Result<_>>()?;
    let topology = Topology { nodes, routers: vec![router], relays };
    topology.validate()?;
    Ok(topology)
}

/// Paths in a configuration start at its own directory.
fn config(topology: &Topology, process: &Process, shortcuts: bool) -> anyhow::Result<String> {
    let mut table = toml::Table::new();
    let mut set = |key: &str, value: toml::Value| table.insert(key.to_owned(), value);
    set("name", process.name.clone().into());
    set("genesis", "../genesis.json".into());
    set("topology", "../topology.toml".into());
    let tls = [("ca", "../ca/ca.pem"), ("certificate", "certificate.pem"), ("key", "key.pem")];
    let tls = tls.map(|(key, path)| (key.to_owned(), toml::Value::from(path)));
    set("tls", toml::Table::from_iter(tls).into());
    // Offered by whoever listens.
    if process.address.is_some() {
        set("shortcuts", shortcuts.into());
    }
    match process.role {
        ProcessRole::ShardNode | ProcessRole::HfAggregator => {
            let node = topology.node(&process.name).context("a node of the topology")?;
            set("data_dir", "data".into());
            let replicas = node.replicas.iter().map(|place| {
                let key = format!("../keys/{}", validator_key_name(place.chain, place.validator));
                toml::Value::from(toml::Table::from_iter([
                    ("chain".to_owned(), i64::from(place.chain.get()).into()),
                    ("validator".to_owned(), i64::from(place.validator).into()),
                    ("key".to_owned(), key.into()),
                ]))
            });
            set("replica", replicas.collect::<Vec<_>>().into());
        }
        ProcessRole::Router => {
            set("institution", i64::from(INSTITUTION.get()).into());
            set("signing_key", format!("../keys/{INSTITUTION_KEY}").into());
            let address = process.address.context("a router listens")?;
            set("listen", address.to_string().into());
            set("http", process.http.to_string().into());
        }
        ProcessRole::Relay => {
            let rank = topology.relays.iter().position(|relay| relay.name == process.name);
            set("rank", i64::try_from(rank.unwrap_or(0))?.into());
        }
    }
    Ok(toml::to_string_pretty(&table)?)
}

/// How the command line reaches the routers, and who it is to them.
fn client_config(topology: &Topology) -> String {
    let routers: Vec<_> =
        topology.routers.iter().map(|router| router.address.to_string()).collect();
    format!(
        "institution = {INSTITUTION}\nrouters = {routers:?}\ngenesis = \"genesis.json\"\n\n\
         [tls]\nca = \"ca/ca.pem\"\ncertificate = \"{FRONT_END}/certificate.pem\"\n\
         key = \"{FRONT_END}/key.pem\"\n"
    )
}
