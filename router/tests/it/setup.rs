//! A cluster of scripted nodes with one router, and front-ends that speak to
//! it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_ledger::genesis::{ChainKind, ChainSpec, Genesis, Parameters};
use tributary_router::{Limits, Parts, Router};
use tributary_routing::RouteTable;
use tributary_service::Supervisor;
use tributary_service::topology::{NodeEntry, NodeRole, ReplicaPlace, Topology};
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{
    Credentials, Endpoint, Expected, Identity, Listener, PeerLink, Role, RoleKind, Shortcuts,
};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetId, ChainId, InstitutionId, PaymentId,
    PaymentKind, PaymentRecord, Reference, SigningKey, Slot, TimeMs,
};
use tributary_wire::router::{Outcome, RouterError, RouterReply, RouterRequest};
use tributary_wire::{Canonical, decode, encode};

use crate::node::{Node, World};

pub const INSTITUTION: InstitutionId = InstitutionId::new(1);
pub const CHAIN: ChainId = ChainId::new(1);
pub const OTHER_CHAIN: ChainId = ChainId::new(2);
pub const HF_CHAIN: ChainId = ChainId::new(3);
/// Replicas of each chain.
pub const VALIDATORS: u8 = 2;
/// How long a condition may take to come true.
const CONDITION_WAIT: Duration = Duration::from_secs(20);
/// Between two looks at a condition.
const CONDITION_INTERVAL: Duration = Duration::from_millis(1);

/// Everything that runs in a test.
pub struct Cluster {
    pub world: Arc<World>,
    pub genesis: Genesis,
    /// By validator.
    pub nodes: Vec<Listener>,
    pub router: Router,
    /// The router's signing key.
    pub key: SigningKey,
    authority: CertificateAuthority,
}

impl Cluster {
    /// Starts everything and waits until the router knows all leaders.
    pub async fn start(limits: Limits) -> Self {
        let authority = CertificateAuthority::create("test", 1).unwrap();
        let key = SigningKey::from_seed([7; 32]);
        let genesis = genesis(&key);
        let world = World::new(genesis.chains.iter().map(|spec| spec.id));
        let (mut nodes, mut topology) = (Vec::new(), Topology::default());
        for validator in 0..u16::from(VALIDATORS) {
            let name = format!("node-{validator}");
            let credentials = issue(&authority, Role::Node, &name);
            let node = Arc::new(Node { validator, world: Arc::clone(&world) });
            let listener =
                Listener::bind(loopback(), &credentials, Shortcuts::Offered, node).unwrap();
            let address = listener.local_addr().unwrap();
            let place = |spec: &ChainSpec| ReplicaPlace { chain: spec.id, validator };
            let replicas = genesis.chains.iter().map(place).collect();
            let role = NodeRole::ShardNode;
            topology.nodes.push(NodeEntry { name, role, address, http: loopback(), replicas });
            nodes.push(listener);
        }
        let parts = Parts {
            institution: INSTITUTION,
            key: key.clone(),
            credentials: issue(&authority, Role::Router(INSTITUTION), "router-1"),
            genesis: genesis.clone(),
            topology,
            listen: loopback(),
            shortcuts: Shortcuts::Offered,
            limits,
        };
        let (supervisor, _) = Supervisor::new();
        let router = Router::start(parts, &supervisor).unwrap();
        eventually(|| router.handler().missing().is_empty()).await;
        Self { world, genesis, nodes, router, key, authority }
    }

    /// A front-end of the router's institution.
    pub fn front_end(&self, name: &str) -> FrontEnd {
        self.peer(Role::Institution(INSTITUTION), name)
    }

    /// Anyone with a certificate of the cluster.
    pub fn peer(&self, role: Role, name: &str) -> FrontEnd {
        let endpoint = Endpoint::client(&issue(&self.authority, role, name)).unwrap();
        let expected = Expected::any(RoleKind::Router);
        FrontEnd { link: endpoint.connect(self.router.address(), expected) }
    }

    /// Payments and operations that the router holds for a chain.
    pub fn items(&self, chain: ChainId) -> usize {
        self.router.handler().lanes[&chain].items()
    }

    /// Lets a front-end pay, one payment a request, and comes back when the
    /// router holds it.
    pub async fn begin_payment(
        &self,
        front_end: &FrontEnd,
        payment: PaymentRecord,
    ) -> JoinHandle<Result<Outcome, RouterError>> {
        let before = self.items(CHAIN);
        let front_end = front_end.clone();
        let asked = tokio::spawn(async move { front_end.pay_one(payment).await });
        eventually(|| self.items(CHAIN) > before).await;
        asked
    }
}

/// One caller.
#[derive(Clone)]
pub struct FrontEnd {
    pub link: PeerLink,
}

impl FrontEnd {
    pub async fn ask(&self, request: &RouterRequest) -> RouterReply {
        decode(&self.link.request(encode(request)).await.unwrap()).unwrap()
    }

    pub async fn pay(&self, payments: &[PaymentRecord]) -> Vec<Result<Outcome, RouterError>> {
        match self.ask(&pay_request(payments)).await {
            RouterReply::Outcomes(outcomes) => outcomes,
            other => panic!("{other:?}"),
        }
    }

    pub async fn pay_one(&self, payment: PaymentRecord) -> Result<Outcome, RouterError> {
        self.pay(&[payment]).await.remove(0)
    }
}

/// A request without owner signatures.
pub fn pay_request(payments: &[PaymentRecord]) -> RouterRequest {
    let payments = Canonical(payments.to_vec());
    RouterRequest::Pay { payments, owner_signatures: Canonical(Vec::new()) }
}

/// A payment of the same payer on [`CHAIN`], with an id made of `number`.
pub fn payment(number: u16) -> PaymentRecord {
    PaymentRecord::from(&Payment {
        id: id(number),
        kind: PaymentKind::Payment,
        debit: account(AccountClass::User, "payer", 0),
        credit: account(AccountClass::Hf, "shop", 0),
        amount: Amount::new(1),
        asset: AssetId::new(1),
        reference: Reference::default(),
    })
}

pub fn id(number: u16) -> PaymentId {
    PaymentId::new(TimeMs::new(u64::from(number)), [1; 10])
}

pub fn account(class: AccountClass, name: &str, slot: u16) -> AccountId {
    let name: AccountName = name.parse().unwrap();
    AccountId::named(class, INSTITUTION, &name, Slot::new(slot).unwrap())
}

/// A key that signs the headers of a chain.
pub fn validator_key(chain: ChainId, validator: u8) -> SigningKey {
    SigningKey::from_seed([16 * chain.get().to_le_bytes()[0] + validator; 32])
}

/// Waits until a condition holds.
pub async fn eventually(condition: impl Fn() -> bool) {
    let poll = async {
        while !condition() {
            tokio::time::sleep(CONDITION_INTERVAL).await;
        }
    };
    tokio::time::timeout(CONDITION_WAIT, poll).await.expect("the condition never came true");
}

fn genesis(key: &SigningKey) -> Genesis {
    let spec = |id, kind| {
        let id = ChainId::new(id);
        let validators =
            (0..VALIDATORS).map(|validator| validator_key(id, validator).public()).collect();
        ChainSpec { id, kind, validators }
    };
    Genesis {
        cluster: "test".to_owned(),
        created: TimeMs::new(1),
        chains: vec![spec(1, ChainKind::User), spec(2, ChainKind::User), spec(3, ChainKind::Hf)],
        assets: vec![AssetEntry { id: AssetId::new(1), code: "GBP".parse().unwrap(), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: INSTITUTION,
            name: "bank".parse().unwrap(),
            keys: vec![key.public()],
            operator: true,
        }],
        routes: RouteTable::even(1, &[CHAIN, OTHER_CHAIN], HF_CHAIN).unwrap(),
        parameters: Parameters::default(),
    }
}

fn issue(authority: &CertificateAuthority, role: Role, name: &str) -> Credentials {
    let issued = authority.issue(&Identity { role, name: name.to_owned() }, 1).unwrap();
    let ca = authority.certificate_pem();
    Credentials::from_pem(ca, &issued.certificate_pem, &issued.key_pem).unwrap()
}

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}
