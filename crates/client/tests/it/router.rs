//! Routers that follow a script, and clients of them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tributary_chain::certificate::Vote;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_chain::{Certificate, Header};
use tributary_client::{
    AssetId, ChainId, ChainKind, ChainSpec, Client, ClientConfig, Credentials, Genesis, Hash,
    InstitutionId, Outcome, Parameters, RoutesProof, SigningKey, TimeMs,
};
use tributary_ledger::roots::StateParts;
use tributary_routing::RouteTable;
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{Handler, Identity, Listener, Role, Shortcuts};
use tributary_types::{Amount, BlockHeight, OutcomeCode, PaymentId, Position, Receipt};
use tributary_wire::query::{Answer, AnswerValue, Query};
use tributary_wire::router::{RouterError, RouterReply, RouterRequest};
use tributary_wire::{decode, encode};

pub const INSTITUTION: InstitutionId = InstitutionId::new(1);
pub const USER_CHAINS: [ChainId; 2] = [ChainId::new(1), ChainId::new(2)];
pub const HF_CHAIN: ChainId = ChainId::new(3);
pub const ASSET: AssetId = AssetId::new(1);
/// Deadline of the clients of these tests, long enough for every repetition.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a router does with a request: a reply, or silence.
type Script = Box<dyn FnMut(&RouterRequest) -> Option<RouterReply> + Send>;

/// A listening script. Says hello by itself.
pub struct ScriptedRouter {
    script: Mutex<Script>,
    /// Every request but hello.
    asked: Mutex<Vec<RouterRequest>>,
    hello: RouterReply,
}

impl ScriptedRouter {
    /// Every request so far but hello.
    pub fn asked(&self) -> Vec<RouterRequest> {
        self.asked.lock().unwrap().clone()
    }
}

impl Handler for ScriptedRouter {
    fn admit(&self, _: &Identity) -> Result<(), String> {
        Ok(())
    }

    async fn request(self: Arc<Self>, _: Arc<Identity>, payload: Bytes) -> Result<Vec<u8>, String> {
        let request: RouterRequest = decode(&payload).map_err(|error| error.to_string())?;
        let reply = if request == RouterRequest::Hello {
            Some(self.hello.clone())
        } else {
            self.asked.lock().unwrap().push(request.clone());
            (self.script.lock().unwrap())(&request)
        };
        match reply {
            Some(reply) => Ok(encode(&reply)),
            None => std::future::pending().await,
        }
    }

    fn message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Err("a client sends no messages".to_owned())
    }

    fn large_message(&self, _: &Identity, _: Bytes) -> Result<(), String> {
        Err("a client sends no messages".to_owned())
    }
}

/// A CA, a genesis, and what grows from them.
pub struct Setup {
    pub authority: CertificateAuthority,
    pub genesis: Genesis,
}

impl Setup {
    pub fn new() -> Self {
        let authority = CertificateAuthority::create("test", 1).unwrap();
        Self { authority, genesis: genesis() }
    }

    /// A router that says hello as one of this cluster.
    pub fn router(
        &self,
        script: impl FnMut(&RouterRequest) -> Option<RouterReply> + Send + 'static,
    ) -> (Listener, Arc<ScriptedRouter>) {
        let cluster = self.genesis.hash();
        self.router_that_says(RouterReply::Hello { cluster, routes: None }, script)
    }

    pub fn router_that_says(
        &self,
        hello: RouterReply,
        script: impl FnMut(&RouterRequest) -> Option<RouterReply> + Send + 'static,
    ) -> (Listener, Arc<ScriptedRouter>) {
        let (script, asked) = (Mutex::new(Box::new(script) as Script), Mutex::default());
        let router = Arc::new(ScriptedRouter { script, asked, hello });
        let credentials = self.issue(Role::Router(INSTITUTION), "router");
        let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener =
            Listener::bind(loopback, &credentials, Shortcuts::Offered, Arc::clone(&router))
                .unwrap();
        (listener, router)
    }

    /// What a front-end needs to reach these routers.
    pub fn config(&self, routers: &[&Listener]) -> ClientConfig {
        ClientConfig {
            routers: routers.iter().map(|router| router.local_addr().unwrap()).collect(),
            credentials: self.issue(Role::Institution(INSTITUTION), "front-end"),
            genesis: self.genesis.clone(),
            placement: Vec::new(),
            deadline: DEADLINE,
        }
    }

    /// A client of these routers.
    pub async fn client(&self, routers: &[&Listener]) -> Client {
        Client::connect(self.config(routers)).await.unwrap()
    }

    pub fn issue(&self, role: Role, name: &str) -> Credentials {
        let issued = self.authority.issue(&Identity { role, name: name.to_owned() }, 1).unwrap();
        let ca = self.authority.certificate_pem();
        Credentials::from_pem(ca, &issued.certificate_pem, &issued.key_pem).unwrap()
    }
}

/// Ids of a payment request.
pub fn ids(request: &RouterRequest) -> Vec<PaymentId> {
    match request {
        RouterRequest::Pay { payments, .. } => {
            payments.0.iter().map(|record| record.parse().unwrap().id).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// A committed outcome.
pub fn committed() -> Result<Outcome, RouterError> {
    let receipt = Receipt::refused(OutcomeCode::Committed, Amount::ZERO);
    let position = Position::new(BlockHeight::new(1), 0).unwrap();
    Ok(Outcome { chain: USER_CHAINS[0], position, receipt })
}

/// A chain's answer as of a height.
pub fn answer(chain: ChainId, height: u64, value: AnswerValue) -> Option<RouterReply> {
    let (height, time) = (BlockHeight::new(height), TimeMs::new(height));
    Some(RouterReply::Answer(Box::new(Answer { chain, height, time, value })))
}

/// Chain and query of a read.
pub fn read(request: &RouterRequest) -> (ChainId, &Query) {
    match request {
        RouterRequest::Query { chain, query } => (*chain, query),
        other => panic!("{other:?}"),
    }
}

/// The key of the only validator of a chain.
fn validator_key(chain: ChainId) -> SigningKey {
    SigningKey::from_seed([chain.get().to_le_bytes()[0]; 32])
}

/// A table as the HF chain would prove it, but with the signature of `signer`'s
/// validator.
pub fn prove_routes(genesis: &Genesis, routes: RouteTable, signer: ChainId) -> RoutesProof {
    let parts = StateParts { routes: routes.hash(), ..StateParts::default() };
    let header = Header {
        chain: HF_CHAIN,
        height: BlockHeight::new(1),
        parent: Hash::ZERO,
        time: TimeMs::new(2),
        validator_set: genesis.validator_set(HF_CHAIN).unwrap().hash(),
        body_root: Hash::ZERO,
        receipts_root: Hash::ZERO,
        state_root: parts.root(),
        channels_root: Hash::ZERO,
    };
    let hash = header.hash(&genesis.hash());
    let certificate = Certificate { votes: vec![Vote::sign(0, &validator_key(signer), &hash)] };
    RoutesProof { header, descendants: Vec::new(), certificate, parts, routes }
}

fn genesis() -> Genesis {
    let key = |seed| SigningKey::from_seed([seed; 32]).public();
    let spec = |(id, kind)| ChainSpec { id, kind, validators: vec![validator_key(id).public()] };
    let user = USER_CHAINS.map(|id| (id, ChainKind::User));
    let chains = user.into_iter().chain([(HF_CHAIN, ChainKind::Hf)]);
    Genesis {
        cluster: "test".to_owned(),
        created: TimeMs::new(1),
        chains: chains.map(spec).collect(),
        assets: vec![AssetEntry { id: ASSET, code: "GBP".parse().unwrap(), scale: 2 }],
        institutions: vec![InstitutionEntry {
            id: INSTITUTION,
            name: "bank".parse().unwrap(),
            keys: vec![key(9)],
            operator: true,
        }],
        routes: RouteTable::even(5, &USER_CHAINS, HF_CHAIN).unwrap(),
        parameters: Parameters::default(),
    }
}
