//! The HTTP endpoint of a process: `/healthz`, `/readyz`, `/metrics`.
//!
//! `/healthz` answers 200 as long as the process answers at all. `/readyz`
//! answers 200, or 503 with the reasons, as `{"ready":…,"reasons":[…]}`.
//! Plain HTTP without authentication: bind it where only operators reach it.
//! Nothing can be changed through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde::Serialize;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::telemetry::MetricsHandle;

/// How often samples are folded into buckets when nobody asks.
const METRICS_UPKEEP_INTERVAL_MS: u64 = 5_000;

/// Says what a process still lacks to serve; empty means ready.
pub trait Readiness: Send + Sync + 'static {
    /// One short sentence for each thing that is missing.
    fn missing(&self) -> Vec<String>;
}

impl<F: Fn() -> Vec<String> + Send + Sync + 'static> Readiness for F {
    fn missing(&self) -> Vec<String> {
        self()
    }
}

/// The endpoint cannot be opened.
#[derive(Debug, Error)]
#[error("HTTP address {address}: {reason}")]
pub struct ObserveError {
    /// Where.
    pub address: SocketAddr,
    /// What the operating system says.
    pub reason: String,
}

/// An open endpoint that nobody answers at yet.
#[derive(Debug)]
pub struct Observer {
    listener: TcpListener,
    address: SocketAddr,
}

impl Observer {
    /// Takes the address.
    ///
    /// # Errors
    /// [`ObserveError`], for instance if the port is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, ObserveError> {
        let failed = |error: std::io::Error| ObserveError {
            address,
            reason: match error.kind() {
                std::io::ErrorKind::AddrInUse => "the port is taken".to_owned(),
                _ => error.to_string(),
            },
        };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self { listener, address })
    }

    /// Where it listens; tells the port if 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until the future is dropped.
    ///
    /// # Errors
    /// [`ObserveError`] if the endpoint breaks.
    pub async fn serve(
        self,
        readiness: Arc<dyn Readiness>,
        metrics: Option<MetricsHandle>,
    ) -> Result<(), ObserveError> {
        let address = self.address;
        let upkeep = keep_up(metrics.clone());
        let router = Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/readyz", get(readyz))
            .route("/metrics", get(render))
            .with_state(Shared { readiness, metrics });
        let server = axum::serve(self.listener, router);
        tokio::select! {
            served = server => served.map_err(|error| ObserveError { address, reason: error.to_string() }),
            never = upkeep => match never {},
        }
    }
}

#[derive(Clone)]
struct Shared {
    readiness: Arc<dyn Readiness>,
    metrics: Option<MetricsHandle>,
}

#[derive(Serialize)]
struct ReadyBody {
    ready: bool,
    reasons: Vec<String>,
}

async fn readyz(State(shared): State<Shared>) -> Response {
    let reasons = shared.readiness.missing();
    let ready = reasons.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ReadyBody { ready, reasons })).into_response()
}

async fn render(State(shared): State<Shared>) -> Response {
    let text = shared.metrics.map(|metrics| metrics.render()).unwrap_or_default();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

async fn keep_up(metrics: Option<MetricsHandle>) -> std::convert::Infallible {
    let mut interval = tokio::time::interval(Duration::from_millis(METRICS_UPKEEP_INTERVAL_MS));
    loop {
        interval.tick().await;
        if let Some(metrics) = &metrics {
            metrics.upkeep();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn readiness_says_what_is_missing() {
        let observer = Observer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = observer.address();
        let readiness = Arc::new(|| vec!["chain 1 has no leader".to_owned()]);
        let server = tokio::spawn(observer.serve(readiness, None));
        assert!(ask(address, "/healthz").await.starts_with("HTTP/1.1 200"));
        let answer = ask(address, "/readyz").await;
        assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
        assert!(answer.ends_with(r#"{"ready":false,"reasons":["chain 1 has no leader"]}"#));
        server.abort();
    }

    #[tokio::test]
    async fn a_taken_port_is_one_clear_sentence() {
        let first = Observer::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let error = Observer::bind(first.address()).await.unwrap_err();
        let expected = format!("HTTP address {}: the port is taken", first.address());
        assert_eq!(error.to_string(), expected);
    }
}
