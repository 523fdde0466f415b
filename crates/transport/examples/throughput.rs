//! Throughput of one connection over loopback: requests/s with 1,000 tiny
//! requests under way, and MB/s of one-way messages of 1 MiB.
//!
//! Both ends run in this process and share its cores, so the figures are of a
//! client and a server together. It lacks any network between them.
//!
//! `cargo run --release -p tributary-transport --example throughput [--json] [--quic]`;
//! with `--json` the best runs are one line of JSON, with `--quic` no shortcut is taken.

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{
    Credentials, Endpoint, Expected, Handler, Identity, Listener, PeerLink, Role, RoleKind,
    Shortcuts,
};

/// Requests that are under way at once.
const CALLERS: u32 = 1_000;
/// Requests of one caller, one after the other.
const REQUESTS_PER_CALLER: u32 = 200;
/// Bytes of a request and of its reply.
const REQUEST_BYTES: usize = 16;
/// Messages of one run.
const MESSAGES: u32 = 2_000;
/// Bytes of a message.
const MESSAGE_BYTES: u32 = 1 << 20;
/// Messages that may be queued and not yet received: bounds the memory used.
const MESSAGES_UNDER_WAY_MAX: usize = 64;
/// Measured runs of each kind; all are printed.
const RUNS: u32 = 5;
/// A run that takes longer has failed.
const RUN_WAIT: Duration = Duration::from_secs(60);
/// Validity of the certificates.
const VALIDITY_DAYS: u32 = 1;

/// Echoes requests; a message that arrives makes room for another.
struct Echo {
    room: Semaphore,
}

impl Handler for Echo {
    fn admit(&self, _peer: &Identity) -> Result<(), String> {
        Ok(())
    }

    async fn request(
        self: Arc<Self>,
        _peer: Arc<Identity>,
        payload: Bytes,
    ) -> Result<Vec<u8>, String> {
        Ok(payload.to_vec())
    }

    fn message(&self, _peer: &Identity, _payload: Bytes) -> Result<(), String> {
        self.room.add_permits(1);
        Ok(())
    }

    fn large_message(&self, _peer: &Identity, _payload: Bytes) -> Result<(), String> {
        Err("not measured here".to_owned())
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let authority = CertificateAuthority::create("throughput", VALIDITY_DAYS)?;
    let credentials = |role, name: &str| -> Result<Credentials, Box<dyn Error>> {
        let issued = authority.issue(&Identity { role, name: name.to_owned() }, VALIDITY_DAYS)?;
        let (certificate, key) = (&issued.certificate_pem, &issued.key_pem);
        Ok(Credentials::from_pem(authority.certificate_pem(), certificate, key)?)
    };
    let echo = Arc::new(Echo { room: Semaphore::new(MESSAGES_UNDER_WAY_MAX) });
    let address = "127.0.0.1:0".parse()?;
    let shortcuts = Shortcuts::offered_if(!std::env::args().any(|argument| argument == "--quic"));
    let server = credentials(Role::Node, "a")?;
    let listener = Listener::bind(address, &server, shortcuts, Arc::clone(&echo))?;
    let endpoint = Endpoint::client(&credentials(Role::Relay, "r")?)?;
    let link = endpoint.connect(listener.local_addr()?, Expected::any(RoleKind::Node));
    link.request(vec![0; REQUEST_BYTES]).await?;

    let is_json = std::env::args().any(|word| word == "--json");
    let (mut requests, mut megabytes) = (0.0_f64, 0.0_f64);
    for run in 1..=RUNS {
        let rate = tokio::time::timeout(RUN_WAIT, requests_per_second(&link)).await??;
        requests = requests.max(rate);
        if !is_json {
            println!("run {run}: {rate:.0} requests/s");
        }
    }
    for run in 1..=RUNS {
        let rate = tokio::time::timeout(RUN_WAIT, megabytes_per_second(&link, &echo)).await??;
        megabytes = megabytes.max(rate);
        if !is_json {
            println!("run {run}: {rate:.0} MB/s");
        }
    }
    if is_json {
        println!(
            "{{\"quic_requests_per_second\":{requests:.0},\"quic_mb_per_second\":{megabytes:.0}}}"
        );
    }
    listener.shutdown().await;
    Ok(())
}

async fn requests_per_second(link: &PeerLink) -> Result<f64, Box<dyn Error>> {
    let mut callers = JoinSet::new();
    let begin = Instant::now();
    for _ in 0..CALLERS {
        let link = link.clone();
        callers.spawn(async move {
            for _ in 0..REQUESTS_PER_CALLER {
                link.request(vec![0; REQUEST_BYTES]).await?;
            }
            Ok::<_, tributary_transport::RequestError>(())
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller??;
    }
    Ok(f64::from(CALLERS * REQUESTS_PER_CALLER) / begin.elapsed().as_secs_f64())
}

async fn megabytes_per_second(link: &PeerLink, echo: &Echo) -> Result<f64, Box<dyn Error>> {
    let payload = Bytes::from(vec![7; MESSAGE_BYTES as usize]);
    let begin = Instant::now();
    for _ in 0..MESSAGES {
        echo.room.acquire().await?.forget();
        link.send(payload.clone())?;
    }
    let all = u32::try_from(MESSAGES_UNDER_WAY_MAX)?;
    drop(echo.room.acquire_many(all).await?);
    let megabytes = f64::from(MESSAGES) * f64::from(MESSAGE_BYTES) / 1e6;
    Ok(megabytes / begin.elapsed().as_secs_f64())
}
