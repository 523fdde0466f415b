//! What others say to a node process and ask of it: validators, relays, routers.

use std::sync::Arc;

use tributary_chain::{Batch, CertificateError, Delivery};
use tributary_replica::PeerMessage;
use tributary_replica::effect::PeerError;
use tributary_types::ChainId;
use tributary_types::codec::decode_exact;

use crate::event::{Answer, Ask};
use crate::hosted::{Caller, Purpose};
use crate::liars;
use crate::node::Node;
use crate::stage::Stage;
use crate::trace::Place;

impl Node {
    /// Bytes of another validator.
    pub fn peer(
        &mut self,
        chain: ChainId,
        from: u16,
        bytes: &[u8],
        garbled: bool,
        stage: &mut Stage,
    ) {
        // The transport drops what was changed under way. What it would show a
        // decoder must not end the process; a vote is checked once more.
        let Ok(message) = decode_exact::<PeerMessage>(bytes) else {
            if !garbled {
                stage.checks.violate("encoding", "a peer's message does not decode".to_owned());
            }
            return;
        };
        if garbled && !matches!(message, PeerMessage::Vote(_) | PeerMessage::Certified(_)) {
            return;
        }
        self.input(chain, stage, |hosted, stage| {
            if let Err(error) = hosted.replica.handle_peer(from, message) {
                stage.trace.count(refusal(&error));
            }
        });
    }

    /// A question of a relay or router.
    pub fn call(&mut self, chain: ChainId, from: Place, call: u64, ask: Ask, stage: &mut Stage) {
        let place = self.place();
        self.input(chain, stage, |hosted, stage| {
            let caller = |purpose| Caller { place: from, call, purpose };
            match ask {
                Ask::Submit(bytes) => match decode_exact::<Batch>(&bytes) {
                    Ok(batch)
                        if !hosted.replica.is_leader() || batch.is_signed(&stage.cluster.hash) =>
                    {
                        let request = hosted.open(caller(Purpose::Submit));
                        hosted.replica.handle_submit(request, batch);
                    }
                    _ => stage.answer(place, from, call, Answer::Refused),
                },
                Ask::Deliver(bytes) => match decode_exact::<Delivery>(&bytes) {
                    Ok(delivery) => {
                        let request = hosted.open(caller(Purpose::Deliver));
                        hosted.replica.handle_delivery(request, delivery);
                    }
                    Err(_) => stage.answer(place, from, call, Answer::Refused),
                },
                Ask::Outgoing { peer, after, acknowledged } => {
                    hosted.follow(from, call, peer, after, acknowledged);
                    for (to, call, answer) in hosted.answer_followers() {
                        stage.answer(place, to, call, answer);
                    }
                }
                Ask::Routes => {
                    let proof = hosted.routes();
                    let shown = proof
                        .map(|proof| liars::routers::proof(hosted.validator, proof, stage))
                        .map(Arc::new);
                    stage.answer(place, from, call, Answer::Routes(shown));
                }
                Ask::Cursor { peer } => {
                    let acknowledged = stage.checks.acknowledged_height(chain);
                    let request = hosted.open(caller(Purpose::Cursor { peer, acknowledged }));
                    hosted.replica.handle_read(request);
                }
            }
        });
    }
}

/// A name for why a peer's message was refused.
const fn refusal(error: &PeerError) -> &'static str {
    match error {
        PeerError::Certificate { error, .. } => match error {
            CertificateError::NoQuorum { .. } => "certificate refused: no quorum",
            CertificateError::NotAscending(_) => "certificate refused: not ascending",
            CertificateError::WrongSignature(_) => "certificate refused: signature",
            _ => "certificate refused",
        },
        PeerError::Vote { .. } => "vote refused",
        _ => "peer's message refused",
    }
}
