//! Tests of what a hostile or careless peer cannot do. They speak QUIC
//! themselves where a link would be too polite.

use std::collections::BTreeSet;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use time::OffsetDateTime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::authority::{CertificateAuthority, SERVER_NAME};
use crate::frame::{Frame, FrameKind};
use crate::limits::{FRAME_BYTES_MAX, HANDSHAKE_WAIT, HANDSHAKES_MAX, LINK_REQUESTS_MAX};
use crate::shortcut::{self, Shortcut};
use crate::stream::CloseCode;
use crate::{
    Credentials, Endpoint, Expected, Handler, Identity, Listener, PeerLink, RequestError, Role,
    RoleKind, Shortcuts,
};

/// How long a condition may take to hold.
const PATIENCE: Duration = Duration::from_secs(10);

struct Echo;

impl Handler for Echo {
    fn admit(&self, peer: &Identity) -> Result<(), String> {
        if peer.name == "unwelcome" { Err("not you".to_owned()) } else { Ok(()) }
    }

    async fn request(
        self: Arc<Self>,
        _peer: Arc<Identity>,
        payload: Bytes,
    ) -> Result<Vec<u8>, String> {
        match &payload[..] {
            b"endless" => std::future::pending().await,
            b"too long" => Ok(vec![0; FRAME_BYTES_MAX + 1]),
            other => Ok(other.to_vec()),
        }
    }

    fn message(&self, _peer: &Identity, _payload: Bytes) -> Result<(), String> {
        Err("no messages".to_owned())
    }

    fn large_message(&self, _peer: &Identity, _payload: Bytes) -> Result<(), String> {
        Err("no messages".to_owned())
    }
}

struct Place {
    authority: CertificateAuthority,
    listener: Listener,
    address: SocketAddr,
}

impl Place {
    fn new() -> Self {
        let authority = CertificateAuthority::create("test", 1).unwrap();
        let hour = time::Duration::hours(1);
        let credentials = credentials(&authority, Role::Node, "a", hour);
        let any_port = "127.0.0.1:0".parse().unwrap();
        let listener =
            Listener::bind(any_port, &credentials, Shortcuts::Offered, Arc::new(Echo)).unwrap();
        let address = listener.local_addr().unwrap();
        Self { authority, listener, address }
    }

    /// A relay's link, with a certificate that is valid for so long.
    fn link_for(&self, name: &str, validity: time::Duration) -> PeerLink {
        let credentials = credentials(&self.authority, Role::Relay, name, validity);
        let endpoint = Endpoint::client(&credentials).unwrap();
        endpoint.connect(self.address, Expected::any(RoleKind::Node))
    }

    fn link(&self) -> PeerLink {
        self.link_for("r", time::Duration::hours(1))
    }

    /// A client without a certificate.
    fn anonymous(&self) -> quinn::ClientConfig {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_slice(self.authority.certificate_pem().as_bytes());
        roots.add(ca.unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"tributary/2".to_vec()];
        let config = quinn::crypto::rustls::QuicClientConfig::try_from(config).unwrap();
        quinn::ClientConfig::new(Arc::new(config))
    }

    /// A peer that is admitted, without the manners of a link.
    async fn connection(&self) -> quinn::Connection {
        let hour = time::Duration::hours(1);
        let crypto = credentials(&self.authority, Role::Relay, "rude", hour).client();
        let config = quinn::ClientConfig::new(crypto);
        dialler().connect_with(config, self.address, SERVER_NAME).unwrap().await.unwrap()
    }

    /// The same, with its shortcut.
    async fn shortcut(&self) -> (quinn::Connection, Shortcut) {
        let connection = self.connection().await;
        let shortcut = shortcut::take(&connection, &node_a()).await.unwrap();
        (connection, shortcut)
    }
}

/// Who the listener is.
fn node_a() -> Identity {
    Identity { role: Role::Node, name: "a".to_owned() }
}

fn request(payload: &'static str) -> BytesMut {
    let mut bytes = BytesMut::new();
    Frame { kind: FrameKind::Request, number: 1, payload: payload.into() }.put(&mut bytes);
    bytes
}

fn credentials(
    authority: &CertificateAuthority,
    role: Role,
    name: &str,
    validity: time::Duration,
) -> Credentials {
    let identity = Identity { role, name: name.to_owned() };
    let now = OffsetDateTime::now_utc();
    let issued =
        authority.issue_for(&identity, now - time::Duration::hours(1), now + validity).unwrap();
    let ca = authority.certificate_pem();
    Credentials::from_pem(ca, &issued.certificate_pem, &issued.key_pem).unwrap()
}

fn dialler() -> quinn::Endpoint {
    quinn::Endpoint::client("127.0.0.1:0".parse().unwrap()).unwrap()
}

async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let looked = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, looked).await.is_ok(), "{what}");
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_certificate_is_refused_and_counted() {
    let place = Place::new();
    let config = place.anonymous();
    if let Ok(connection) =
        dialler().connect_with(config, place.address, SERVER_NAME).unwrap().await
    {
        // TLS 1.3 tells the client only after its own side is complete.
        connection.closed().await;
    }
    let stats = place.listener.stats();
    eventually("it is counted", || read(&stats.handshakes_refused) == 1).await;
    assert_eq!(read(&stats.connections_accepted), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_expired_meanwhile_does_not_reconnect() {
    let place = Place::new();
    let validity = time::Duration::seconds(3);
    let link = place.link_for("r", validity);
    link.request("hello").await.unwrap();
    expire(validity).await;
    link.send("close the connection").unwrap();
    let stats = place.listener.stats();
    eventually("the handshake is refused", || read(&stats.handshakes_refused) > 0).await;
    assert_eq!(read(&stats.connections_accepted), 1);
}

/// Waits until certificates that were valid for so long are expired.
async fn expire(validity: time::Duration) {
    let until = OffsetDateTime::now_utc() + validity + time::Duration::seconds(1);
    eventually("it expires", || OffsetDateTime::now_utc() > until).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_for_an_expired_certificate_hears_whose_and_since_when() {
    let place = Place::new();
    let validity = time::Duration::seconds(2);
    let late = credentials(&place.authority, Role::Relay, "late", validity);
    let server = credentials(&place.authority, Role::Node, "old", validity);
    let dial = |credentials: &Credentials, address| {
        let config = quinn::ClientConfig::new(credentials.client());
        dialler().connect_with(config, address, SERVER_NAME).unwrap()
    };
    expire(validity).await;
    let sentence = |error: quinn::ConnectionError, name: &str| {
        let (text, whose) =
            (error.to_string(), format!("the certificate of tributary:{name} expired on 20"));
        assert!(text.contains(&whose) && text.ends_with(" UTC"), "{text}");
    };
    // A server tells the client, which believes that it is connected.
    let refused = match dial(&late, place.address).await {
        Ok(connection) => connection.closed().await,
        Err(error) => error,
    };
    sentence(refused, "relay/late");
    // A client notices by itself.
    place.listener.replace_credentials(&server);
    let hour = time::Duration::hours(1);
    let good = credentials(&place.authority, Role::Relay, "r", hour);
    sentence(dial(&good, place.address).await.unwrap_err(), "node/old");
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_in_a_stream_close_that_connection_only() {
    let place = Place::new();
    let good = place.link();
    good.request("hello").await.unwrap();
    for seed in 1..=32_u64 {
        let connection = place.connection().await;
        let mut state = seed;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3] | 0x80
        })
        .take(4_096)
        .collect();
        let mut stream = if seed % 2 == 0 {
            connection.open_bi().await.unwrap().0
        } else {
            connection.open_uni().await.unwrap()
        };
        // The other side may close before it has read everything.
        drop(stream.write_all(&bytes).await);
        let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
        assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)), "{closed}");
        assert_eq!(read(&place.listener.stats().frames_malformed), seed);
    }
    good.request("still here").await.unwrap();
    assert_eq!(read(&place.listener.stats().connections_accepted), 33);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shortcut_is_served_no_longer_than_its_connection() {
    let place = Place::new();
    let (connection, mut shortcut) = place.shortcut().await;
    // One reply is wanted and never comes; what was asked before is answered.
    for payload in ["endless", "hello"] {
        shortcut.requests.write_all(&request(payload)).await.unwrap();
    }
    let reply = Frame::read(&mut shortcut.requests).await.unwrap();
    assert_eq!((reply.kind, &reply.payload[..]), (FrameKind::Reply, &b"hello"[..]));
    connection.close(CloseCode::Done.code(), b"but I keep the sockets");
    for socket in [&mut shortcut.requests, &mut shortcut.messages] {
        let read = tokio::time::timeout(PATIENCE, socket.read_u8()).await.unwrap();
        assert!(read.is_err(), "{read:?}");
    }
    let stats = place.listener.stats();
    eventually("its place is free", || read(&stats.connections_open) == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn random_bytes_in_a_shortcut_close_its_connection() {
    let place = Place::new();
    for is_of_messages in [false, true] {
        let (connection, mut shortcut) = place.shortcut().await;
        let Shortcut { requests, messages } = &mut shortcut;
        let socket = if is_of_messages { messages } else { requests };
        socket.write_all(&[0xff; 64]).await.unwrap();
        let closed = tokio::time::timeout(PATIENCE, connection.closed()).await.unwrap();
        assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)), "{closed}");
    }
    assert_eq!(read(&place.listener.stats().frames_malformed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_once_and_only_while_its_connection_lasts() {
    let place = Place::new();
    let (connection, _shortcut) = place.shortcut().await;
    let unused = place.connection().await;
    let stats = place.listener.stats();
    eventually("both are connected", || read(&stats.connections_open) == 2).await;
    unused.close(CloseCode::Done.code(), b"too early");
    eventually("one is closed", || read(&stats.connections_open) == 1).await;
    for connection in [connection, unused] {
        assert!(shortcut::take(&connection, &node_a()).await.is_none());
    }
    assert_eq!(read(&stats.shortcuts_taken), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_request_or_reply_costs_no_other_request() {
    let place = Place::new();
    let link = place.link();
    link.request("hello").await.unwrap();
    let other = tokio::spawn({
        let link = link.clone();
        async move { link.request("endless").await }
    });
    let stats = place.listener.stats();
    eventually("the other is under way", || read(&stats.requests_received) == 2).await;
    let request = link.request(vec![0; FRAME_BYTES_MAX + 1]).await;
    assert!(matches!(request, Err(RequestError::Refused(_))), "{request:?}");
    let reply = link.request("too long").await;
    assert!(matches!(reply, Err(RequestError::Refused(_))), "{reply:?}");
    assert!(!other.is_finished());
    assert_eq!(read(&stats.connections_accepted), 1);
    other.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_beyond_the_limit_of_a_link_are_not_sent() {
    let place = Place::new();
    let link = place.link();
    link.request("hello").await.unwrap();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..=LINK_REQUESTS_MAX {
        let link = link.clone();
        callers.spawn(async move { link.request("endless").await });
    }
    let first = tokio::time::timeout(PATIENCE, callers.join_next()).await.unwrap();
    let error = first.unwrap().unwrap().unwrap_err();
    assert!(matches!(error, RequestError::QueueFull(_)) && !error.was_sent(), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_closed_at_once_backs_off() {
    let place = Place::new();
    let _link = place.link_for("unwelcome", time::Duration::hours(1));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let dialled = read(&place.listener.stats().identities_refused);
    assert!((2..=20).contains(&dialled), "{dialled} times in 3 s");
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_nobody_completes_keep_no_peer_out() {
    let place = Place::new();
    let sink = UdpSocket::bind("127.0.0.1:0").unwrap();
    sink.set_read_timeout(Some(PATIENCE)).unwrap();
    let (dialler, to) = (dialler(), sink.local_addr().unwrap());
    let (mut initials, mut seen) = (Vec::new(), BTreeSet::new());
    let mut buffer = [0; 2_048];
    let wanted = 2 * HANDSHAKES_MAX;
    let mut dialled = Vec::new();
    while initials.len() < wanted {
        dialled.push(dialler.connect_with(place.anonymous(), to, SERVER_NAME).unwrap());
        let bytes = sink.recv(&mut buffer).unwrap();
        // RFC 9000, 17.2: an Initial, and the id that its sender chose.
        let id = buffer[6..6 + usize::from(buffer[5])].to_vec();
        if buffer[0] & 0xf0 == 0xc0 && seen.insert(id) {
            initials.push(buffer[..bytes].to_vec());
        }
    }
    drop(dialled);
    for initial in &initials {
        sink.send_to(initial, place.address).unwrap();
    }
    // The burst may cost an honest datagram and so a retransmission, but not the
    // wait after which handshakes that nobody completes are given up anyway.
    let link = place.link();
    let answered = async { while link.request("hello").await.is_err() {} };
    tokio::time::timeout(HANDSHAKE_WAIT - Duration::from_secs(1), answered).await.unwrap();
}
