//! How the channels are doing: metrics, the age alarm, readiness.
//!
//! | metric | kind | what |
//! | --- | --- | --- |
//! | `tributary_relay_channel_age_seconds` | gauge | age of the oldest message not delivered |
//! | `tributary_relay_age_alarms_total` | counter | looks that found a channel too old |
//! | `tributary_relay_deliveries_total` | counter | deliveries taken |
//! | `tributary_relay_messages_total` | counter | messages in them |
//! | `tributary_relay_failures_total` | counter | attempts that failed, for any reason |
//! | `tributary_relay_unverified_total` | counter | deliveries under a validator set not known here |
//!
//! All have the labels `source` and `destination`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use metrics::{Counter, Gauge, counter, gauge};
use tributary_chain::Delivery;
use tributary_transport::RefusalLog;
use tributary_types::{ChainId, TimeMs};

use crate::cursor::{Cursor, Oldest};

/// How often ages are looked at.
const LOOK_INTERVAL_MS: u64 = 500;
/// A chain that has not answered for so long makes the relay not ready.
const SILENCE_MS_MAX: u64 = 15_000;

/// One channel.
pub struct ChannelHealth {
    source: ChainId,
    destination: ChainId,
    state: Mutex<State>,
    age: Gauge,
    alarms: Counter,
    deliveries: Counter,
    messages: Counter,
    failures: Counter,
    unverified: Counter,
    log: RefusalLog,
}

struct State {
    oldest: Oldest,
    source_answered: Option<Instant>,
    destination_answered: Option<Instant>,
}

impl ChannelHealth {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(source: ChainId, destination: ChainId) -> Self {
        let labels = [("source", source.to_string()), ("destination", destination.to_string())];
        let state =
            State { oldest: Oldest::default(), source_answered: None, destination_answered: None };
        Self {
            source,
            destination,
            state: Mutex::new(state),
            age: gauge!("tributary_relay_channel_age_seconds", &labels),
            alarms: counter!("tributary_relay_age_alarms_total", &labels),
            deliveries: counter!("tributary_relay_deliveries_total", &labels),
            messages: counter!("tributary_relay_messages_total", &labels),
            failures: counter!("tributary_relay_failures_total", &labels),
            unverified: counter!("tributary_relay_unverified_total", &labels),
            log: RefusalLog::default(),
        }
    }

    /// An attempt failed.
    pub fn failed(&self, reason: &str) {
        self.failures.increment(1);
        self.log.warn(&self.name(), reason);
    }

    /// The source answered.
    pub fn source_answered(&self) {
        self.state().source_answered = Some(Instant::now());
    }

    /// The destination told its cursor.
    pub fn cursor(&self, cursor: Cursor) {
        let mut state = self.state();
        state.destination_answered = Some(Instant::now());
        state.oldest.delivered(cursor);
    }

    /// The source showed a delivery.
    pub fn seen(&self, delivery: &Delivery, cursor: Cursor) {
        self.state().oldest.seen(delivery, cursor);
    }

    /// A delivery is under a validator set that this relay does not know.
    pub fn unverified(&self) {
        self.unverified.increment(1);
    }

    /// The destination took a delivery.
    pub fn delivered(&self, delivery: &Delivery, cursor: Cursor) {
        self.deliveries.increment(1);
        self.messages.increment(delivery.messages.len() as u64);
        self.cursor(cursor);
    }

    /// One sentence if a chain has not answered for long.
    fn missing(&self, now: Instant) -> Option<String> {
        let state = self.state();
        let silent = |answered: Option<Instant>| {
            answered.is_none_or(|at| now.duration_since(at) > Duration::from_millis(SILENCE_MS_MAX))
        };
        if silent(state.source_answered) {
            return Some(format!("chain {} does not answer", self.source));
        }
        // A destination is asked again only when there is something for it.
        state
            .destination_answered
            .is_none()
            .then(|| format!("chain {} does not answer", self.destination))
    }

    fn look(&self, now: TimeMs, age_alarm_ms: u64) {
        let age_ms = self.state().oldest.age_ms(now);
        self.age.set(Duration::from_millis(age_ms).as_secs_f64());
        if age_ms > age_alarm_ms {
            self.alarms.increment(1);
            self.log.warn(&self.name(), "messages wait longer than the age alarm allows");
        }
    }

    fn name(&self) -> String {
        format!("channel {} to {}", self.source, self.destination)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the relay lacks; each chain is named once.
#[must_use]
pub fn missing(channels: &[Arc<ChannelHealth>]) -> Vec<String> {
    let now = Instant::now();
    let mut missing: Vec<_> = channels.iter().filter_map(|channel| channel.missing(now)).collect();
    missing.sort();
    missing.dedup();
    missing
}

/// Renews ages and raises alarms until the process ends.
pub async fn watch(channels: Vec<Arc<ChannelHealth>>, age_alarm_ms: u64) {
    let mut interval = tokio::time::interval(Duration::from_millis(LOOK_INTERVAL_MS));
    loop {
        interval.tick().await;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = TimeMs::new(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX));
        for channel in &channels {
            channel.look(now, age_alarm_ms);
        }
    }
}
