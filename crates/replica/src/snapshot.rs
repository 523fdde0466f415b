//! Whole states between replicas, for a follower that fell behind the log.
//!
//! raft decides when one is sent and whether one is installed; it sees index
//! and term only. The state travels beside raft's message. It is restored and
//! its root recomputed before raft learns of it: a state that does not fit its
//! header, or a header that does not fit its certificate, changes nothing.

use raft::eraftpb::Message;
use tributary_chain::{Certificate, Header};
use tributary_ledger::{IndexKey, Ledger, Page};

use crate::effect::{Effect, Fatality, PeerError};
use crate::log::LogPosition;
use crate::peer::{PeerMessage, SnapshotMessage};
use crate::raft_codec::RaftMessage;
use crate::recovery::check_replay;
use crate::replica::Replica;
use crate::store::Checkpoint;

/// A state that was received and verified, until raft installs it.
pub(crate) struct Offered {
    position: LogPosition,
    header: Header,
    certificate: Option<Certificate>,
    ledger: Ledger,
    pages: Vec<Page>,
}

impl Replica {
    /// Adds the executed state to raft's message.
    pub(crate) fn send_snapshot(&mut self, to: u16, message: Message) {
        let metadata = message.get_snapshot().get_metadata();
        let position = LogPosition { index: metadata.index, term: metadata.term };
        if position != self.engine.log().applied() {
            self.engine.snapshot_failed(to);
            return;
        }
        let header = self.ledger.header().clone();
        let certified = self.votes.last_certificate().filter(|(last, _)| *last == header);
        let certificate = certified.map(|(_, certificate)| certificate.clone());
        let message = PeerMessage::Snapshot(Box::new(SnapshotMessage {
            raft: RaftMessage(message),
            header,
            certificate,
            pages: self.ledger.all_pages(),
        }));
        self.emit(Effect::SendSnapshot { to, message });
    }

    /// Verifies a state and hands raft the message it came with.
    pub(crate) fn receive_snapshot(
        &mut self,
        from: u16,
        message: SnapshotMessage,
    ) -> Result<(), PeerError> {
        let SnapshotMessage { raft: RaftMessage(raft), header, certificate, pages } = message;
        self.check_addresses(from, &raft)?;
        // What was committed before is executed before.
        self.drive();
        if self.is_stopped() {
            return Ok(());
        }
        if self.engine.wants_snapshot(&raft).map_err(PeerError::Raft)? {
            let metadata = raft.get_snapshot().get_metadata();
            let position = LogPosition { index: metadata.index, term: metadata.term };
            self.check_header(&header, certificate.as_ref())?;
            let height = header.height;
            let (chain, key) = (self.config.chain, IndexKey::of_validator(&self.config.key));
            let ledger =
                Ledger::restore_keyed(&self.genesis, chain, header.clone(), &pages, key)
                    .map_err(|error| PeerError::Snapshot { height, reason: error.to_string() })?;
            self.offered = Some(Offered { position, header, certificate, ledger, pages });
        }
        let result = self.engine.step(raft).map_err(PeerError::Raft);
        self.drive();
        self.offered = None;
        result
    }

    /// raft replaces its log by the state that came with its last message.
    pub(crate) fn install(&mut self, position: LogPosition) {
        let Some(offered) = self.offered.take().filter(|offered| offered.position == position)
        else {
            self.stop(Fatality::SnapshotMissing { index: position.index });
            return;
        };
        let Offered { header, certificate, ledger, pages, .. } = offered;
        self.ledger = ledger;
        self.votes.installed(&header, header.hash(&self.cluster), certificate.clone());
        self.checkpoints.begin(position.index);
        let LogPosition { index, term } = position;
        let checkpoint = Checkpoint { index, term, header: header.clone(), pages };
        self.emit(Effect::SaveCheckpoint { checkpoint, complete: true });
        if let Some(certificate) = certificate {
            self.emit(Effect::Certified { header, certificate });
        }
    }

    fn check_header(
        &self,
        header: &Header,
        certificate: Option<&Certificate>,
    ) -> Result<(), PeerError> {
        let height = header.height;
        let refused = |reason: String| Err(PeerError::Snapshot { height, reason });
        let executed = self.ledger.header();
        if height < executed.height {
            return refused(format!("state at height {} is here", executed.height));
        }
        if height == executed.height && header != executed {
            return refused("another header was executed at this height".to_owned());
        }
        if let Err(fatality) = check_replay(&self.cluster, header, self.certified_before.as_ref()) {
            return refused(fatality.to_string());
        }
        if let Some(certificate) = certificate
            && let Err(error) =
                certificate.verify(&self.cluster, header, self.ledger.validator_set())
        {
            return refused(format!("certificate: {error}"));
        }
        Ok(())
    }
}
