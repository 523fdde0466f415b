//! Throughput of one connection over loopback, by QUIC and by a shortcut: requests/s
//! with 1,000 tiny requests under way, and MB/s of one-way messages of 1 MiB.
//!
//! Both ends run in this process and share its cores, so the figures are of a
//! client and a server together. It lacks any network between them.
//!
//! `cargo run --release -p tributary-transport --example throughput [--json]`;
//! with `--json` the best runs are one line of JSON.

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

/// The best runs of one way.
struct Best {
    requests_per_second: f64,
    mb_per_second: f64,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_json = std::env::args().any(|word| word == "--json");
    let mut figures = Vec::new();
    for (way, shortcuts) in [("quic", Shortcuts::Withheld), ("shortcut", Shortcuts::Offered)] {
        let Best { requests_per_second, mb_per_second } = measure(way, shortcuts, !is_json).await?;
        figures.push(format!("\"{way}_requests_per_second\":{requests_per_second:.0}"));
        figures.push(format!("\"{way}_mb_per_second\":{mb_per_second:.0}"));
    }
    if is_json {
        println!("{{{}}}", figures.join(","));
    }
    Ok(())
}

async fn measure(way: &str, shortcuts: Shortcuts, is_told: bool) -> Result<Best, Box<dyn Error>> {
    let authority = CertificateAuthority::create("throughput", VALIDITY_DAYS)?;
    let credentials = |role, name: &str| -> Result<Credentials, Box<dyn Error>> {
        let issued = authority.issue(&Identity { role, name: name.to_owned() }, VALIDITY_DAYS)?;
        let (certificate, key) = (&issued.certificate_pem, &issued.key_pem);
        Ok(Credentials::from_pem(authority.certificate_pem(), certificate, key)?)
    };
    let echo = Arc::new(Echo { room: Semaphore::new(MESSAGES_UNDER_WAY_MAX) });
    let (address, server) = ("127.0.0.1:0".parse()?, credentials(Role::Node, "a")?);
    let listener = Listener::bind(address, &server, shortcuts, Arc::clone(&echo))?;
    let endpoint = Endpoint::client(&credentials(Role::Relay, "r")?)?;
    let link = endpoint.connect(listener.local_addr()?, Expected::any(RoleKind::Node));
    link.request(vec![0; REQUEST_BYTES]).await?;

    let mut best = Best { requests_per_second: 0.0, mb_per_second: 0.0 };
    for run in 1..=RUNS {
        let rate = tokio::time::timeout(RUN_WAIT, requests_per_second(&link)).await??;
        best.requests_per_second = best.requests_per_second.max(rate);
        if is_told {
            println!("{way}, run {run}: {rate:.0} requests/s");
        }
    }
    for run in 1..=RUNS {
        let rate = tokio::time::timeout(RUN_WAIT, megabytes_per_second(&link, &echo)).await??;
        best.mb_per_second = best.mb_per_second.max(rate);
        if is_told {
            println!("{way}, run {run}: {rate:.0} MB/s");
        }
    }
    listener.shutdown().await;
    Ok(best)
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
