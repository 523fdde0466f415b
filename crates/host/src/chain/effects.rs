//! Carrying out what the replica asks for, in the order in which it asks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tributary_chain::channel::{DELIVERY_BYTES_MAX, Portion};
use tributary_chain::{Certificate, Header};
use tributary_replica::store::LogWrite;
use tributary_replica::{Effect, ExecutedBlock, PeerMessage, Reply, RequestId};
use tributary_wire::node::{NodeError, Submitted};
use tributary_wire::peer::PeerFrame;

use super::evaluate::evaluate;
use super::input::{Answered, MessageRange};
use super::thread::{ChainThread, End, Waiting};
use crate::archive::ArchiveJob;
use crate::archive::checkpoints::CheckpointJob;
use crate::log::{LogJob, SLOW_SYNC, SLOW_SYNC_OF_GUEST};

/// Most bytes of messages and hashes in one delivery; the rest is for what
/// proves them.
const PORTION_BYTES_MAX: usize = DELIVERY_BYTES_MAX - (16 << 10);
/// Most bytes of entries that whoever drives a chain writes to the log itself, and of
/// what a guest carries out: more take longer than the way to another thread and back.
pub(super) const OWN_BYTES_MAX: usize = 16 << 10;

/// How long effects are carried out until inputs are looked for: much shorter than an
/// election timeout, and than a block of full size takes.
const EFFECTS_MS_MAX: u64 = 5;

/// Whether a replica has asked for all it has to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It has; only an input makes it go on.
    Idle,
    /// It goes on as soon as inputs were looked for.
    Busy,
}

impl ChainThread {
    /// Polls until the replica asks for nothing more, or for [`EFFECTS_MS_MAX`].
    /// Who is behind goes on.
    pub(super) fn carry_out_effects(&mut self) -> Result<Progress, End> {
        let until = Instant::now() + Duration::from_millis(EFFECTS_MS_MAX);
        if let Some(effect) = self.left.take() {
            self.carry_out(effect)?;
        }
        while let Some(effect) = self.replica.poll_effect() {
            self.carry_out(effect)?;
            if Instant::now() >= until && !self.replica.is_behind() {
                return Ok(Progress::Busy);
            }
        }
        Ok(Progress::Idle)
    }

    pub(super) fn carry_out(&mut self, effect: Effect) -> Result<(), End> {
        match effect {
            Effect::Persist(number, write) => self.persist(number, write),
            Effect::Send { to, message } => {
                if !self.outputs.network.send(to, self.frame(&message)) {
                    self.metrics.peer_queue_full();
                    self.replica.handle_peer_unreachable(to);
                }
                Ok(())
            }
            Effect::SendSnapshot { to, message } => {
                let done = self.outputs.completed.clone();
                self.outputs.network.send_large(to, self.frame(&message), done);
                Ok(())
            }
            Effect::Reply { request, reply } => {
                self.reply(request, reply);
                Ok(())
            }
            Effect::Executed(block) => self.executed(block),
            Effect::Certified { header, certificate } => self.certified(header, certificate),
            Effect::SaveCheckpoint { checkpoint, complete } => {
                if complete {
                    // Perhaps installed, and certified next.
                    self.captures.capture(self.replica.ledger());
                    self.saving = Some((checkpoint.index, checkpoint.header.clone()));
                }
                let done = self.outputs.completed.clone();
                self.archive(ArchiveJob::Checkpoint(CheckpointJob { checkpoint, complete, done }))
            }
            Effect::LeaderChanged { leader, term } => {
                tracing::info!(chain = %self.chain, ?leader, term, "leader changed");
                self.metrics.leader_changed();
                Ok(())
            }
            Effect::Fatal(fatality) => Err(End::Fatal(fatality)),
        }
    }

    /// Has the log's thread write, or writes here if nothing else waits for this
    /// thread. Writes of a chain stay in order: none is made here while one is
    /// under way there.
    fn persist(&mut self, number: u64, write: LogWrite) -> Result<(), End> {
        let is_free = self.writes_under_way == 0 && self.queues.are_empty();
        let bytes: usize = write.entries.iter().map(|entry| entry.data.len()).sum();
        let left = if is_free && bytes <= OWN_BYTES_MAX {
            let slow = if self.is_guest { SLOW_SYNC_OF_GUEST } else { SLOW_SYNC };
            self.outputs.log.try_write(write, slow).map_err(End::Storage)?
        } else {
            Some(write)
        };
        let Some(write) = left else {
            self.replica.handle_persisted(number);
            return Ok(());
        };
        self.writes_under_way += 1;
        let done = self.outputs.completed.clone();
        self.outputs.log_jobs.send(LogJob { number, write, done }).map_err(|_| End::Gone)
    }

    fn executed(&mut self, block: Arc<ExecutedBlock>) -> Result<(), End> {
        self.captures.capture(self.replica.ledger());
        self.metrics.executed(self.replica.ledger(), &block);
        let reader = self.outputs.reader.clone();
        reader.block_is_executed(block.clone());
        self.archive(ArchiveJob::Block { reader, block })
    }

    fn certified(&mut self, header: Header, certificate: Certificate) -> Result<(), End> {
        self.metrics.certified(header.height);
        let reader = self.outputs.reader.clone();
        reader.header_is_certified(header.clone(), certificate.clone());
        self.publish_certified(&header, &certificate);
        self.archive(ArchiveJob::Certificate { reader, header, certificate })
    }

    /// Shows a certified header to relays' requests. Certificates of lower
    /// headers may come later than those of higher ones: then the view stays,
    /// but whoever waits for a certificate looks again.
    fn publish_certified(&mut self, header: &Header, certificate: &Certificate) {
        let view = self.captures.certify(header, certificate).map(Arc::new);
        self.outputs.certified.send_modify(|current| {
            let known = current.as_ref().map(|current| current.header.height);
            if view.is_some() && known.is_none_or(|known| known < header.height) {
                *current = view;
            }
        });
    }

    fn archive(&self, job: ArchiveJob) -> Result<(), End> {
        self.outputs.archive.send(job).map_err(|_| End::Gone)
    }

    fn frame(&self, message: &PeerMessage) -> Vec<u8> {
        PeerFrame::encode(self.chain, self.validator, message)
    }

    fn reply(&mut self, request: RequestId, reply: Reply) {
        match self.waiting.remove(&request) {
            Some(Waiting::Submit { received, reply: to }) => {
                if matches!(reply, Reply::Receipts { .. }) {
                    self.metrics.committed(received.elapsed());
                }
                self.answer(to, self.submitted(reply));
            }
            Some(Waiting::Deliver { reply: to }) => {
                let result = match reply {
                    Reply::Delivered(result) => Ok(result.map_err(|error| error.to_string())),
                    other => Err(self.not_done(other)),
                };
                self.answer(to, result);
            }
            Some(Waiting::Ask { ask, reply: to }) => {
                let result = match reply {
                    Reply::ReadReady => evaluate(self.replica.ledger(), &ask),
                    other => Err(self.not_done(other)),
                };
                self.answer(to, result);
            }
            None => tracing::error!(chain = %self.chain, ?request, "a reply to no request"),
        }
    }

    fn submitted(&self, reply: Reply) -> Result<Submitted, NodeError> {
        match reply {
            Reply::Receipts { height, first_index, receipts } => {
                Ok(Submitted { chain: self.chain, height, first_index, receipts })
            }
            other => Err(self.not_done(other)),
        }
    }

    /// What every kind of request can hear instead of its answer.
    fn not_done(&self, reply: Reply) -> NodeError {
        match reply {
            Reply::NotLeader { hint } => NodeError::NotLeader { chain: self.chain, leader: hint },
            Reply::Unknown => NodeError::OutcomeUnknown,
            Reply::Overloaded { retry_after_ms } => NodeError::Overloaded { retry_after_ms },
            Reply::Refused(error) => NodeError::Refused(error.to_string()),
            Reply::TooLarge { bytes, limit } => {
                NodeError::Refused(format!("{bytes} bytes, at most {limit} are allowed"))
            }
            Reply::Receipts { .. } | Reply::Delivered(_) | Reply::ReadReady => {
                tracing::error!(chain = %self.chain, "a reply of the wrong kind");
                NodeError::OutcomeUnknown
            }
        }
    }

    /// Unacknowledged messages in `range`, or their hashes where they do not
    /// fit; what is pruned already is left out, the receiver has it. `None` if
    /// there is no such peer. The outbox may be ahead of the header that they
    /// are wanted for.
    pub(super) fn messages(&self, range: MessageRange) -> Option<Portion> {
        let ledger = self.replica.ledger();
        let channels = ledger.channel_status();
        let channel = channels.iter().find(|channel| channel.peer == range.peer)?;
        let after = range.after.max(channel.acknowledged);
        let outgoing = ledger.outgoing(range.peer, after, PORTION_BYTES_MAX)?;
        let (mut messages, mut tail) = (outgoing.messages, outgoing.tail);
        let wanted = usize::try_from(range.through.saturating_sub(after)).unwrap_or(usize::MAX);
        messages.truncate(wanted);
        tail.truncate(wanted - messages.len());
        Some(Portion { first_sequence: outgoing.first_sequence, messages, tail })
    }

    pub(super) fn answer<T>(&self, to: Answered<T>, result: Result<T, NodeError>) {
        if to.send(result).is_err() {
            tracing::debug!(chain = %self.chain, "a caller left before its answer");
        }
    }
}
