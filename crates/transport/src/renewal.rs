//! Certificates that are replaced on disk are used without a restart.
//!
//! Every [`CREDENTIALS_INTERVAL`], and at once on SIGHUP, the files that the
//! credentials were loaded from are read again: certificate, key and CA. What
//! changed and is whole is used for every handshake from then on; connections
//! that stand go on. What cannot be used, or is another's certificate, is
//! refused in one sentence, and what was in use stays so.
//!
//! What it lacks: peers notice a restart at once only if the key that the
//! process began with is still there (`reset`); after a change of keys they
//! find out by silence.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::task::spawn_blocking;

use crate::credentials::{Credentials, CredentialsError};
use crate::limits::CREDENTIALS_INTERVAL;
use crate::link::Endpoint;
use crate::listener::{Door, Listener};
use crate::pem::{Fingerprint, PemFiles};
use crate::validity::Shown;

/// Keeps the credentials of one process as its files say.
#[derive(Debug)]
pub struct Renewal {
    endpoint: Endpoint,
    door: Option<Door>,
    /// What the last look found: files that are being written differ from it.
    seen: Option<Fingerprint>,
    /// What was said last about files that cannot be used.
    refused: Option<String>,
}

impl Renewal {
    /// For a process that dials from `endpoint` and may listen as well.
    #[must_use]
    pub fn new(endpoint: &Endpoint, listener: Option<&Listener>) -> Self {
        let door = listener.map(Listener::door);
        Self { endpoint: endpoint.clone(), door, seen: None, refused: None }
    }

    /// Goes on until it is dropped.
    ///
    /// # Errors
    /// If the system does not let the process listen for SIGHUP.
    pub async fn run(mut self) -> io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interval = tokio::time::interval(CREDENTIALS_INTERVAL);
        loop {
            let asked = tokio::select! {
                _ = interval.tick() => false,
                _ = hangup.recv() => true,
            };
            self.look(asked).await;
        }
    }

    /// Reads the files; uses what is new in them and settled, or asked for.
    async fn look(&mut self, asked: bool) {
        let current = self.endpoint.credentials();
        let Some(files) = current.files().cloned() else { return };
        // Ends with an error only if the runtime does.
        let Ok(read) = spawn_blocking(move || PemFiles::read(&files)).await else { return };
        let pem = match read {
            Ok(pem) => pem,
            Err(error) => return self.refuse(&error),
        };
        let found = pem.fingerprint();
        let is_settled = self.seen.replace(found) == Some(found);
        if found == current.fingerprint() {
            self.refused = None;
        } else if is_settled || asked {
            let new = Credentials::build(&pem);
            match new.and_then(|new| current.check_successor(&new).map(|()| new)) {
                Ok(new) => self.replace(&new),
                Err(error) => self.refuse(&error),
            }
        }
    }

    fn replace(&mut self, new: &Credentials) {
        self.endpoint.replace_credentials(new);
        if let Some(door) = &self.door {
            door.replace_credentials(new);
        }
        self.refused = None;
        let until = Shown(new.expires());
        tracing::info!(identity = %new.identity(), %until, "a new certificate is in use");
    }

    /// Says it once, and tries again: some reasons pass with time.
    fn refuse(&mut self, error: &CredentialsError) {
        let text = error.to_string();
        if self.refused.as_ref() != Some(&text) {
            tracing::error!("{text}: the certificate from before stays in use");
            self.refused = Some(text);
        }
    }
}
