//! What a chain's thread measures about its chain.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tributary_ledger::Ledger;
use tributary_replica::{ExecutedBlock, Replica};
use tributary_types::{BlockHeight, ChainId, OutcomeCode};

use super::thread::Queues;
use crate::measure::{as_f64, u64_as_f64};

/// Sent messages of one channel whose moments are remembered.
const SENT_MOMENTS_MAX: usize = 1_024;
/// Executed heights whose moments are remembered until they are certified.
const EXECUTED_MOMENTS_MAX: usize = 1_024;

/// Handles, and the moments that latencies are measured from.
pub struct ChainMetrics {
    label: String,
    blocks: Counter,
    outcomes: Vec<Counter>,
    block_outcomes: Histogram,
    block_interval: Histogram,
    commit_latency: Histogram,
    certify_latency: Histogram,
    leader_changes: Counter,
    lost: Counter,
    executed_height: Gauge,
    certified_height: Gauge,
    raft: [Gauge; 6],
    queues: [Gauge; 5],
    channels: BTreeMap<ChainId, ChannelMetrics>,
    last_block: Option<Instant>,
    executed_at: VecDeque<(BlockHeight, Instant)>,
}

/// One channel to a peer.
struct ChannelMetrics {
    settlement_latency: Histogram,
    age: Gauge,
    unacknowledged: Gauge,
    /// Last sequence seen.
    last_sent: u64,
    /// Unacknowledged sequences with the moments when they were seen first.
    sent_at: VecDeque<(u64, Instant)>,
}

impl ChainMetrics {
    /// Registers the metrics of a chain.
    #[must_use]
    pub fn new(ledger: &Ledger) -> Self {
        let label = ledger.chain().to_string();
        let chain = || ("chain", label.clone());
        let outcome = |code: &OutcomeCode| {
            counter!("tributary_outcomes_total", &[chain(), ("code", code.to_string())])
        };
        let raft = |what: &str| gauge!("tributary_raft", &[chain(), ("what", what.to_owned())]);
        let queue =
            |name: &str| gauge!("tributary_queue_depth", &[chain(), ("queue", name.to_owned())]);
        let height = |kind: &str| gauge!("tributary_height", &[chain(), ("kind", kind.to_owned())]);
        Self {
            blocks: counter!("tributary_blocks_total", &[chain()]),
            outcomes: OutcomeCode::ALL.iter().map(outcome).collect(),
            block_outcomes: histogram!("tributary_block_outcomes_count", &[chain()]),
            block_interval: histogram!("tributary_block_interval_seconds", &[chain()]),
            commit_latency: histogram!("tributary_commit_latency_seconds", &[chain()]),
            certify_latency: histogram!("tributary_certify_latency_seconds", &[chain()]),
            leader_changes: counter!("tributary_leader_changes_total", &[chain()]),
            lost: counter!(
                "tributary_peer_messages_lost_total",
                &[chain(), ("queue", "outgoing".to_owned())]
            ),
            executed_height: height("executed"),
            certified_height: height("certified"),
            raft: ["term", "is_leader", "commit", "applied", "first", "last"].map(raft),
            queues: ["requests", "peers", "pending", "in_flight", "reads"].map(queue),
            channels: BTreeMap::new(),
            last_block: None,
            executed_at: VecDeque::new(),
            label,
        }
    }

    /// A block was executed; `ledger` is at it or beyond.
    pub fn executed(&mut self, ledger: &Ledger, block: &ExecutedBlock) {
        let now = Instant::now();
        self.blocks.increment(1);
        self.executed_height.set(u64_as_f64(block.header.height.get()));
        if let Some(last) = self.last_block.replace(now) {
            self.block_interval.record(now - last);
        }
        let mut counts = vec![0; self.outcomes.len()];
        let mut count = |code: OutcomeCode, outcomes: usize| {
            if let Ok(number) = OutcomeCode::ALL.binary_search(&code) {
                counts[number] += outcomes as u64;
            }
        };
        // Nearly all are alike.
        for run in block.outcomes.receipts.chunk_by(|one, next| one.code == next.code) {
            count(run[0].code, run.len());
        }
        block.outcomes.late.iter().for_each(|(_, receipt)| count(receipt.code, 1));
        self.block_outcomes.record(u64_as_f64(counts.iter().sum()));
        for (counter, count) in self.outcomes.iter().zip(counts).filter(|(_, count)| *count > 0) {
            counter.increment(count);
        }
        self.executed_at.push_back((block.header.height, now));
        if self.executed_at.len() > EXECUTED_MOMENTS_MAX {
            self.executed_at.pop_front();
        }
        self.channels(ledger, now);
    }

    /// A header was certified.
    pub fn certified(&mut self, height: BlockHeight) {
        self.certified_height.set(u64_as_f64(height.get()));
        while let Some((executed, at)) = self.executed_at.front().copied()
            && executed <= height
        {
            self.certify_latency.record(at.elapsed());
            self.executed_at.pop_front();
        }
    }

    /// A batch got its receipts.
    pub fn committed(&self, latency: Duration) {
        self.commit_latency.record(latency);
    }

    /// Another leader or term.
    pub fn leader_changed(&self) {
        self.leader_changes.increment(1);
    }

    /// A message to a peer found its queue full or its connection gone.
    pub fn peer_queue_full(&self) {
        self.lost.increment(1);
    }

    /// Renews the gauges.
    pub fn measure(&mut self, replica: &Replica, queues: &Queues) {
        let status = replica.status();
        let is_leader = u64::from(replica.is_leader());
        let raft = [
            status.term,
            is_leader,
            status.commit,
            status.applied,
            status.log_first,
            status.log_last,
        ];
        for (gauge, value) in self.raft.iter().zip(raft) {
            gauge.set(u64_as_f64(value));
        }
        let depths = [
            queues.requests.len(),
            queues.peers.len(),
            status.pending_requests,
            status.in_flight_blocks,
            status.pending_reads,
        ];
        for (gauge, depth) in self.queues.iter().zip(depths) {
            gauge.set(as_f64(depth));
        }
        for channel in self.channels.values() {
            let oldest = channel.sent_at.front().map_or(0.0, |(_, at)| at.elapsed().as_secs_f64());
            channel.age.set(oldest);
        }
    }

    fn channels(&mut self, ledger: &Ledger, now: Instant) {
        for status in ledger.channel_status() {
            let label = &self.label;
            let channel = self.channels.entry(status.peer).or_insert_with(|| {
                let labels = [("chain", label.clone()), ("peer", status.peer.to_string())];
                ChannelMetrics::new(&labels, status.acknowledged)
            });
            channel.moved(status.sent, status.acknowledged, now);
        }
    }
}

impl ChannelMetrics {
    fn new(labels: &[(&'static str, String); 2], acknowledged: u64) -> Self {
        Self {
            settlement_latency: histogram!("tributary_settlement_latency_seconds", labels),
            age: gauge!("tributary_channel_age_seconds", labels),
            unacknowledged: gauge!("tributary_channel_unacknowledged", labels),
            last_sent: acknowledged,
            sent_at: VecDeque::new(),
        }
    }

    fn moved(&mut self, sent: u64, acknowledged: u64, now: Instant) {
        if sent > self.last_sent {
            self.last_sent = sent;
            self.sent_at.push_back((sent, now));
            if self.sent_at.len() > SENT_MOMENTS_MAX {
                // The oldest tells the age; the newest ones only refine.
                self.sent_at.remove(1);
            }
        }
        while let Some((sequence, at)) = self.sent_at.front().copied()
            && sequence <= acknowledged
        {
            self.settlement_latency.record(now.duration_since(at));
            self.sent_at.pop_front();
        }
        self.unacknowledged.set(u64_as_f64(sent.saturating_sub(acknowledged)));
    }
}
