//! What operators do wrong: a node that is started with the wrong key, or from
//! a disk that somebody put together by hand; a genesis or rules of placement
//! with a mistake in them.
//!
//! All of it must be refused, in a sentence, with nothing changed.

use tributary_chain::Certificate;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_ledger::{ChainKind, Genesis};
use tributary_replica::{ReplicaConfig, Restored};
use tributary_routing::RouteTable;
use tributary_routing::placement::{PLACEMENT_RULES_MAX, PlacementRule};
use tributary_types::{AccountClass, BlockHeight, ChainId, Slot};

use crate::clock::START;
use crate::cluster::strangers_key;
use crate::prng::Prng;

/// Kinds of mistakes at a start.
const STARTS: u64 = 18;
/// Kinds of mistakes in a genesis.
const GENESES: u64 = 11;
/// A height that no chain ever reaches.
const HEIGHT_BEYOND: u64 = 1 << 50;

/// Makes one mistake at a start, by chance, and says which; none if what is on
/// the disk does not allow for it.
pub fn at_start(
    config: &mut ReplicaConfig,
    restored: &mut Restored,
    prng: &mut Prng,
) -> Option<&'static str> {
    match prng.below(STARTS) {
        0 => config.tick_ms = 0,
        1 => config.election_ticks = config.heartbeat_ticks,
        2 => config.limits.in_flight_blocks_max = 0,
        3 => config.key = strangers_key(9),
        4 => config.validator = 99,
        drawn @ 5..=10 => return in_checkpoint(drawn, restored, prng),
        drawn => return in_log(drawn, restored, prng),
    }
    Some("wrong settings")
}

fn in_checkpoint(drawn: u64, restored: &mut Restored, prng: &mut Prng) -> Option<&'static str> {
    let checkpoint = restored.checkpoint.as_mut()?;
    let page = prng.index(checkpoint.pages.len());
    match drawn {
        5 => checkpoint.header.chain = ChainId::new(checkpoint.header.chain.get() + 1),
        6 => checkpoint.header.height = BlockHeight::new(HEIGHT_BEYOND),
        7 => {
            checkpoint.pages.get(page)?;
            checkpoint.pages.remove(page);
        }
        8 => {
            let twice = checkpoint.pages.get(page)?.clone();
            checkpoint.pages.push(twice);
        }
        9 => checkpoint.pages.get_mut(page)?.key.section = 99,
        _ => {
            let mut other = checkpoint.header.clone();
            other.time = other.time.plus_ms(1);
            restored.certified = Some((other, Certificate { votes: Vec::new() }));
        }
    }
    Some("another checkpoint")
}

fn in_log(drawn: u64, restored: &mut Restored, prng: &mut Prng) -> Option<&'static str> {
    let saved = restored.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.index);
    let log = &mut restored.log;
    let commit = log.hard_state.commit;
    let place = prng.index(log.entries.len());
    match drawn {
        11 => {
            let last = log.entries.last().filter(|last| last.index > saved + 1)?.clone();
            log.entries = vec![last];
        }
        12 => {
            // What is left must meet the checkpoint: else all of it is dropped.
            log.entries.first().filter(|first| first.index == saved + 1 && commit > saved)?;
            log.entries.retain(|entry| entry.index < commit);
        }
        13 => {
            log.entries.get(place + 1)?;
            log.entries.swap(place, place + 1);
        }
        14 => {
            log.entries.last().filter(|last| last.term > 0)?;
            log.hard_state.term = 0;
        }
        15 => log.entries.get_mut(place)?.kind = 9,
        16 => log.entries.get_mut(place)?.kind = 1,
        _ => {
            let mut entries = log.entries.iter_mut().filter(|_| commit > saved);
            entries.find(|entry| entry.index == saved + 1)?.data = vec![7; 3].into();
        }
    }
    Some("another log")
}

/// A genesis with one mistake, by chance, and which.
pub fn in_genesis(genesis: &Genesis, prng: &mut Prng) -> (&'static str, Genesis) {
    let mut wrong = genesis.clone();
    let first = wrong.chains.first().cloned();
    let what = match (prng.below(GENESES), first) {
        (0, _) => {
            wrong.cluster.clear();
            "no name"
        }
        (1, Some(first)) => {
            wrong.chains.push(first);
            "a chain twice"
        }
        (2, _) => {
            wrong.chains.iter_mut().for_each(|chain| chain.kind = ChainKind::User);
            "no HF chain"
        }
        (3, _) => {
            let nowhere = [ChainId::new(77)];
            let routes = RouteTable::even(1, &nowhere, genesis.hf_chain());
            wrong.routes = routes.unwrap_or_else(|_| genesis.routes.clone());
            "slots of a chain that is not there"
        }
        (4, _) => {
            wrong.institutions.iter_mut().for_each(|institution| institution.operator = false);
            "no operator"
        }
        (5, Some(mut first)) => {
            let again = first.validators.first().copied();
            first.validators.extend(again);
            wrong.chains[0] = first;
            "a validator twice"
        }
        (6, Some(mut first)) => {
            first.validators.clear();
            wrong.chains[0] = first;
            "a chain without validators"
        }
        (7, _) => {
            let scale = u8::from(prng.below(2) == 0);
            let other = |asset: &AssetEntry| AssetEntry { scale: asset.scale + scale, ..*asset };
            wrong.assets.extend(genesis.assets.first().map(other));
            "two assets of one number"
        }
        (8, _) => {
            let is_same = prng.below(2) == 0;
            let other = |it: &InstitutionEntry| {
                let keys = if is_same { it.keys.clone() } else { Vec::new() };
                InstitutionEntry { keys, ..it.clone() }
            };
            wrong.institutions.extend(genesis.institutions.first().map(other));
            "two institutions of one number"
        }
        (9, _) => {
            wrong.parameters.waiting_refunds_max = u64::MAX;
            "a parameter out of bounds"
        }
        _ => {
            wrong.parameters.settlement_interval_ms = 0;
            "a settlement without pause"
        }
    };
    (what, wrong)
}

/// Rules of placement with one mistake, by chance, and which.
pub fn in_placement(prng: &mut Prng) -> (&'static str, Vec<PlacementRule>) {
    let (first, last) = (Slot::new(0), Slot::new(Slot::COUNT - 1));
    let (Some(first), Some(last)) = (first, last) else { return ("no slots", Vec::new()) };
    let mut rule = PlacementRule {
        institution: None,
        asset: None,
        class: None,
        name: None,
        valid_from: START,
        valid_until: None,
        first,
        last,
    };
    let mut count = 1;
    let what = match prng.below(4) {
        0 => {
            (rule.first, rule.last) = (last, first);
            "a range that ends before it begins"
        }
        1 => {
            rule.valid_until = Some(START);
            "a rule that is never valid"
        }
        2 => {
            rule.class = Some(AccountClass::Issuer);
            "a class without slots"
        }
        _ => {
            count += PLACEMENT_RULES_MAX;
            "too many rules"
        }
    };
    (what, vec![rule; count])
}
