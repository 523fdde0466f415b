//! A relay: one courier for each channel, with nothing but cursors that it can
//! read again. Several work at once, and some lie.
//!
//! ```text
//!  read cursor ──▶ ask the source ──▶ deliver ──▶ ask the source …
//!       ▲────────────── any failure ─────┘
//! ```

use std::sync::Arc;

use tributary_chain::Delivery;
use tributary_types::{ChainId, Encode};

use crate::event::{Answer, Ask, Event};
use crate::liars;
use crate::stage::Stage;
use crate::trace::Place;

/// How long an answer is waited for.
const PATIENCE_US: u64 = 900_000;
/// How long a source may hold a question open.
const OUTGOING_PATIENCE_US: u64 = 2_000_000;
/// Longest pause before the next attempt.
const PAUSE_US_MAX: u64 = 200_000;

/// See the module head.
pub struct Relay {
    number: u16,
    life: u64,
    couriers: Vec<Courier>,
}

/// Who carries from one chain to another.
struct Courier {
    from: ChainId,
    to: ChainId,
    cursor: Option<Cursor>,
    /// The validator that is believed to lead the receiving chain.
    leader: u16,
    /// The validator of the sending chain that is asked next.
    turn: u16,
    /// The question that is open.
    call: u64,
    carried: Option<Arc<Delivery>>,
    /// What was brought was not what the source sent: the answer says nothing
    /// about this channel.
    lied: bool,
    step: u64,
}

/// How far the receiving chain is, as a relay knows it.
#[derive(Debug, Clone, Copy)]
struct Cursor {
    received: u64,
    acknowledged: u64,
}

impl Relay {
    /// A relay that knows nothing yet.
    #[must_use]
    pub fn new(number: u16, stage: &mut Stage) -> Self {
        let courier = |(from, to)| Courier {
            from,
            to,
            cursor: None,
            leader: 0,
            turn: number % stage.cluster.replicas(),
            call: 0,
            carried: None,
            lied: false,
            step: 0,
        };
        let couriers = stage.cluster.channels().map(courier).collect();
        let mut relay = Self { number, life: 0, couriers };
        relay.restart(stage);
        relay
    }

    /// The process ends and begins again.
    pub fn restart(&mut self, stage: &mut Stage) {
        self.life += 1;
        for (channel, courier) in self.couriers.iter_mut().enumerate() {
            *courier = Courier {
                cursor: None,
                call: 0,
                carried: None,
                step: courier.step + 1,
                ..*courier
            };
            let pause_us = stage.process_prng.below(PAUSE_US_MAX);
            let (relay, life, step) = (self.number, self.life, courier.step);
            stage.after(pause_us, Event::RelayDue { relay, life, channel, step });
        }
    }

    /// A courier has waited long enough.
    pub fn due(&mut self, life: u64, channel: usize, step: u64, stage: &mut Stage) {
        let is_stale = life != self.life
            || self.couriers.get(channel).is_none_or(|courier| courier.step != step);
        if is_stale {
            return;
        }
        let replicas = stage.cluster.replicas();
        let courier = &mut self.couriers[channel];
        if courier.call != 0 {
            // No answer came: ask somebody else.
            courier.turn = (courier.turn + 1) % replicas;
            if courier.carried.is_some() || courier.cursor.is_none() {
                courier.leader = (courier.leader + 1) % replicas;
                courier.cursor = None;
            }
            courier.carried = None;
        }
        match courier.cursor {
            None => self.read_cursor(channel, stage),
            Some(cursor) => self.ask_source(channel, cursor, stage),
        }
    }

    /// A node answers.
    pub fn answer(&mut self, call: u64, answer: &Answer, stage: &mut Stage) {
        let Some(channel) = self.couriers.iter().position(|courier| courier.call == call) else {
            return;
        };
        let courier = &mut self.couriers[channel];
        courier.call = 0;
        match answer {
            Answer::Cursor { received, acknowledged } => {
                let cursor = Cursor { received: *received, acknowledged: *acknowledged };
                courier.cursor = Some(cursor);
                self.ask_source(channel, cursor, stage);
            }
            Answer::Outgoing(delivery) => self.deliver(channel, Arc::clone(delivery), stage),
            Answer::Delivered(Ok(received)) if !courier.lied => {
                let carried = courier.carried.take();
                if let (Some(cursor), Some(delivery)) = (courier.cursor.as_mut(), carried) {
                    cursor.received = cursor.received.max(*received);
                    cursor.acknowledged = cursor.acknowledged.max(delivery.leaf.received_sequence);
                }
                self.pause(channel, 0, stage);
            }
            Answer::NotLeader(hint) => {
                let replicas = stage.cluster.replicas();
                courier.leader = hint.unwrap_or((courier.leader + 1) % replicas);
                courier.carried = None;
                self.pause(channel, 20_000, stage);
            }
            _ => {
                courier.cursor = None;
                courier.carried = None;
                self.pause(channel, 20_000, stage);
            }
        }
    }

    fn read_cursor(&mut self, channel: usize, stage: &mut Stage) {
        let Courier { from, to, leader, .. } = self.couriers[channel];
        self.ask(channel, to, leader, Ask::Cursor { peer: from }, PATIENCE_US, stage);
    }

    fn ask_source(&mut self, channel: usize, cursor: Cursor, stage: &mut Stage) {
        let Courier { from, to, turn, .. } = self.couriers[channel];
        let Cursor { received: after, acknowledged } = cursor;
        let ask = Ask::Outgoing { peer: to, after, acknowledged };
        self.ask(channel, from, turn, ask, OUTGOING_PATIENCE_US, stage);
    }

    fn deliver(&mut self, channel: usize, delivery: Arc<Delivery>, stage: &mut Stage) {
        let Courier { to, leader, cursor, .. } = self.couriers[channel];
        let is_news = cursor.is_some_and(|cursor| {
            let brings =
                !delivery.messages.is_empty() && delivery.last_sequence() > cursor.received;
            brings || delivery.leaf.received_sequence > cursor.acknowledged
        });
        if !is_news {
            // The source repeats itself: what is known must be wrong.
            self.couriers[channel].cursor = None;
            return self.pause(channel, PAUSE_US_MAX, stage);
        }
        let brought = liars::relays::delivery(&delivery, stage);
        let mut bytes = brought.to_bytes();
        let is_garbled = liars::garble(&mut bytes, stage);
        self.couriers[channel].lied = is_garbled || brought != *delivery;
        self.couriers[channel].carried = Some(delivery);
        self.ask(channel, to, leader, Ask::Deliver(bytes.into()), PATIENCE_US, stage);
    }

    fn ask(
        &mut self,
        channel: usize,
        chain: ChainId,
        validator: u16,
        ask: Ask,
        patience_us: u64,
        stage: &mut Stage,
    ) {
        let call = stage.next_call();
        let courier = &mut self.couriers[channel];
        courier.call = call;
        courier.step += 1;
        let (relay, life, step) = (self.number, self.life, courier.step);
        stage.after(patience_us, Event::RelayDue { relay, life, channel, step });
        let node = stage.cluster.home(chain, validator);
        let from = Place::Relay(self.number);
        stage.send(from, Place::Node(node), Event::Call { node, from, call, chain, ask });
    }

    fn pause(&mut self, channel: usize, longest_us: u64, stage: &mut Stage) {
        let courier = &mut self.couriers[channel];
        courier.step += 1;
        let (relay, life, step) = (self.number, self.life, courier.step);
        let pause_us = stage.process_prng.between(longest_us / 4, longest_us);
        stage.after(pause_us, Event::RelayDue { relay, life, channel, step });
    }
}
