//! Those who lie: relays, one validator of each chain, a router, clients.
//!
//! What they do is what their position allows: a relay brings what it likes, a
//! validator signs with its own key what it likes, a router sends batches where
//! it likes, a client signs once and sends twice. None of them holds another's
//! key, and nobody tampers with consensus, which trusts validators to follow
//! its protocol.

use std::sync::Arc;

use tributary_chain::batch::OwnerSignature;
use tributary_chain::certificate::Vote;
use tributary_chain::channel::{channels_root, extend_digest, message_hash};
use tributary_chain::{Batch, Certificate, Delivery, DenseTree, Message};
use tributary_replica::HeaderVote;
use tributary_types::{Amount, BlockHeight, ChainId, Domain, Hash, InstitutionId, OutcomeCode};

use crate::cluster::{SHOPS, institution_key, strangers_key, validator_key};
use crate::prng::{Chance, Prng};
use crate::stage::Stage;

/// Deliveries that lying relays keep to bring them again.
const KEPT_MAX: usize = 24;
/// A router signs with a key that was added later, if there may be one.
const FURTHER_KEY: Chance = Chance::percent(30);
/// The lying router sends an order anywhere.
const MISROUTES: Chance = Chance::percent(40);

/// The lying router signs what nobody asked for.
const MISSIGNS: Chance = Chance::percent(4);
/// How much of a message is its beginning, in bytes.
const NEAR_BYTES: usize = 400;

/// What liars remember.
#[derive(Debug, Default)]
pub struct Memory {
    deliveries: Vec<Arc<Delivery>>,
    batches: Vec<Batch>,
}

/// The validator of each chain that may lie, if one of them can be spared.
#[must_use]
pub fn lying_validator(stage: &Stage) -> Option<u16> {
    let lies = stage.scenario.profile.liars.validator != Chance::NEVER;
    (lies && stage.cluster.spare() > 0).then(|| stage.cluster.replicas() - 1)
}

/// What a validator sends as its vote.
pub fn vote(chain: ChainId, from: u16, honest: HeaderVote, stage: &mut Stage) -> HeaderVote {
    if stage.scenario.profile.liars.quorum && from > 0 {
        let header_hash = Domain::Header.hash(&honest.height.get().to_le_bytes());
        let vote = Vote::sign(from, &validator_key(chain, from), &header_hash);
        return HeaderVote { header_hash, vote, ..honest };
    }
    let chance = stage.scenario.profile.liars.validator;
    if stage.healing || lying_validator(stage) != Some(from) || !stage.liar_prng.happens(chance) {
        return honest;
    }
    let key = validator_key(chain, from);
    let other = Domain::Header.hash(&stage.liar_prng.bits().to_le_bytes());
    let prng = &mut stage.liar_prng;
    let signed = |header_hash, height| HeaderVote {
        height,
        header_hash,
        vote: Vote::sign(from, &key, &header_hash),
    };
    match prng.below(4) {
        0 => signed(other, honest.height),
        1 => signed(honest.header_hash, BlockHeight::new(honest.height.get() + prng.below(2_000))),
        2 => HeaderVote { header_hash: other, ..honest },
        _ => HeaderVote {
            vote: Vote { validator: prng.below(3).try_into().unwrap_or(0), ..honest.vote },
            ..honest
        },
    }
}

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
    let own_set = lying_validator(stage);
    let mut lie = Delivery::clone(honest);
    let prng = &mut stage.liar_prng;
    match prng.below(16) {
        0 if lie.header.height.get().is_multiple_of(2) => return other,
        0 => return acknowledgement_of_another(honest, &stage.lies.deliveries).unwrap_or(other),
        1 => lie.messages.reverse(),
        2 => drop_message(&mut lie, prng),
        3 => {
            lie.messages.truncate(lie.messages.len() / 2);
            lie.tail.clear();
        }
        4 => lie.messages = other.messages,
        5 => (lie.header, lie.certificate) = (other.header, other.certificate),
        6 => (lie.leaf, lie.path, lie.channels) = (other.leaf, other.path, other.channels),
        7 => lie.first_sequence = prng.below(lie.first_sequence + 3),
        8 => forge_amount(&mut lie, prng),
        9 => forge_header(&mut lie, None, stage),
        10 => forge_header(&mut lie, own_set, stage),
        11 => repeat_signer(&mut lie),
        12 => lie.certificate.votes.truncate(1),
        13 => lie.leaf.sent_sequence += prng.between(1, 5),
        14 => lie.leaf.received_sequence += prng.between(1, 5),
        _ => lie.messages.extend(other.messages),
    }
    lie
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
    forge_amount(lie, prng);
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

/// More money than was certified.
fn forge_amount(lie: &mut Delivery, prng: &mut Prng) {
    let index = prng.index(lie.messages.len());
    let more = |amount: &mut Amount| *amount = Amount::new(amount.get() + 1);
    match lie.messages.get_mut(index) {
        Some(Message::Statement(statement)) => {
            if let Some(row) = statement.rows.first_mut() {
                more(&mut row.counters.received);
                more(&mut row.counters.swept);
            }
        }
        Some(Message::FundRequest(request)) => more(&mut request.amount),
        Some(Message::Fund(fund)) => more(&mut fund.granted),
        Some(Message::TransferOutcome(outcome)) => {
            outcome.code = OutcomeCode::CreditAccountFrozen;
        }
        _ => {}
    }
}

/// Where a router sends an order.
pub fn route(router: u16, honest: ChainId, stage: &mut Stage) -> ChainId {
    let lies = stage.scenario.profile.liars.router && router == 0;
    if !lies || stage.healing || !stage.liar_prng.happens(MISROUTES) {
        return honest;
    }
    stage.liar_prng.pick(&stage.cluster.chains).copied().unwrap_or(honest)
}

/// Which of an institution's keys a router signs with.
pub fn key_number(institution: InstitutionId, stage: &mut Stage) -> u16 {
    let most = stage.orders.further_keys;
    if institution != SHOPS || most == 0 || !stage.liar_prng.happens(FURTHER_KEY) {
        return 0;
    }
    u16::try_from(stage.liar_prng.between(1, u64::from(most))).unwrap_or(0)
}

/// What a lying router signs in the name of its institution instead of what it
/// was asked for: nothing at all, something for another chain, or an owner's
/// signature of no payment.
pub fn signed(router: u16, honest: Batch, stage: &mut Stage) -> Batch {
    let lies = stage.scenario.profile.liars.router && router == 0;
    if !lies || stage.healing || !stage.liar_prng.happens(MISSIGNS) {
        return honest;
    }
    let Batch { mut chain, institution, operations, mut payments, mut owner_signatures, .. } =
        honest;
    let key = institution_key(institution, 0);
    match stage.liar_prng.below(3) {
        0 => {
            (payments, owner_signatures) = (Vec::new(), Vec::new());
        }
        1 => chain = stage.liar_prng.pick(&stage.cluster.chains).copied().unwrap_or(chain),
        _ => {
            let signature = key.sign(&Hash::ZERO);
            let payment = u32::try_from(payments.len()).unwrap_or(u32::MAX);
            owner_signatures.push(OwnerSignature { payment, signature });
        }
    }
    let cluster = &stage.cluster.hash;
    Batch::sign(cluster, chain, institution, &key, operations, payments, owner_signatures)
}

/// Now and then a bit of what a relay or a client sends flips; whether it did.
pub fn garble(bytes: &mut [u8], stage: &mut Stage) -> bool {
    let chance = stage.scenario.profile.liars.client;
    let garbles = !stage.healing && stage.liar_prng.happens(chance);
    if garbles {
        let prng = &mut stage.liar_prng;
        // Most lengths and tags are near the beginning.
        let reach = if prng.below(2) == 0 { bytes.len().min(NEAR_BYTES) } else { bytes.len() };
        let place = prng.index(reach);
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1 << prng.below(8);
        }
    }
    garbles
}

/// What reaches the chain instead of a batch that was signed: an older one, or
/// one that was changed.
pub fn batch(honest: Batch, stage: &mut Stage) -> Batch {
    let chance = stage.scenario.profile.liars.client;
    let kept = &mut stage.lies.batches;
    if kept.len() == KEPT_MAX {
        kept.remove(0);
    }
    kept.push(honest.clone());
    if stage.healing || !stage.liar_prng.happens(chance) {
        return honest;
    }
    let prng = &mut stage.liar_prng;
    let mut lie = honest;
    match prng.below(4) {
        0 => lie.payments.reverse(),
        1 => {
            lie.institution = SHOPS;
            lie.key = institution_key(SHOPS, 0).public();
        }
        2 => lie.key = strangers_key(2).public(),
        _ => lie.owner_signatures.clear(),
    }
    lie
}
