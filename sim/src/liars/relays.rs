//! Lying relays: what they bring is not what the source sent.

use std::sync::Arc;

use tributary_chain::certificate::Vote;
use tributary_chain::channel::{channels_root, extend_digest, message_hash};
use tributary_chain::{Certificate, Delivery, DenseTree};
use tributary_types::{BlockHeight, Hash};

use super::messages::forge_message;
use super::{KEPT_MAX, lying_validator};
use crate::cluster::{strangers_key, validator_key};
use crate::prng::Prng;
use crate::stage::Stage;

/// What a relay brings instead of what the source sent.
pub fn delivery(honest: &Arc<Delivery>, stage: &mut Stage) -> Delivery {
    let chance = stage.scenario.profile.liars.relay;
    let kept = &mut stage.lies.deliveries;
    if kept.len() == KEPT_MAX {
        kept.remove(0);
    }
    kept.push(Arc::clone(honest));
    if stage.healing || !stage.liar_prng.happens(chance) {
        return Delivery::clone(honest);
    }
    let other = stage
        .liar_prng
        .pick(kept)
        .map_or_else(|| Delivery::clone(honest), |kept| Delivery::clone(kept));
    let (what, lie) = lie(honest, other, stage);
    if lie != **honest {
        stage.trace.count(what);
    }
    lie
}

/// One way to lie about a delivery, by chance; it may change nothing.
fn lie(honest: &Arc<Delivery>, other: Delivery, stage: &mut Stage) -> (&'static str, Delivery) {
    let mut lie = Delivery::clone(honest);
    let prng = &mut stage.liar_prng;
    let what = match prng.below(18) {
        0 if lie.header.height.get().is_multiple_of(2) => {
            lie = other;
            "lie: another delivery"
        }
        0 => {
            lie = acknowledgement_of_another(honest, &stage.lies.deliveries).unwrap_or(other);
            "lie: another chain's acknowledgement"
        }
        1 => {
            lie.messages.reverse();
            "lie: messages in another order"
        }
        2 => {
            drop_message(&mut lie, prng);
            "lie: a message less"
        }
        3 => {
            lie.messages.truncate(lie.messages.len() / 2);
            lie.tail.clear();
            "lie: half of the messages"
        }
        4 => {
            lie.messages = other.messages;
            "lie: messages of another delivery"
        }
        5 => {
            (lie.header, lie.certificate) = (other.header, other.certificate);
            "lie: the header of another delivery"
        }
        6 => {
            (lie.leaf, lie.path, lie.channels) = (other.leaf, other.path, other.channels);
            "lie: the leaf of another delivery"
        }
        7 => {
            lie.first_sequence = prng.below(lie.first_sequence + 3);
            "lie: another first number"
        }
        8..=10 => forge_message(&mut lie, prng).unwrap_or("lie: nothing to forge"),
        drawn @ 11..=14 => lie_about_signers(drawn, &mut lie, stage),
        15 => {
            lie.leaf.sent_sequence += prng.between(1, 5);
            "lie: more was sent"
        }
        16 => {
            lie.leaf.received_sequence += prng.between(1, 5);
            "lie: more was received"
        }
        _ => {
            lie.messages.extend(other.messages);
            "lie: messages of two deliveries"
        }
    };
    (what, lie)
}

fn lie_about_signers(drawn: u64, lie: &mut Delivery, stage: &mut Stage) -> &'static str {
    match drawn {
        11 => {
            forge_header(lie, None, stage);
            "lie: a header that strangers signed"
        }
        12 => {
            forge_header(lie, lying_validator(stage), stage);
            "lie: a header that one validator signed"
        }
        13 => {
            repeat_signer(lie);
            "lie: one signer twice"
        }
        _ => {
            lie.certificate.votes.truncate(1);
            "lie: one signer"
        }
    }
}

/// What a source last told another chain that it received.
fn acknowledgement_of_another(honest: &Delivery, kept: &[Arc<Delivery>]) -> Option<Delivery> {
    let fits = |other: &&Arc<Delivery>| {
        other.header.chain == honest.header.chain && other.leaf.peer != honest.leaf.peer
    };
    let other = kept.iter().rev().find(fits)?;
    Some(Delivery { messages: Vec::new(), tail: Vec::new(), ..Delivery::clone(other) })
}

fn drop_message(lie: &mut Delivery, prng: &mut Prng) {
    if !lie.messages.is_empty() {
        lie.messages.remove(prng.index(lie.messages.len()));
    }
}

/// Makes a header that commits to the lie, and signs it: with no registered
/// key; as often as needed with the one that the liar has; or once with that
/// one, and for all others with made-up keys.
fn forge_header(lie: &mut Delivery, member: Option<u16>, stage: &mut Stage) {
    let prng = &mut stage.liar_prng;
    let (from, to) = (lie.header.chain, lie.leaf.peer);
    forge_message(lie, prng);
    lie.tail.clear();
    let before = lie.first_sequence.saturating_sub(1);
    let mut digest = stage.checks.digest(from, to, before).unwrap_or(Hash::ZERO);
    for (sequence, message) in (lie.first_sequence..).zip(&lie.messages) {
        digest = extend_digest(&digest, from, to, sequence, &message_hash(message));
    }
    lie.leaf.sent_sequence = before + lie.messages.len() as u64;
    lie.leaf.sent_digest = digest;
    let tree = DenseTree::from_leaves(vec![lie.leaf.hash()]);
    lie.channels = tree.commitment();
    if let Some(path) = tree.path(0) {
        lie.path = path;
    }
    lie.header.channels_root = channels_root(&lie.channels);
    lie.header.height = BlockHeight::new(lie.header.height.get() + prng.below(3));
    let hash = lie.header.hash(&stage.cluster.hash);
    let chain = lie.header.chain;
    let alone = lie.header.height.get().is_multiple_of(2);
    let sign = |index: u16| match member {
        Some(member) if alone || index == member => {
            Vote::sign(member, &validator_key(chain, member), &hash)
        }
        _ => Vote::sign(index, &strangers_key(u32::from(index)), &hash),
    };
    lie.certificate = Certificate { votes: (0..stage.cluster.replicas()).map(sign).collect() };
}

fn repeat_signer(lie: &mut Delivery) {
    let votes = &mut lie.certificate.votes;
    if let Some(first) = votes.first().copied() {
        votes.truncate(1);
        votes.push(first);
    }
}
