//! One courier for each ordered pair of chains: waits at the source for
//! something that the destination lacks, verifies it, and brings it there.
//!
//! It keeps one delivery under way. What the source sends meanwhile is in the
//! next one, so a busy channel is carried in few large deliveries.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};
use tributary_chain::Delivery;
use tributary_ledger::ChannelStatus;
use tributary_transport::Backoff;
use tributary_types::ChainId;
use tributary_wire::node::{NodeReply, NodeRequest};
use tributary_wire::query::{AnswerValue, Query};

use crate::cursor::Cursor;
use crate::destination::Parcel;
use crate::health::ChannelHealth;
use crate::replicas::Replicas;
use crate::verify::{Verdict, Verifier};

/// How long a source may hold a question open.
const OUTGOING_WAIT_MS: u64 = 2_000;
/// How long each rank leaves a delivery to the relays before it.
pub const RANK_DELAY_MS: u64 = 250;
/// Bound of one wait between attempts; the wait itself is the back-off's.
const PAUSE_MS_MAX: u64 = 5_000;

/// See the module head.
pub struct Courier {
    /// Where messages come from.
    pub source: Arc<Replicas>,
    /// Where they go.
    pub destination: Arc<Replicas>,
    /// The way in there.
    pub parcels: mpsc::Sender<Parcel>,
    /// Checks what is carried.
    pub verifier: Verifier,
    /// Place of this relay in the order of relays.
    pub rank: u32,
    /// Where age and contact are noted.
    pub health: Arc<ChannelHealth>,
}

impl Courier {
    /// Carries until the process ends.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new();
        // Couriers begin at different replicas, so that all are asked.
        let mut turn = usize::from(self.destination.chain().get());
        loop {
            match self.read_cursor().await {
                Ok(cursor) => self.carry(cursor, &mut turn, &mut backoff).await,
                Err(reason) => self.health.failed(&reason),
            }
            turn = turn.wrapping_add(1);
            pause(&mut backoff).await;
        }
    }

    /// Carries from `cursor` on until something fails.
    async fn carry(&mut self, mut cursor: Cursor, turn: &mut usize, backoff: &mut Backoff) {
        loop {
            let delivery = match self.outgoing(cursor, *turn).await {
                Ok(Some(delivery)) => delivery,
                Ok(None) => {
                    // Nothing new here; another replica may know more.
                    *turn = turn.wrapping_add(1);
                    continue;
                }
                Err(reason) => return self.health.failed(&reason),
            };
            if cursor.is_behind(&delivery) {
                match self.read_cursor().await {
                    Ok(now) => cursor = now,
                    Err(reason) => return self.health.failed(&reason),
                }
            }
            match self.verifier.verify(&delivery) {
                Ok(Verdict::Certified) => {}
                Ok(Verdict::OtherSet) => self.health.unverified(),
                Err(error) => return self.health.failed(&error.to_string()),
            }
            self.health.seen(&delivery, cursor);
            if self.rank > 0 {
                sleep(Duration::from_millis(RANK_DELAY_MS * u64::from(self.rank))).await;
                match self.read_cursor().await {
                    Ok(now) => cursor = now,
                    Err(reason) => return self.health.failed(&reason),
                }
                if !cursor.is_news(&delivery) {
                    continue;
                }
            }
            if !cursor.is_news(&delivery) {
                return self.health.failed("the source repeats what the destination has");
            }
            match self.deliver(delivery.clone()).await {
                Ok(received) => {
                    cursor = cursor.after(&delivery, received);
                    self.verifier.accepted(&delivery);
                    self.health.delivered(&delivery, cursor);
                    backoff.reset();
                }
                Err(reason) => return self.health.failed(&reason),
            }
        }
    }

    /// Asks the destination how far it is.
    async fn read_cursor(&self) -> Result<Cursor, String> {
        let source = self.source.chain();
        let (chain, query) = (self.destination.chain(), Query::Channels);
        let reply = self.destination.ask_leader(&NodeRequest::Query { chain, query }).await;
        let channels = match reply.map_err(|error| error.to_string())? {
            NodeReply::Answer(answer) => match answer.value {
                AnswerValue::Channels(channels) => channels,
                _ => return Err(format!("chain {chain} answered another question")),
            },
            _ => return Err(format!("chain {chain} answered another question")),
        };
        let cursor = cursor_of(&channels, source)
            .ok_or_else(|| format!("chain {chain} has no channel with chain {source}"))?;
        self.health.cursor(cursor);
        Ok(cursor)
    }

    async fn outgoing(&self, cursor: Cursor, turn: usize) -> Result<Option<Delivery>, String> {
        let request = NodeRequest::Outgoing {
            chain: self.source.chain(),
            peer: self.destination.chain(),
            after: cursor.received,
            acknowledged: cursor.acknowledged,
            wait_ms: OUTGOING_WAIT_MS,
        };
        let reply = self.source.ask_one(turn, &request, OUTGOING_WAIT_MS).await;
        match reply.map_err(|error| error.to_string())? {
            NodeReply::Outgoing(found) => {
                self.health.source_answered();
                Ok(found.map(|delivery| delivery.0))
            }
            _ => Err(format!("chain {} answered another question", self.source.chain())),
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<u64, String> {
        let (done, outcome) = oneshot::channel();
        let ended = || "the way into the destination has ended".to_owned();
        self.parcels.send(Parcel { delivery, done }).await.map_err(|_| ended())?;
        outcome.await.map_err(|_| ended())?
    }
}

fn cursor_of(channels: &[ChannelStatus], source: ChainId) -> Option<Cursor> {
    let channel = channels.iter().find(|channel| channel.peer == source)?;
    Some(Cursor { received: channel.received, acknowledged: channel.acknowledged })
}

async fn pause(backoff: &mut Backoff) {
    backoff.wait(0, Instant::now() + Duration::from_millis(PAUSE_MS_MAX)).await;
}
