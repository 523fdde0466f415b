//! An authority, a listener that records, a link to it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tributary_transport::authority::{CertificateAuthority, Issued};
use tributary_transport::{
    Credentials, CredentialsError, Endpoint, Expected, Handler, Identity, Listener, PeerLink,
    RequestError, Role, RoleKind, Shortcuts,
};

/// Name of a peer that the recorder does not admit.
pub const UNWELCOME: &str = "unwelcome";
/// A message that the recorder refuses.
pub const REFUSED_MESSAGE: &str = "refuse me";
/// A request that is not answered while the listener lives.
pub const NEVER_ANSWERED: &str = "never";
/// A request that is answered after [`Recorder::release`].
pub const ANSWERED_LATER: &str = "later";

/// A CA of its own.
pub struct Authority(CertificateAuthority);

impl Authority {
    pub fn new() -> Self {
        Self(CertificateAuthority::create("test", 1).unwrap())
    }

    /// One that holds for a period only.
    pub fn for_period(from: OffsetDateTime, until: OffsetDateTime) -> Self {
        Self(CertificateAuthority::create_for("test", from, until).unwrap())
    }

    pub fn ca(&self) -> &str {
        self.0.certificate_pem()
    }

    pub fn issued(&self, role: Role, name: &str) -> Issued {
        self.0.issue(&Identity { role, name: name.to_owned() }, 1).unwrap()
    }

    pub fn credentials(&self, role: Role, name: &str) -> Credentials {
        let issued = self.issued(role, name);
        Credentials::from_pem(self.ca(), &issued.certificate_pem, &issued.key_pem).unwrap()
    }

    pub fn issue_for(
        &self,
        from: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Credentials, CredentialsError> {
        let identity = Identity { role: Role::Node, name: "a".to_owned() };
        let issued = self.0.issue_for(&identity, from, until).unwrap();
        Credentials::from_pem(self.ca(), &issued.certificate_pem, &issued.key_pem)
    }
}

/// Answers requests and keeps what it got.
pub struct Recorder {
    name: &'static str,
    requests: AtomicUsize,
    messages: Mutex<Vec<String>>,
    large: Mutex<Vec<Bytes>>,
    released: Semaphore,
}

impl Recorder {
    pub fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            requests: AtomicUsize::new(0),
            messages: Mutex::default(),
            large: Mutex::default(),
            released: Semaphore::new(0),
        })
    }

    pub fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().unwrap().clone()
    }

    pub fn large_messages(&self) -> usize {
        self.large.lock().unwrap().len()
    }

    pub fn last_large_message(&self) -> Vec<u8> {
        self.large.lock().unwrap().last().unwrap().to_vec()
    }

    pub fn release(&self) {
        self.released.add_permits(1);
    }
}

impl Handler for Recorder {
    fn admit(&self, peer: &Identity) -> Result<(), String> {
        if peer.name == UNWELCOME { Err("not you".to_owned()) } else { Ok(()) }
    }

    async fn request(
        self: Arc<Self>,
        _peer: Arc<Identity>,
        payload: Bytes,
    ) -> Result<Vec<u8>, String> {
        self.requests.fetch_add(1, Ordering::SeqCst);
        if payload == NEVER_ANSWERED {
            std::future::pending::<()>().await;
        }
        if payload == ANSWERED_LATER {
            self.released.acquire().await.unwrap().forget();
        }
        let text = String::from_utf8(payload.to_vec()).map_err(|error| error.to_string())?;
        Ok(format!("{} says {text}", self.name).into_bytes())
    }

    fn message(&self, _peer: &Identity, payload: Bytes) -> Result<(), String> {
        if payload == REFUSED_MESSAGE {
            return Err("as asked".to_owned());
        }
        let text = String::from_utf8(payload.to_vec()).map_err(|error| error.to_string())?;
        self.messages.lock().unwrap().push(text);
        Ok(())
    }

    fn large_message(&self, _peer: &Identity, payload: Bytes) -> Result<(), String> {
        self.large.lock().unwrap().push(payload);
        Ok(())
    }
}

/// Both: what holds for streams of QUIC must hold for shortcuts.
pub const WAYS: [Shortcuts; 2] = [Shortcuts::Offered, Shortcuts::Withheld];

/// Node `a`, listening, with shortcuts.
pub fn listen(authority: &Authority) -> (Listener, Arc<Recorder>) {
    listen_with(authority, Shortcuts::Offered)
}

/// Node `a`, listening.
pub fn listen_with(authority: &Authority, shortcuts: Shortcuts) -> (Listener, Arc<Recorder>) {
    let recorder = Recorder::new("node/a");
    let credentials = authority.credentials(Role::Node, "a");
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(address, &credentials, shortcuts, Arc::clone(&recorder));
    (listener.unwrap(), recorder)
}

/// A relay's link to a listener.
pub fn link(authority: &Authority, listener: &Listener) -> PeerLink {
    let endpoint = Endpoint::client(&authority.credentials(Role::Relay, "r")).unwrap();
    endpoint.connect(listener.local_addr().unwrap(), Expected::any(RoleKind::Node))
}

/// The first request to a recorder, which has arrived and is not answered yet.
pub async fn request_under_way(
    link: &PeerLink,
    recorder: &Recorder,
    text: &'static str,
) -> JoinHandle<Result<Bytes, RequestError>> {
    let link = link.clone();
    let waiting = tokio::spawn(async move { link.request(text).await });
    eventually("the request arrives", || recorder.requests() == 1).await;
    waiting
}

/// Waits until `condition` holds; fails after ten seconds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let looked = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), looked).await.is_ok(), "{what}");
}
