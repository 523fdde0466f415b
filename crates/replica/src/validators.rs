//! What passes between validators beside consensus, and who may say what.
//!
//! Votes go to those who may still need them; a validator that lacks one says
//! so by its clock notice and gets it again, with the last certificate that its
//! peer has.

use raft::eraftpb::Message;
use tributary_chain::Header;

use crate::effect::{Effect, Now, PeerError};
use crate::engine::raft_id;
use crate::peer::{CertifiedHeader, ClockNotice, Farewell, HeaderVote, PeerMessage};
use crate::raft_codec::RaftMessage;
use crate::replica::Replica;
use crate::signing::REST_MS;
use crate::votes::{Counted, Tallied};

/// Milliseconds between the clock notices that a replica sends.
pub const CLOCK_INTERVAL_MS: u64 = 250;

impl Replica {
    /// A message of another validator; `from` is the index that its
    /// certificate proves.
    ///
    /// # Errors
    /// [`PeerError`]: the message was refused and nothing was changed.
    pub fn handle_peer(&mut self, from: u16, message: PeerMessage) -> Result<(), PeerError> {
        if self.is_stopped() {
            return Ok(());
        }
        let validators = self.ledger.validator_set().keys().len();
        if usize::from(from) >= validators || from == self.config.validator {
            return Err(PeerError::UnknownValidator(from));
        }
        match message {
            PeerMessage::Raft(RaftMessage(message)) => {
                self.check_addresses(from, &message)?;
                if message.has_snapshot() {
                    return Err(PeerError::Raft("a snapshot without its state"));
                }
                self.engine.step(message).map_err(PeerError::Raft)?;
            }
            PeerMessage::Vote(vote) => self.receive_vote(from, &vote)?,
            PeerMessage::Clock(notice) => self.receive_notice(from, notice),
            PeerMessage::Snapshot(message) => self.receive_snapshot(from, *message)?,
            PeerMessage::Farewell(Farewell) => {
                self.gone.insert(from);
            }
            PeerMessage::Certified(message) => self.receive_certificate(message)?,
        }
        Ok(())
    }

    /// Somebody wants proof of what was executed: signs the last header, and with
    /// that asks all others for their signatures.
    pub fn handle_certificate_wanted(&mut self) {
        if !self.is_stopped() {
            let counted = self.votes.sign_last();
            self.act_on(counted);
        }
    }

    /// Signs the last header if no other has followed it for a moment.
    pub(crate) fn sign_at_rest(&mut self, now: Now) {
        if now.monotonic_ms >= self.executed_at_ms.saturating_add(REST_MS) {
            self.handle_certificate_wanted();
        }
    }

    /// Takes note of a header that was executed here, and signs it if that is
    /// due.
    pub(crate) fn note_executed(&mut self, header: &Header) {
        self.executed_at_ms = self.now.map_or(0, |now| now.monotonic_ms);
        let counted = self.votes.executed(header, header.hash(&self.cluster));
        self.act_on(counted);
    }

    pub(crate) fn check_addresses(&self, from: u16, message: &Message) -> Result<(), PeerError> {
        for (expected, found) in [(from, message.from), (self.config.validator, message.to)] {
            if found != raft_id(expected) {
                let found = found.wrapping_sub(1);
                return Err(PeerError::WrongValidator { expected, found });
            }
        }
        Ok(())
    }

    fn receive_vote(&mut self, from: u16, vote: &HeaderVote) -> Result<(), PeerError> {
        if vote.vote.validator != from {
            let found = u64::from(vote.vote.validator);
            return Err(PeerError::WrongValidator { expected: from, found });
        }
        let height = vote.height;
        let counted =
            self.votes.received(vote).map_err(|error| PeerError::Vote { height, error })?;
        self.act_on(counted);
        Ok(())
    }

    fn receive_certificate(&mut self, message: CertifiedHeader) -> Result<(), PeerError> {
        let height = message.header.height;
        let tallied = self
            .votes
            .certified_elsewhere(&self.cluster, message)
            .map_err(|error| PeerError::Certificate { height, error })?;
        self.act_on(Counted { vote: None, tallied });
        Ok(())
    }

    fn receive_notice(&mut self, from: u16, notice: ClockNotice) {
        self.gone.remove(&from);
        if let Some(now) = self.now {
            self.clocks.hear(from, notice.wall, now);
        }
        for vote in self.votes.votes_for(from, notice.certified_through) {
            self.emit(Effect::Send { to: from, message: PeerMessage::Vote(vote) });
        }
        if let Some(certified) = self.votes.certificate_above(notice.certified_through) {
            self.emit(Effect::Send { to: from, message: PeerMessage::Certified(certified) });
        }
    }

    fn act_on(&mut self, Counted { vote, tallied }: Counted) {
        if let Some(vote) = vote {
            // Who shall sign too must know that it is committed.
            self.engine.tell_commit();
            for to in self.others() {
                if self.votes.is_wanted_by(to, vote.height) {
                    self.emit(Effect::Send { to, message: PeerMessage::Vote(vote) });
                }
            }
        }
        match tallied {
            Tallied::Open => {}
            Tallied::Certified(header, certificate) => {
                self.emit(Effect::Certified { header, certificate });
            }
            Tallied::Diverged(fatality) => self.stop(fatality),
        }
    }

    /// Has the next tick send a clock notice: a new leader needs it.
    pub(crate) fn notice_soon(&mut self) {
        self.noticed_at_ms = None;
    }

    pub(crate) fn send_clock_notice(&mut self, now: Now) {
        let due = |last: u64| now.monotonic_ms >= last.saturating_add(CLOCK_INTERVAL_MS);
        // Who has said farewell does not sound as if it stayed.
        if !self.resigning && self.noticed_at_ms.is_none_or(due) {
            self.noticed_at_ms = Some(now.monotonic_ms);
            let certified_through = self.votes.last_certified();
            let notice = ClockNotice { wall: now.wall, certified_through };
            for to in self.others() {
                self.emit(Effect::Send { to, message: PeerMessage::Clock(notice) });
            }
        }
    }

    /// All validators but this one.
    pub(crate) fn others(&self) -> impl Iterator<Item = u16> + use<> {
        let validators = self.ledger.validator_set().keys().len();
        let own = self.config.validator;
        (0..validators).filter_map(|index| u16::try_from(index).ok()).filter(move |to| *to != own)
    }
}
