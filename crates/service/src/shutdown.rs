//! Starting parts, noticing when one dies, and stopping in order.
//!
//! Every thread and task of a process is started by its [`Supervisor`]. A part
//! that returns an error or panics is a death, and a death ends the process:
//! it never goes on degraded. A part that returns `Ok` has ended as it should.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Deaths that are remembered; the first one already ends the process.
const DEATHS_MAX: usize = 16;

/// A part of the process ended as it should not.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{part} stopped: {reason}")]
pub struct Death {
    /// Which thread or task.
    pub part: String,
    /// Its error, or its panic message.
    pub reason: String,
}

/// Starts the parts of a process and learns of their deaths.
#[derive(Debug, Clone)]
pub struct Supervisor {
    sender: mpsc::Sender<Death>,
}

/// The receiving end: at most one per supervisor.
#[derive(Debug)]
pub struct Deaths {
    receiver: mpsc::Receiver<Death>,
}

impl Supervisor {
    /// A supervisor and where it reports to.
    #[must_use]
    pub fn new() -> (Self, Deaths) {
        let (sender, receiver) = mpsc::channel(DEATHS_MAX);
        (Self { sender }, Deaths { receiver })
    }

    /// Starts a named thread.
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn thread<E: fmt::Display>(
        &self,
        name: &str,
        body: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let (supervisor, part) = (self.clone(), name.to_owned());
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            // Nothing of the body is used after a panic but its message.
            match catch_unwind(AssertUnwindSafe(body)) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => supervisor.report(part, error.to_string()),
                Err(panic) => supervisor.report(part, panic_message(panic.as_ref())),
            }
        })
    }

    /// Starts a named task on the current runtime.
    pub fn task<E: fmt::Display>(
        &self,
        name: &str,
        body: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> tokio::task::JoinHandle<()> {
        let (supervisor, part) = (self.clone(), name.to_owned());
        tokio::spawn(async move {
            let guard = PanicGuard { supervisor: &supervisor, part: &part };
            if let Err(error) = body.await {
                guard.supervisor.report(guard.part, error.to_string());
            }
        })
    }

    /// Reports a death that was noticed elsewhere.
    pub fn report(&self, part: impl Into<String>, reason: impl Into<String>) {
        let death = Death { part: part.into(), reason: reason.into() };
        tracing::error!("{death}");
        // Full or closed: the process is ending for an earlier death.
        if self.sender.try_send(death).is_err() {
            tracing::debug!("the process is ending already");
        }
    }
}

impl Deaths {
    /// Waits for the first death.
    pub async fn first(&mut self) -> Death {
        match self.receiver.recv().await {
            Some(death) => death,
            // No part and no supervisor is left: nobody can die any more.
            None => std::future::pending().await,
        }
    }
}

/// Waits for SIGTERM or SIGINT and tells which one came.
///
/// # Errors
/// If the operating system does not let the process listen.
pub async fn stop_signal() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok("SIGTERM"),
        _ = interrupt.recv() => Ok("SIGINT"),
    }
}

/// Reports a task that unwinds.
struct PanicGuard<'a> {
    supervisor: &'a Supervisor,
    part: &'a str,
}

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        // Dropped without a panic means aborted on purpose.
        if std::thread::panicking() {
            self.supervisor.report(self.part, "panicked");
        }
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    format!("panicked: {}", text.unwrap_or_else(|| "no message".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_thread_that_fails_or_panics_is_a_death() {
        let (supervisor, mut deaths) = Supervisor::new();
        supervisor.thread("log", || Err("disk full")).unwrap();
        assert_eq!(deaths.first().await.to_string(), "log stopped: disk full");
        supervisor.thread("chain 1", || -> Result<(), String> { panic!("broken") }).unwrap();
        assert_eq!(deaths.first().await.to_string(), "chain 1 stopped: panicked: broken");
    }

    #[tokio::test]
    async fn a_task_that_fails_or_panics_is_a_death() {
        let (supervisor, mut deaths) = Supervisor::new();
        supervisor.task("http", async { Err("broken") });
        assert_eq!(deaths.first().await.to_string(), "http stopped: broken");
        let task = supervisor.task("http", async {
            assert!(std::env::args().count() > 1_000_000, "on purpose");
            Ok::<(), String>(())
        });
        assert_eq!(deaths.first().await.to_string(), "http stopped: panicked");
        assert!(task.await.unwrap_err().is_panic());
    }

    #[tokio::test]
    async fn a_part_that_ends_well_is_no_death() {
        let (supervisor, mut deaths) = Supervisor::new();
        supervisor.thread("log", || Ok::<(), String>(())).unwrap().join().unwrap();
        supervisor.task("http", async { Ok::<(), String>(()) }).await.unwrap();
        drop(supervisor);
        let silence = tokio::time::timeout(std::time::Duration::from_millis(1), deaths.first());
        assert!(silence.await.is_err());
    }
}
