//! The connections to the institution's routers: one is in use, the others
//! stand in for it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tributary_transport::{
    Backoff, Credentials, Endpoint, Expected, PeerLink, RequestError, RoleKind,
};
use tributary_wire::router::{RouterError, RouterReply, RouterRequest};
use tributary_wire::{decode, encode};

use crate::error::{AskError, ConnectError};

/// Longest that one router is waited for, in ms: more than a router's own
/// patience with a chain.
const ROUTER_WAIT_MS_MAX: u64 = 20_000;

/// How one attempt at one router ended.
pub(crate) enum Attempt {
    /// It answered.
    Reply(RouterReply),
    /// The request never left.
    NotSent(String),
    /// The request left, and no usable answer came.
    Lost(String),
}

/// Connections to all configured routers.
pub(crate) struct Routers {
    links: Vec<PeerLink>,
    current: AtomicUsize,
}

impl Routers {
    /// Opens connections to all `routers`; they connect in the background.
    pub(crate) fn open(
        routers: &[SocketAddr],
        credentials: &Credentials,
    ) -> Result<Self, ConnectError> {
        if routers.is_empty() {
            return Err(ConnectError::NoRouter);
        }
        let endpoint = Endpoint::client(credentials)
            .map_err(|error| ConnectError::Endpoint(error.to_string()))?;
        let router = || Expected::any(RoleKind::Router);
        let links = routers.iter().map(|address| endpoint.connect(*address, router())).collect();
        Ok(Self { links, current: AtomicUsize::new(0) })
    }

    /// Asks the router in use once. After a failure another one is in use.
    pub(crate) async fn ask(&self, request: &RouterRequest, deadline: Instant) -> Attempt {
        let used = self.current.load(Ordering::Relaxed);
        let limit = deadline.min(Instant::now() + Duration::from_millis(ROUTER_WAIT_MS_MAX));
        let reply = timeout_at(limit, self.links[used].request(encode(request))).await;
        let attempt = match reply {
            Ok(Ok(bytes)) => match decode(&bytes) {
                Ok(reply) => return Attempt::Reply(reply),
                Err(error) => Attempt::Lost(error.to_string()),
            },
            Ok(Err(RequestError::Refused(reason))) => {
                return Attempt::Reply(RouterReply::Error(RouterError::Refused(reason)));
            }
            Ok(Err(error)) if error.was_sent() => Attempt::Lost(error.to_string()),
            Ok(Err(error)) => Attempt::NotSent(error.to_string()),
            Err(_) => Attempt::Lost("no answer in time".to_owned()),
        };
        let next = (used + 1) % self.links.len();
        // Lost against another attempt that changed routers already: fine.
        _ = self.current.compare_exchange(used, next, Ordering::Relaxed, Ordering::Relaxed);
        attempt
    }

    /// Asks until a router answers; for requests that change nothing.
    pub(crate) async fn ask_until(
        &self,
        request: &RouterRequest,
        deadline: Instant,
    ) -> Result<RouterReply, AskError> {
        let begin = Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let (last, hint_ms) = match self.ask(request, deadline).await {
                Attempt::Reply(RouterReply::Error(error)) => match error {
                    RouterError::Overloaded { retry_after_ms } => {
                        (error.to_string(), retry_after_ms)
                    }
                    RouterError::OutcomeUnknown(reason) => (reason, 0),
                    RouterError::Malformed { .. } | RouterError::Refused(_) => {
                        return Err(AskError::Refused(error.to_string()));
                    }
                },
                Attempt::Reply(reply) => return Ok(reply),
                Attempt::NotSent(reason) | Attempt::Lost(reason) => (reason, 0),
            };
            if Instant::now() >= deadline {
                let waited_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
                return Err(AskError::Unreachable { waited_ms, last });
            }
            backoff.wait(hint_ms, deadline).await;
        }
    }
}
