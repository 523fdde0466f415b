//! Lying validators: one of each chain signs other headers than it executed, and
//! shows certificates that are none.

use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, Header};
use tributary_replica::peer::CertifiedHeader;
use tributary_replica::{HeaderVote, PeerMessage};
use tributary_types::{BlockHeight, ChainId, Domain, Hash};

use crate::cluster::{strangers_key, validator_key};
use crate::hosted::Hosted;
use crate::prng::{Chance, Prng};
use crate::stage::Stage;

/// A lying validator that has a vote to send shows a certificate instead.
const CERTIFIES: Chance = Chance::percent(35);

/// The validator of each chain that may lie, if one of them can be spared.
#[must_use]
pub fn lying_validator(stage: &Stage) -> Option<u16> {
    let lies = stage.scenario.profile.liars.validator != Chance::NEVER;
    (lies && stage.cluster.spare() > 0).then(|| stage.cluster.replicas() - 1)
}

/// What a validator sends to another instead of what it should.
pub fn message(hosted: &Hosted, honest: PeerMessage, stage: &mut Stage) -> PeerMessage {
    let (chain, from) = (hosted.chain, hosted.validator);
    match honest {
        PeerMessage::Vote(vote) if stage.scenario.profile.liars.quorum && from > 0 => {
            PeerMessage::Vote(vote_of_a_quorum(chain, from, vote))
        }
        PeerMessage::Vote(_) | PeerMessage::Certified(_) | PeerMessage::Snapshot(_)
            if lies_now(from, stage) =>
        {
            let executed = hosted.replica.ledger().header().clone();
            lie(from, honest, executed, stage)
        }
        _ => honest,
    }
}

/// A lie instead of a message; `executed` is the last header.
fn lie(from: u16, honest: PeerMessage, executed: Header, stage: &mut Stage) -> PeerMessage {
    match honest {
        PeerMessage::Vote(vote) if !stage.liar_prng.happens(CERTIFIES) => {
            PeerMessage::Vote(forged_vote(from, vote, &executed, stage))
        }
        PeerMessage::Certified(CertifiedHeader { header, certificate }) => {
            let real = Some(certificate);
            PeerMessage::Certified(forged_certificate(from, header, real, stage))
        }
        PeerMessage::Snapshot(mut snapshot) => {
            let header = snapshot.header.clone();
            let real = snapshot.certificate.take();
            let forged = forged_certificate(from, header, real, stage);
            // The pages are consensus; what is shown for them is not.
            (snapshot.header, snapshot.certificate) = (forged.header, Some(forged.certificate));
            stage.trace.count("lie: a snapshot under a certificate that is none");
            PeerMessage::Snapshot(snapshot)
        }
        _ => PeerMessage::Certified(forged_certificate(from, executed, None, stage)),
    }
}

/// The same other header from all but the first: more than any chain survives.
fn vote_of_a_quorum(chain: ChainId, from: u16, honest: HeaderVote) -> HeaderVote {
    let header_hash = Domain::Header.hash(&honest.height.get().to_le_bytes());
    let vote = Vote::sign(from, &validator_key(chain, from), &header_hash);
    HeaderVote { header_hash, vote, ..honest }
}

fn lies_now(from: u16, stage: &mut Stage) -> bool {
    let chance = stage.scenario.profile.liars.validator;
    !stage.healing && lying_validator(stage) == Some(from) && stage.liar_prng.happens(chance)
}

fn forged_vote(from: u16, honest: HeaderVote, executed: &Header, stage: &mut Stage) -> HeaderVote {
    let key = validator_key(executed.chain, from);
    let mut plausible = executed.clone();
    plausible.height = honest.height;
    change(&mut plausible, &mut stage.liar_prng);
    let other = plausible.hash(&stage.cluster.hash);
    let prng = &mut stage.liar_prng;
    let signed = |header_hash, height| HeaderVote {
        height,
        header_hash,
        vote: Vote::sign(from, &key, &header_hash),
    };
    let (what, lie) = match prng.below(4) {
        0 => ("lie: a vote for another header", signed(other, honest.height)),
        1 => {
            let height = BlockHeight::new(honest.height.get() + prng.between(1, 2_000));
            ("lie: a vote for another height", signed(honest.header_hash, height))
        }
        2 => {
            let lie = HeaderVote { header_hash: other, ..honest };
            ("lie: a vote over another hash", lie)
        }
        _ => {
            let another = (from + 1) % stage.cluster.replicas();
            let vote = Vote { validator: another, ..honest.vote };
            ("lie: a vote in another's name", HeaderVote { vote, ..honest })
        }
    };
    stage.trace.count(what);
    lie
}

/// A header, the real one or one with something changed, under a certificate
/// that is none.
fn forged_certificate(
    from: u16,
    mut header: Header,
    real: Option<Certificate>,
    stage: &mut Stage,
) -> CertifiedHeader {
    let (chain, replicas) = (header.chain, stage.cluster.replicas());
    let prng = &mut stage.liar_prng;
    let drawn = prng.below(5);
    // Real signatures are only a lie over something else.
    let real = real.filter(|_| drawn == 4);
    if real.is_some() || prng.below(2) == 0 {
        change(&mut header, prng);
    }
    let hash = header.hash(&stage.cluster.hash);
    let own = Vote::sign(from, &validator_key(chain, from), &hash);
    let in_the_name_of = |validator: u16| match validator == from {
        true => own,
        false => Vote::sign(validator, &strangers_key(u32::from(validator)), &hash),
    };
    let (what, votes) = match (drawn, real) {
        (_, Some(real)) => ("lie: a certificate of another header", real.votes),
        (0, None) => ("lie: a certificate of nobody", Vec::new()),
        (1, None) => ("lie: a certificate of too few", vec![own]),
        (2, None) => {
            let votes = vec![own; usize::from(replicas)];
            ("lie: a certificate of one who signs again and again", votes)
        }
        _ => {
            let votes = (0..replicas).map(in_the_name_of).collect();
            ("lie: a certificate with made-up signatures", votes)
        }
    };
    stage.trace.count(what);
    CertifiedHeader { header, certificate: Certificate { votes } }
}

/// One thing in a header becomes another.
fn change(header: &mut Header, prng: &mut Prng) {
    let other: Hash = Domain::Header.hash(&prng.bits().to_le_bytes());
    match prng.below(5) {
        0 => header.state_root = other,
        1 => header.channels_root = other,
        2 => header.receipts_root = other,
        3 => header.parent = other,
        _ => header.time = header.time.plus_ms(prng.between(1, 5_000)),
    }
}
