//! A small cluster in this process: real nodes, storage and connections, each
//! under its own loopback address, so that test processes do not meet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use tributary_chain::Batch;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_host::config::{Limits, NodeConfig, ReplicaConfig};
use tributary_host::{Checked, Host, StartError};
use tributary_ledger::{ChainKind, ChainSpec, Genesis, Parameters};
use tributary_routing::RouteTable;
use tributary_service::keys;
use tributary_service::tls::TlsPaths;
use tributary_service::topology::{NodeEntry, NodeRole, RelayEntry, ReplicaPlace, Topology};
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{Credentials, Endpoint, Expected, Identity, PeerLink, Role, RoleKind};
use tributary_types::{AssetId, ChainId, InstitutionId, SigningKey, TimeMs};
use tributary_wire::Canonical;
use tributary_wire::node::{NodeError, NodeReply, NodeRequest, Submitted};
use tributary_wire::query::{Answer, Query};

pub const CHAIN: ChainId = ChainId::new(1);
pub const HF_CHAIN: ChainId = ChainId::new(2);
pub const BANK: InstitutionId = InstitutionId::new(7);
pub const POUND: AssetId = AssetId::new(1);

/// Longest that anything here is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
const CERTIFICATE_DAYS: u32 = 1;

/// Files, keys and the running nodes of a cluster.
pub struct Cluster {
    pub dir: TempDir,
    pub genesis: Genesis,
    pub topology: Topology,
    pub authority: CertificateAuthority,
    /// By number; a node that does not run is `None`. Nodes of the user chain
    /// come first, the HF chain's is last.
    pub nodes: Vec<Option<Host>>,
    pub runtime: Runtime,
    pub limits: Limits,
}

pub fn bank_key() -> SigningKey {
    SigningKey::from_seed([2; 32])
}

/// The wall clock; ids carry it.
pub fn now() -> TimeMs {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    TimeMs::new(u64::try_from(since_epoch.as_millis()).unwrap())
}

impl Cluster {
    /// Writes the files of a user chain with so many replicas, each at its own
    /// node, and an HF chain with one. Nothing runs yet.
    pub fn new(replicas: u16) -> Self {
        Self::with(replicas, Parameters::default())
    }

    /// The same with other parameters.
    pub fn with(replicas: u16, parameters: Parameters) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let genesis = Genesis { parameters, ..genesis(replicas) };
        let topology = topology(replicas);
        topology.validate().unwrap();
        let json = serde_json::to_vec(&genesis).unwrap();
        std::fs::write(dir.path().join("genesis.json"), json).unwrap();
        let map = toml::to_string(&topology).unwrap();
        std::fs::write(dir.path().join("topology.toml"), map).unwrap();
        let authority = CertificateAuthority::create("test", CERTIFICATE_DAYS).unwrap();
        std::fs::write(dir.path().join("ca.pem"), authority.certificate_pem()).unwrap();
        for validator in 0..replicas {
            keys::write_seed(&seed_path(&dir, CHAIN, validator), &seed(validator)).unwrap();
        }
        keys::write_seed(&seed_path(&dir, HF_CHAIN, 0), &seed(0)).unwrap();
        let nodes = (0..=replicas).map(|_| None).collect();
        let runtime = Runtime::new().unwrap();
        let limits = Limits::default();
        let cluster = Self { dir, genesis, topology, authority, nodes, runtime, limits };
        for node in &cluster.topology.nodes {
            cluster.issue(Role::Node, &node.name);
        }
        for relay in &cluster.topology.relays {
            cluster.issue(Role::Relay, &relay.name);
        }
        cluster
    }

    fn issue(&self, role: Role, name: &str) {
        let identity = Identity { role, name: name.to_owned() };
        let issued = self.authority.issue(&identity, CERTIFICATE_DAYS).unwrap();
        let tls = self.tls(name);
        std::fs::write(tls.certificate, issued.certificate_pem).unwrap();
        std::fs::write(tls.key, issued.key_pem).unwrap();
    }

    /// The files of one identity.
    pub fn tls(&self, name: &str) -> TlsPaths {
        let path = |file: &str| self.dir.path().join(file);
        TlsPaths {
            ca: path("ca.pem"),
            certificate: path(&format!("{name}.pem")),
            key: path(&format!("{name}.key")),
        }
    }

    /// A cluster whose user chain runs.
    pub fn running(replicas: u16) -> Self {
        let mut cluster = Self::new(replicas);
        for node in 0..usize::from(replicas) {
            cluster.start(node);
        }
        cluster
    }

    pub fn config(&self, node: usize) -> NodeConfig {
        let entry = &self.topology.nodes[node];
        let path = |name: &str| self.dir.path().join(name);
        let replica = |place: &ReplicaPlace| ReplicaConfig {
            chain: place.chain,
            validator: place.validator,
            key: seed_path(&self.dir, place.chain, place.validator),
        };
        NodeConfig {
            name: entry.name.clone(),
            genesis: path("genesis.json"),
            topology: path("topology.toml"),
            data_dir: path(&format!("data-{}", entry.name)),
            shortcuts: true,
            tls: self.tls(&entry.name),
            replicas: entry.replicas.iter().map(replica).collect(),
            limits: self.limits.clone(),
        }
    }

    pub fn try_start(&mut self, node: usize) -> Result<(), StartError> {
        let role = self.topology.nodes[node].role;
        let host = Host::start(Checked::load(self.config(node), role)?, None)?;
        self.nodes[node] = Some(host);
        Ok(())
    }

    pub fn start(&mut self, node: usize) {
        self.try_start(node).unwrap();
    }

    /// Pulls the plug.
    pub fn kill(&mut self, node: usize) {
        drop(self.nodes[node].take());
    }

    /// Stops in order.
    pub fn stop(&mut self, node: usize) {
        self.nodes[node].take().unwrap().shutdown();
    }

    /// A peer of that role, linked to a node.
    pub fn link(&self, role: Role, node: usize) -> PeerLink {
        self.link_as(role, "test", node)
    }

    /// A peer of that role and name, linked to a node.
    pub fn link_as(&self, role: Role, name: &str, node: usize) -> PeerLink {
        let credentials = self.credentials(role, name);
        let _entered = self.runtime.enter();
        let address = self.topology.nodes[node].address;
        Endpoint::client(&credentials).unwrap().connect(address, Expected::any(RoleKind::Node))
    }

    pub fn credentials(&self, role: Role, name: &str) -> Credentials {
        let identity = Identity { role, name: name.to_owned() };
        let issued = self.authority.issue(&identity, CERTIFICATE_DAYS).unwrap();
        let ca = self.authority.certificate_pem();
        Credentials::from_pem(ca, &issued.certificate_pem, &issued.key_pem).unwrap()
    }

    /// A router of the bank, linked to a node.
    pub fn router(&self, node: usize) -> Peer<'_> {
        self.peer(Role::Router(BANK), node)
    }

    pub fn peer(&self, role: Role, node: usize) -> Peer<'_> {
        Peer { cluster: self, link: self.link(role, node) }
    }

    /// Submits at whichever node leads, as a router would.
    pub fn submit(&self, batch: &Batch) -> Submitted {
        let peers: Vec<_> = self.nodes_of(batch.chain).map(|node| self.router(node)).collect();
        let request = NodeRequest::Submit(Canonical(batch.clone()));
        eventually("the batch has receipts", || {
            peers.iter().find_map(|peer| match peer.ask(&request) {
                Ok(NodeReply::Submitted(submitted)) => Some(submitted),
                Ok(NodeReply::Error(NodeError::Refused(reason))) => panic!("refused: {reason}"),
                _ => None,
            })
        })
    }

    /// Asks whichever node leads the user chain.
    pub fn query(&self, query: &Query) -> Answer {
        self.query_chain(CHAIN, query)
    }

    /// Asks whichever node leads a chain.
    pub fn query_chain(&self, chain: ChainId, query: &Query) -> Answer {
        let peers: Vec<_> = self.nodes_of(chain).map(|node| self.router(node)).collect();
        let request = NodeRequest::Query { chain, query: query.clone() };
        eventually("the leader answers", || {
            peers.iter().find_map(|peer| match peer.ask(&request) {
                Ok(NodeReply::Answer(answer)) => Some(*answer),
                _ => None,
            })
        })
    }

    /// Every node that runs a replica of a chain.
    pub fn nodes_of(&self, chain: ChainId) -> impl Iterator<Item = usize> {
        let hosts = move |node: &NodeEntry| node.replicas.iter().any(|place| place.chain == chain);
        (0..self.nodes.len())
            .filter(move |node| self.nodes[*node].is_some() && hosts(&self.topology.nodes[*node]))
    }

    pub fn wait_until_ready(&self) {
        eventually("all nodes are ready", || {
            let hosts = self.nodes.iter().flatten();
            hosts.flat_map(Host::missing).next().is_none().then_some(())
        });
    }
}

/// A connection under one identity.
pub struct Peer<'a> {
    pub cluster: &'a Cluster,
    pub link: PeerLink,
}

impl Peer<'_> {
    pub fn ask(&self, request: &NodeRequest) -> Result<NodeReply, String> {
        self.ask_bytes(tributary_wire::encode(request))
    }

    pub fn ask_bytes(&self, payload: Vec<u8>) -> Result<NodeReply, String> {
        let reply = self
            .cluster
            .runtime
            .block_on(async { tokio::time::timeout(PATIENCE, self.link.request(payload)).await });
        let bytes = reply.map_err(|_| "no answer".to_owned())?.map_err(|e| e.to_string())?;
        tributary_wire::decode(&bytes).map_err(|error| error.to_string())
    }
}

/// Repeats until there is an answer.
pub fn eventually<T>(what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(found) = attempt() {
            return found;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("waited {PATIENCE:?} and still not: {what}");
}

fn seed(validator: u16) -> [u8; 32] {
    let mut seed = [1; 32];
    seed[..2].copy_from_slice(&validator.to_le_bytes());
    seed
}

fn seed_path(dir: &TempDir, chain: ChainId, validator: u16) -> PathBuf {
    dir.path().join(format!("chain-{chain}-validator-{validator}.seed"))
}

fn genesis(replicas: u16) -> Genesis {
    let keys = |count: u16| (0..count).map(|v| SigningKey::from_seed(seed(v)).public()).collect();
    Genesis {
        cluster: "host tests".to_owned(),
        created: now(),
        chains: vec![
            ChainSpec { id: CHAIN, kind: ChainKind::User, validators: keys(replicas) },
            ChainSpec { id: HF_CHAIN, kind: ChainKind::Hf, validators: keys(1) },
        ],
        assets: vec![AssetEntry { id: POUND, code: "GBP".parse().unwrap(), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: BANK,
            name: "bank".parse().unwrap(),
            keys: vec![bank_key().public()],
            operator: true,
        }],
        routes: RouteTable::even(1, &[CHAIN], HF_CHAIN).unwrap(),
        parameters: Parameters::default(),
    }
}

fn topology(replicas: u16) -> Topology {
    let node = |number: u16, role, place| NodeEntry {
        name: format!("node-{number}"),
        role,
        address: address(2 * number),
        http: address(2 * number + 1),
        replicas: vec![place],
    };
    let user = (0..replicas).map(|validator| {
        node(validator, NodeRole::ShardNode, ReplicaPlace { chain: CHAIN, validator })
    });
    let hf = ReplicaPlace { chain: HF_CHAIN, validator: 0 };
    let nodes = user.chain([node(replicas, NodeRole::HfAggregator, hf)]).collect();
    let relay = |number: u16| RelayEntry {
        name: format!("relay-{number}"),
        http: address(2 * (replicas + 1) + number),
    };
    Topology { nodes, routers: Vec::new(), relays: (0..2).map(relay).collect() }
}

/// An address of this process's own: its id is in the address and the port.
fn address(number: u16) -> SocketAddr {
    let [high, middle, low, _] = (std::process::id() << 8).to_be_bytes();
    let port = 10_000 + u16::from(high) * 64 + number;
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, middle, low, 1)), port)
}
