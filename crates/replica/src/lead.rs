//! The leader's side: requests, and when to propose what.
//!
//! - Nothing in flight: propose at once what waits. Else gather until a whole
//!   block waits; several may be in flight. No timers, no empty blocks.
//! - A body of clock reports alone is proposed when the ledger has work due by
//!   block time (a settlement), when a read wants a later block time than an
//!   idle chain stands at, or when requests wait and block time is too far
//!   behind to reach the present in one step.
//! - Nothing is proposed without recent clock reports of a quorum: block time
//!   would not move, and ids of the present might be refused for ever. A leader
//!   that hears a quorum has them within [`crate::CLOCK_INTERVAL_MS`].

use tributary_chain::{Batch, Body, ClockReport, Delivery};
use tributary_ledger::Admission;
use tributary_types::TimeMs;
use tributary_types::codec::Encode;

use crate::effect::{Reply, RequestId};
use crate::pending::{Gathered, InFlight, Item};
use crate::raft_codec::ENTRY_BYTES_MAX;
use crate::replica::Replica;

/// Wait that is suggested to a caller who finds a queue full.
pub const RETRY_AFTER_MS: u64 = 100;
/// Most bytes of one batch or delivery: alone in a block it fits a log entry.
pub const ITEM_BYTES_MAX: usize = ENTRY_BYTES_MAX - (64 << 10);

impl Replica {
    /// A batch whose signatures are verified. Answered by one [`Reply`].
    pub fn handle_submit(&mut self, request: RequestId, batch: Batch) {
        if self.is_stopped() {
            return;
        }
        if !self.accepts_requests() {
            return self.refuse(request);
        }
        if let Err(error) = self.ledger.admit_batch(&batch) {
            return self.reply(request, Reply::Refused(error));
        }
        if self.pending.is_full(batch.bytes_estimate()) {
            return self.reply(request, Reply::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        let bytes = batch.to_bytes();
        if bytes.len() > ITEM_BYTES_MAX {
            let (bytes, limit) = (bytes.len(), ITEM_BYTES_MAX);
            return self.reply(request, Reply::TooLarge { bytes, limit });
        }
        self.pending.push(request, Item::Batch(batch), bytes);
    }

    /// Messages of another chain. Answered by one [`Reply`],
    /// without a block if they bring nothing new.
    pub fn handle_delivery(&mut self, request: RequestId, delivery: Delivery) {
        if self.is_stopped() {
            return;
        }
        if !self.accepts_requests() {
            return self.refuse(request);
        }
        let bytes = delivery.to_bytes();
        if bytes.len() > ITEM_BYTES_MAX {
            let (bytes, limit) = (bytes.len(), ITEM_BYTES_MAX);
            return self.reply(request, Reply::TooLarge { bytes, limit });
        }
        if self.pending.is_full(bytes.len()) {
            return self.reply(request, Reply::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        self.examine(request, delivery, bytes);
    }

    /// A read that must see everything acknowledged before. Answered by
    /// [`Reply::ReadReady`]; then [`Replica::ledger`] may be read.
    pub fn handle_read(&mut self, request: RequestId) {
        self.take_read(request, None);
    }

    /// A read like [`Replica::handle_read`], of a state whose block time is past
    /// `after` if the clocks are. Blocks are what moves a chain's time, so an
    /// idle chain would go on to say that something can still happen which no
    /// clock of a validator allows any more: one block puts that right.
    pub fn handle_read_after(&mut self, request: RequestId, after: TimeMs) {
        self.take_read(request, Some(after));
    }

    fn take_read(&mut self, request: RequestId, after: Option<TimeMs>) {
        if self.is_stopped() {
            return;
        }
        if !self.accepts_requests() {
            return self.refuse(request);
        }
        if self.reads.len() >= self.config.limits.pending_reads_max {
            return self.reply(request, Reply::Overloaded { retry_after_ms: RETRY_AFTER_MS });
        }
        match after {
            Some(after) => self.reads.push_later(after, request),
            None => self.reads.push(request),
        }
    }

    /// Does what a leader has to do now. Returns whether raft was given
    /// something.
    pub(crate) fn lead(&mut self) -> bool {
        if !self.accepts_requests() {
            return false;
        }
        let mut gave = false;
        if self.reads.want_later() {
            let present = self.present().map_or(TimeMs::default(), |(present, _)| present);
            self.reads.release(self.ledger.header().time, present);
        }
        if self.engine.may_read()
            && let Some(barrier) = self.reads.next_barrier()
        {
            self.engine.read_index(barrier);
            gave = true;
        }
        self.propose_next() || gave
    }

    /// Answers everything that was not proposed: this replica leads no more.
    pub(crate) fn refuse_waiting(&mut self) {
        let mut requests = self.pending.clear();
        requests.extend(self.reads.clear());
        for request in requests {
            self.refuse(request);
        }
    }

    /// A block is executed: deliveries that waited for it are looked at again.
    pub(crate) fn examine_parked(&mut self, executed: &Body) {
        self.pending.finish(executed);
        for (request, delivery) in self.pending.take_parked() {
            let bytes = delivery.to_bytes();
            self.examine(request, delivery, bytes);
        }
    }

    fn accepts_requests(&self) -> bool {
        self.is_leader() && !self.resigning
    }

    fn refuse(&mut self, request: RequestId) {
        let hint = self.leader_hint();
        self.reply(request, Reply::NotLeader { hint });
    }

    fn examine(&mut self, request: RequestId, delivery: Delivery, bytes: Vec<u8>) {
        if self.pending.is_busy(delivery.source()) {
            self.pending.park(request, delivery, bytes.len());
            return;
        }
        match self.ledger.admit_delivery(&delivery) {
            Ok(Admission::Useful) => {
                let item = Item::Delivery(Box::new(delivery));
                self.pending.push(request, item, bytes);
            }
            Ok(Admission::Known(cursor)) => self.reply(request, Reply::Delivered(Ok(cursor))),
            Err(error) => self.reply(request, Reply::Delivered(Err(error))),
        }
    }

    fn propose_next(&mut self) -> bool {
        if self.in_flight.len() >= self.config.limits.in_flight_blocks_max {
            return false;
        }
        let idle = self.in_flight.is_empty();
        if idle {
            self.expected_time = self.ledger.header().time;
        }
        let waits = !self.pending.is_queue_empty();
        if !idle && !waits {
            return false;
        }
        let Some((present, clocks)) = self.present() else { return false };
        let step_ms_max = self.ledger.parameters().time_step_ms_max;
        if waits && present > self.expected_time.plus_ms(step_ms_max) {
            return self.propose(time_only(clocks), present);
        }
        if waits && (idle || self.pending.fills_a_block()) {
            let gathered = self.pending.gather(clocks);
            return self.propose(gathered, present);
        }
        let due = self.ledger.next_due().is_some_and(|due| due <= present);
        if idle && (due || self.reads.want_later()) && present > self.expected_time {
            return self.propose(time_only(clocks), present);
        }
        false
    }

    /// What the clocks of a quorum say, and their reports; none if too few are
    /// heard.
    fn present(&self) -> Option<(TimeMs, Vec<ClockReport>)> {
        let clocks = self.clocks.reports(self.now?);
        let are_enough = clocks.len() >= self.ledger.validator_set().quorum();
        are_enough.then(|| (median(&clocks), clocks))
    }

    fn propose(&mut self, gathered: Gathered, present: TimeMs) -> bool {
        let Gathered { body, bytes, requests } = gathered;
        let Some(position) = self.engine.propose(bytes) else {
            self.pending.finish(&body);
            for request in requests.ids() {
                self.refuse(request);
            }
            return false;
        };
        let step_ms_max = self.ledger.parameters().time_step_ms_max;
        let reached = present.min(self.expected_time.plus_ms(step_ms_max));
        self.expected_time = self.expected_time.max(reached);
        self.in_flight.push_back(InFlight { position, body, requests });
        true
    }
}

fn time_only(clocks: Vec<ClockReport>) -> Gathered {
    let body = Body { clocks, ..Body::default() };
    let bytes = body.to_bytes();
    Gathered { body, bytes, requests: Default::default() }
}

/// The middle of the reports, the earlier of two.
fn median(clocks: &[ClockReport]) -> TimeMs {
    let mut times: Vec<TimeMs> = clocks.iter().map(|report| report.time).collect();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default()
}
